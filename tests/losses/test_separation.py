from __future__ import annotations

import numpy as np
import pytest
import torch

from graphfuse.errors import NonFinite
from graphfuse.losses.separation import hsic, node_orthogonality, orthogonality


def test_hsic_is_the_trace_of_centred_gram_matrices():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(7, 3)), rng.normal(size=(7, 2))
    centre = np.eye(7) - 1 / 7
    expected = np.trace(centre @ x @ x.T @ centre @ y @ y.T) / 36
    assert hsic(torch.tensor(x), torch.tensor(y)).item() == pytest.approx(expected)


def test_hsic_of_one_feature_is_the_squared_covariance():
    x, y = torch.tensor([[0.0], [2.0], [4.0]]), torch.tensor([[1.0], [1.0], [4.0]])
    torch.testing.assert_close(hsic(x, y), torch.tensor(9.0))


def test_independent_embeddings_are_near_zero_and_equal_ones_are_not():
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(2000, 2, generator=generator), torch.randn(2000, 2, generator=generator)
    assert hsic(x, y) < 0.01
    assert hsic(x, x) > 1.5


def test_a_constant_tells_nothing():
    assert hsic(torch.randn(5, 2, generator=torch.Generator().manual_seed(1)), torch.full((5, 3), 7.0)) == 0


def test_orthogonality_has_its_closed_form():
    shared, specific = torch.tensor([[1.0, 0.0], [1.0, 0.0]]), torch.tensor([[2.0], [4.0]])
    torch.testing.assert_close(orthogonality(shared, specific), torch.tensor(9.0))  # |(6, 0)|^2 / 2^2
    assert orthogonality(shared, torch.tensor([[1.0], [-1.0]])) == 0


def test_the_size_of_the_batch_does_not_matter_to_orthogonality():
    generator = torch.Generator().manual_seed(2)
    a, b = torch.randn(4, 3, generator=generator), torch.randn(4, 2, generator=generator)
    torch.testing.assert_close(orthogonality(a.repeat(3, 1), b.repeat(3, 1)), orthogonality(a, b))


def test_orthogonal_nodes_are_at_zero_and_equal_ones_far_from_it():
    assert node_orthogonality(3 * torch.eye(4)[None]) == 0
    # H H^T / max is all ones: six entries off the diagonal
    torch.testing.assert_close(node_orthogonality(torch.ones(2, 3, 5)), torch.tensor(6.0).sqrt())


def test_node_orthogonality_equals_numpy():
    rng = np.random.default_rng(3)
    x = rng.normal(size=(2, 4, 3))
    inner = x @ x.transpose(0, 2, 1)
    expected = np.mean([np.linalg.norm(g / g.max() - np.eye(4)) for g in inner])
    assert node_orthogonality(torch.tensor(x)).item() == pytest.approx(expected)


def test_unusable_nodes_take_no_part_in_orthogonality():
    x = torch.randn(1, 4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
    nodes = torch.tensor([[True, False, True, True]])
    bad = torch.where(nodes[..., None], x, float("nan"))
    torch.testing.assert_close(node_orthogonality(bad, nodes), node_orthogonality(x[:, nodes[0]]))


def test_gradients_of_node_orthogonality_equal_differences():
    x = torch.randn(2, 3, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(5)).requires_grad_()
    nodes = torch.tensor([[True, True, True], [True, False, True]])
    assert torch.autograd.gradcheck(lambda z: node_orthogonality(z, nodes), x)


def test_dead_nodes_are_no_nan_and_no_graph_is_zero():
    x = torch.zeros(1, 3, 2, requires_grad=True)
    node_orthogonality(x).backward()
    assert torch.isfinite(x.grad).all()
    assert node_orthogonality(torch.zeros(0, 3, 2)) == 0
    with pytest.raises(NonFinite):
        node_orthogonality(torch.full((1, 3, 2), float("nan")))
