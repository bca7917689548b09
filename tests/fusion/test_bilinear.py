"""BilinearFusion pools a bilinear form of low rank; the full form is torch's."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn.functional import bilinear as torch_bilinear
from torch.nn.functional import normalize

from graphfuse.errors import InvalidOption
from graphfuse.fusion.bilinear import BilinearFusion, bilinear_form, signed_root, unit_length

EVERYBODY = torch.ones(5, dtype=torch.bool)


def test_the_full_form_is_torchs():
    torch.manual_seed(0)
    left, weight, right = torch.randn(5, 2), torch.randn(4, 2, 3), torch.randn(5, 3)
    torch.testing.assert_close(bilinear_form(left, weight, right), torch_bilinear(left, right, weight))


def test_two_modalities_are_a_bilinear_form_of_low_rank():
    torch.manual_seed(0)
    fusion = BilinearFusion({"b": 3, "a": 2}, 4, factors=2)
    values = {"a": torch.randn(5, 2), "b": torch.randn(5, 3)}
    u, v = (project.weight.view(4, 2, -1) for project in fusion.project)  # (D, k, d_m)
    form = torch_bilinear(values["a"], values["b"], torch.einsum("dki,dkj->dij", u, v))
    z, weights = fusion(values, dict.fromkeys("ab", EVERYBODY))
    torch.testing.assert_close(z, normalize(form.sign() * form.abs().sqrt()), rtol=1e-3, atol=1e-4)  # epsilon
    assert weights is None


def test_a_missing_modality_is_left_out_of_the_product():
    torch.manual_seed(0)
    fusion, two = BilinearFusion({"a": 2, "b": 3, "c": 4}, 4), BilinearFusion({"a": 2, "c": 4}, 4)
    two.project.load_state_dict({"0.weight": fusion.project[0].weight, "1.weight": fusion.project[2].weight})
    values = {"a": torch.randn(5, 2), "b": torch.randn(5, 3), "c": torch.randn(5, 4)}
    z, _ = fusion(values, {"a": EVERYBODY, "b": ~EVERYBODY, "c": EVERYBODY})
    wanted, _ = two({"a": values["a"], "c": values["c"]}, {"a": EVERYBODY, "c": EVERYBODY})
    torch.testing.assert_close(z, wanted)


def test_the_signed_root_has_a_slope_at_zero():
    x = torch.tensor([-4.0, 0.0, 9.0], requires_grad=True)
    y = signed_root(x)
    y.sum().backward()
    torch.testing.assert_close(y.detach(), torch.tensor([-2.0, 0.0, 3.0]))
    torch.testing.assert_close(x.grad, torch.tensor([0.25, 1e4, 1 / 6]))


def test_rows_have_unit_length_but_for_zeros():
    x = torch.tensor([[3.0, 4.0], [0.0, 0.0]])
    assert torch.allclose(unit_length(x), torch.tensor([[0.6, 0.8], [0.0, 0.0]]))
    assert math.isclose(unit_length(x)[0].norm(), 1.0, rel_tol=1e-6)


def test_factors_are_checked():
    with pytest.raises(InvalidOption, match="factors"):
        BilinearFusion({"a": 2, "b": 3}, 4, factors=0)
