"""InteractionFusion is a bilinear form and its lower orders."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import bilinear, linear

from graphfuse.errors import InvalidOption, MemoryBudget
from graphfuse.fusion.interaction import InteractionFusion

WIDTHS = {"c": 2, "a": 3, "d": 4}


def problem():
    torch.manual_seed(0)
    fusion = InteractionFusion(WIDTHS, 5, condition="c")
    values = {name: torch.randn(3, width) for name, width in WIDTHS.items()}
    u, v = fusion.linear.weight.split([2, 7], 1)
    return fusion, values, u, v


def test_formula():
    fusion, values, u, v = problem()
    z, weights = fusion(values, dict.fromkeys(WIDTHS, torch.ones(3, dtype=torch.bool)))
    c, others = values["c"], torch.cat([values["a"], values["d"]], 1)
    wanted = bilinear(c, others, fusion.weight) + linear(c, u) + linear(others, v) + fusion.linear.bias
    torch.testing.assert_close(z, wanted)
    assert weights is None


def test_terms_of_the_missing_vanish():
    fusion, values, u, v = problem()
    present = {
        "a": torch.tensor([True, False, False]),
        "c": torch.tensor([False, True, True]),
        "d": torch.tensor([True, True, False]),
    }
    z, _ = fusion(values, present)
    a, c, d, bias = values["a"], values["c"], values["d"], fusion.linear.bias
    wanted = [
        v @ torch.cat([a[0], d[0]]) + bias,
        torch.einsum("i,kij,j->k", c[1], fusion.weight[..., 3:], d[1]) + u @ c[1] + v[:, 3:] @ d[1] + bias,
        u @ c[2] + bias,
    ]
    torch.testing.assert_close(z, torch.stack(wanted))


def test_the_condition_is_the_first_by_name_or_the_one_that_is_named():
    assert InteractionFusion(WIDTHS, 5).condition == "a"
    with pytest.raises(InvalidOption, match="condition must be one of a, c, d"):
        InteractionFusion(WIDTHS, 5, condition="phenotype")


def test_a_large_form_is_refused_unless_the_limit_is_raised():
    with pytest.raises(MemoryBudget, match=r"widths \[1024, 1025\] has 1049600 numbers; at most 1048576"):
        InteractionFusion({"a": 1024, "b": 1025}, 1)
    assert InteractionFusion({"a": 1024, "b": 1025}, 1, limit=2**21).weight.shape == (1, 1024, 1025)
