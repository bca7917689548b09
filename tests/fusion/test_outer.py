"""OuterFusion is equation (2) and a linear map."""

from __future__ import annotations

from functools import reduce

import numpy as np
import pytest
import torch

from graphfuse.errors import InvalidOption, MemoryBudget
from graphfuse.fusion.outer import OuterFusion, outer_product

EVERYBODY = torch.ones(3, dtype=torch.bool)


def embeddings(*widths):
    torch.manual_seed(0)
    return {name: torch.randn(3, width) for name, width in zip("abc", widths, strict=False)}


def test_equation_2_is_numpys_kronecker_product():
    values = list(embeddings(2, 3, 4).values())
    wanted = [reduce(np.kron, [np.append(v[i].numpy(), 1) for v in values]) for i in range(3)]
    np.testing.assert_allclose(outer_product(values), np.stack(wanted), rtol=1e-6)


def test_without_the_second_the_first_and_its_one_remain_exactly():
    v = embeddings(2)["a"]
    tensor = outer_product([v, torch.zeros(3, 4)]).view(3, 3, 5)
    assert torch.equal(tensor[..., 4], torch.cat([v, torch.ones(3, 1)], 1))
    assert not tensor[..., :4].any()


def test_formula():
    values = embeddings(2, 3)
    fusion = OuterFusion({"b": 3, "a": 2}, 5)
    z, weights = fusion(values, dict.fromkeys("ab", EVERYBODY))
    one = torch.ones(3, 1)
    tensor = torch.einsum("bi,bj->bij", torch.cat([values["a"], one], 1), torch.cat([values["b"], one], 1))
    torch.testing.assert_close(z, torch.einsum("bij,dij->bd", tensor, fusion.project.weight.view(5, 3, 4)))
    assert weights is None


def test_a_missing_modality_leaves_the_fusion_of_the_others():
    values = embeddings(2, 3, 4)
    fusion, smaller = OuterFusion({"a": 2, "b": 3, "c": 4}, 5), OuterFusion({"a": 2, "c": 4}, 5)
    with torch.no_grad():
        smaller.project.weight.copy_(fusion.project.weight.view(5, 3, 4, 5)[:, :, -1].flatten(1))
    z, _ = fusion(values, {"a": EVERYBODY, "b": ~EVERYBODY, "c": EVERYBODY})
    wanted, _ = smaller({"a": values["a"], "c": values["c"]}, {"a": EVERYBODY, "c": EVERYBODY})
    torch.testing.assert_close(z, wanted)


def test_a_large_tensor_is_refused_unless_the_limit_is_raised():
    OuterFusion({"a": 1023, "b": 1023}, 1)
    with pytest.raises(MemoryBudget, match=r"widths \[1025, 1024\] has 1049600 numbers; at most 1048576"):
        OuterFusion({"a": 1024, "b": 1023}, 1)
    assert OuterFusion({"a": 1024, "b": 1023}, 1, limit=2**21).project.in_features == 1049600
    with pytest.raises(InvalidOption, match="limit"):
        OuterFusion({"a": 2}, 1, limit=0)
