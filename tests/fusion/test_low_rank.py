"""LowRankFusion is the linear map of the full tensor, whose weight has the same factors."""

from __future__ import annotations

from itertools import product

import pytest
import torch

from graphfuse.errors import InvalidOption
from graphfuse.fusion.low_rank import LowRankFusion
from graphfuse.fusion.outer import OuterFusion

WIDTHS = {"a": 2, "b": 3, "c": 1}
PRESENT = {
    "a": torch.tensor([True, True, False]),
    "b": torch.tensor([True, False, True]),
    "c": torch.tensor([True, False, True]),
}


def embeddings():
    torch.manual_seed(0)
    return {name: torch.randn(3, width, dtype=torch.float64) for name, width in WIDTHS.items()}


def test_its_factors_make_the_weight_of_the_full_tensor():
    low, full = LowRankFusion(WIDTHS, 4, rank=3).double(), OuterFusion(WIDTHS, 4).double()
    with torch.no_grad():
        low.weight.normal_()
        low.bias.normal_()
        weight = torch.einsum("r,rid,rjd,rkd->dijk", low.weight, *low.factors)
        full.project.weight.copy_(weight.flatten(1))
    z, weights = low(embeddings(), PRESENT)
    torch.testing.assert_close(z, full(embeddings(), PRESENT)[0] + low.bias)
    assert weights is None


def test_any_full_tensor_has_factors():
    full = OuterFusion(WIDTHS, 4).double()
    sizes = [width + 1 for width in WIDTHS.values()]
    entries = list(product(*map(range, sizes)))  # one term of rank 1 for each entry of the tensor
    low = LowRankFusion(WIDTHS, 4, rank=len(entries)).double()
    with torch.no_grad():
        low.weight.fill_(1.0)
        for m, (factor, size) in enumerate(zip(low.factors, sizes, strict=True)):
            picked = torch.eye(size, dtype=torch.float64)[[entry[m] for entry in entries]]
            factor.copy_(picked[..., None].expand(-1, -1, 4))
        low.factors[0].mul_(full.project.weight.T[:, None])
    torch.testing.assert_close(low(embeddings(), PRESENT)[0], full(embeddings(), PRESENT)[0])


@pytest.mark.parametrize("count", [2, 8])
def test_the_scale_at_the_start_does_not_depend_on_the_number_of_modalities(count):
    torch.manual_seed(0)
    widths = {f"m{i}": 16 for i in range(count)}
    values = {name: torch.randn(2000, 16) for name in widths}
    everybody = dict.fromkeys(widths, torch.ones(2000, dtype=torch.bool))
    squares = [LowRankFusion(widths, 64, rank=8)(values, everybody)[0].detach().square().mean() for _ in range(20)]
    assert 0.7 < torch.stack(squares).mean() < 1.4


def test_rank_is_checked():
    with pytest.raises(InvalidOption, match="rank"):
        LowRankFusion(WIDTHS, 4, rank=0)
