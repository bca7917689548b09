"""Covariances become correlations, as the formula says and to the bit symmetric."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from graphfuse.connectome.unit_diagonal import unit_diagonal, unit_diagonal_reference


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("regions", [1, 7, 33])
def test_equals_the_formula_and_the_plain_twin(dtype, sign, regions):
    x = torch.randn(3, 50, regions, generator=torch.Generator().manual_seed(0), dtype=dtype)
    matrices = x.mT @ x
    matrices = (matrices + matrices.mT) / 2
    out, plain = torch.full_like(matrices, torch.nan), torch.empty_like(matrices)
    unit_diagonal(matrices, out, sign)
    scale = matrices.diagonal(dim1=1, dim2=2).rsqrt()
    unit_diagonal_reference(matrices, scale, plain, sign)
    torch.testing.assert_close(out, plain)
    s = matrices.double().numpy()
    root = np.sqrt(s.diagonal(axis1=1, axis2=2))
    wanted = sign * s / root[:, :, None] / root[:, None, :]
    wanted[:, range(regions), range(regions)] = 1
    np.testing.assert_allclose(out.numpy(), wanted, atol=1e-6 if dtype == torch.float32 else 1e-14)
    assert torch.equal(out, out.mT)


def test_a_nan_is_not_clipped_away_and_a_zero_diagonal_divides_by_nothing():
    matrices = torch.tensor([[[0.0, 0.0], [0.0, 4.0]], [[torch.nan, torch.nan], [torch.nan, 1.0]]])
    out = torch.empty(2, 2, 2)
    unit_diagonal(matrices, out)
    assert torch.equal(out[0], torch.eye(2))
    assert out[1, 0, 1].isnan()


def test_what_rounding_put_beyond_one_is_one():
    out = torch.empty(1, 2, 2)
    unit_diagonal(torch.tensor([[[1.0, 1.0000001], [1.0000001, 1.0]]]), out)
    assert out[0, 0, 1] == 1
