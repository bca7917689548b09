from __future__ import annotations

import numpy as np
import pytest
import torch
from nilearn.connectome import sym_matrix_to_vec

from graphfuse.connectome import edge_names, from_upper_triangle, upper_triangle
from graphfuse.errors import ShapeMismatch


@pytest.fixture
def matrices():
    x = torch.randn(3, 5, 5, generator=torch.Generator().manual_seed(0))
    return x + x.mT


@pytest.mark.parametrize("diagonal", [False, True])
def test_the_values_are_nilearns(matrices, diagonal):
    expected = sym_matrix_to_vec(matrices.numpy(), discard_diagonal=not diagonal)
    rows, columns = np.tril_indices(5, 0 if diagonal else -1)
    order = np.lexsort((rows, columns))  # nilearn's lower triangle, walked along the upper one
    np.testing.assert_allclose(upper_triangle(matrices, diagonal), expected[:, order], rtol=1e-6)


def test_the_norm_is_kept_up_to_sqrt_2(matrices):
    vectors = upper_triangle(matrices, diagonal=True)
    torch.testing.assert_close(vectors.norm(dim=1) * 2**0.5, matrices.norm(dim=(1, 2)))


@pytest.mark.parametrize("scale", [None, 1.0, 3.0])
def test_there_and_back_with_the_diagonal(matrices, scale):
    vectors = upper_triangle(matrices, diagonal=True, scale=scale)
    torch.testing.assert_close(from_upper_triangle(vectors, 5, scale=scale), matrices)
    assert vectors[0, 0] == pytest.approx(float(matrices[0, 0, 0]) * (scale or 2**-0.5))


def test_there_and_back_without_the_diagonal(matrices):
    matrices.diagonal(dim1=1, dim2=2).fill_(1)
    torch.testing.assert_close(from_upper_triangle(upper_triangle(matrices), 5, fill=1), matrices)


@pytest.mark.parametrize("diagonal", [False, True])
def test_names_are_in_the_order_of_the_vector(matrices, diagonal):
    names = [f"r{i}" for i in range(5)]
    values = upper_triangle(matrices, diagonal, scale=1.0)[0]
    edges = edge_names(names, diagonal)
    assert edges.names == ["region_a", "region_b"]
    for value, (a, b) in zip(values, edges, strict=True):
        assert value == matrices[0, names.index(a), names.index(b)]


def test_shapes_are_checked(matrices):
    with pytest.raises(ShapeMismatch, match="matrices"):
        upper_triangle(matrices[:, :4])
    with pytest.raises(ShapeMismatch, match="matrices"):
        upper_triangle(matrices[0])
    with pytest.raises(ShapeMismatch, match="10 columns, or 15"):
        from_upper_triangle(torch.zeros(2, 11), 5)
