from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
import torch

from graphfuse.errors import InvalidOption, NegativeWeights, NonFinite, ShapeMismatch
from graphfuse.losses.graph import degree_loss, glcn_loss, graph_loss, smoothness, sparsity_loss

NODES = torch.tensor([[True, True, False, True], [True, True, True, True]])


def problem(seed=0):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(2, 4, 3, dtype=torch.float64, generator=generator)
    weight = torch.rand(2, 4, 4, dtype=torch.float64, generator=generator)
    return x, weight


def test_smoothness_of_a_symmetric_graph_is_the_trace_with_networkx_laplacian():
    x, weight = problem()
    weight = (weight + weight.mT) / 2
    weight.diagonal(dim1=1, dim2=2).zero_()
    expected = []
    for features, matrix in zip(x.numpy(), weight.numpy(), strict=True):
        laplacian = nx.laplacian_matrix(nx.from_numpy_array(matrix)).toarray()
        expected.append(np.trace(features.T @ laplacian @ features) / 16)
    assert smoothness(x, weight).item() == pytest.approx(np.mean(expected))


def test_smoothness_of_any_graph_is_the_sum_over_edges():
    x, weight = problem()
    pairs = ((x[:, :, None] - x[:, None]) ** 2).sum(-1)
    torch.testing.assert_close(smoothness(x, weight), ((weight * pairs).sum((1, 2)) / 32).mean())


def test_equal_features_are_smooth_however_large():
    weight = problem()[1].float()
    assert smoothness(torch.full((2, 4, 3), 12345.678), weight).abs() < 1e-6


def test_degree_and_sparsity_have_their_closed_forms():
    _, weight = problem()
    expected = [-np.log(a.sum(1) + 1e-5).sum() / 4 for a in weight.numpy()]
    assert degree_loss(weight).item() == pytest.approx(np.mean(expected))
    assert sparsity_loss(weight).item() == pytest.approx(np.mean([(a**2).sum() / 16 for a in weight.numpy()]))


def test_a_lonely_node_costs_and_stays_a_number():
    weight = torch.ones(1, 3, 3, requires_grad=True)
    lonely = weight * torch.tensor([1.0, 1.0, 0.0])[:, None]
    loss = degree_loss(lonely)
    loss.backward()
    assert loss > degree_loss(weight) + 3
    assert torch.isfinite(weight.grad).all()


def test_the_graph_loss_is_the_weighted_sum():
    x, weight = problem()
    expected = 0.4 * smoothness(x, weight) + 0.2 * degree_loss(weight) + 0.1 * sparsity_loss(weight)
    torch.testing.assert_close(graph_loss(x, weight, smooth=0.4, degree=0.2, sparse=0.1), expected)


def test_gradients_equal_differences():
    inputs = [z.requires_grad_() for z in problem()]
    assert torch.autograd.gradcheck(lambda x, a: graph_loss(x, a, NODES, sparse=0.3), inputs)
    assert torch.autograd.gradcheck(lambda x, a: glcn_loss(x, a, prior=torch.ones(2, 4, 4), fidelity=0.1), inputs)


def test_unusable_nodes_change_no_bit_and_count_for_nothing():
    x, weight = problem()
    bad_x = torch.where(NODES[..., None], x, float("nan"))
    bad_weight = torch.where(NODES[:, :, None] & NODES[:, None], weight, float("nan")).requires_grad_()
    value = graph_loss(bad_x, bad_weight, NODES, sparse=0.3)
    assert torch.equal(value, graph_loss(x, weight, NODES, sparse=0.3))
    assert torch.isfinite(torch.autograd.grad(value, bad_weight)[0]).all()
    kept = NODES[0]
    alone = graph_loss(x[:1, kept], weight[:1][:, kept][:, :, kept], sparse=0.3)
    torch.testing.assert_close(graph_loss(x[:1], weight[:1], NODES[:1], sparse=0.3), alone)


def test_the_order_of_nodes_does_not_matter():
    x, weight = problem()
    order = torch.tensor([2, 0, 3, 1])
    moved = weight[:, order][:, :, order]
    torch.testing.assert_close(graph_loss(x[:, order], moved, sparse=1.0), graph_loss(x, weight, sparse=1.0))
    torch.testing.assert_close(glcn_loss(x[:, order], moved), glcn_loss(x, weight))


def test_glcn_has_both_signs_and_the_prior():
    x, weight = problem()
    weight = weight / weight.sum(-1, keepdim=True)
    terms = []
    for h, s in zip(x.numpy(), weight.numpy(), strict=True):
        smooth = 0.01 * np.trace(h.T @ (np.eye(4) - s) @ h)
        terms.append((smooth, 1e-4 * (s**2).sum(), 0.5 * ((s - 1) ** 2).sum()))
    smooth, norm, prior = np.mean(terms, 0)
    assert glcn_loss(x, weight).item() == pytest.approx(smooth - norm)
    assert glcn_loss(x, weight, sign="plus").item() == pytest.approx(smooth + norm)
    with_prior = glcn_loss(x, weight, torch.ones_like(weight), fidelity=0.5)
    assert with_prior.item() == pytest.approx(smooth - norm + prior)


def test_the_minus_sign_rewards_rows_that_concentrate_and_plus_those_that_spread():
    x = torch.ones(1, 3, 2)
    spread, concentrated = torch.full((1, 3, 3), 1 / 3), torch.eye(3)[None]
    assert glcn_loss(x, concentrated) < glcn_loss(x, spread)
    assert glcn_loss(x, concentrated, sign="plus") > glcn_loss(x, spread, sign="plus")


def test_no_graph_is_zero():
    assert graph_loss(torch.zeros(0, 3, 2), torch.zeros(0, 3, 3)) == 0
    assert glcn_loss(torch.zeros(0, 3, 2), torch.zeros(0, 3, 3)) == 0


def test_negative_weights_nan_and_other_shapes_are_refused():
    x, weight = problem()
    with pytest.raises(NegativeWeights, match="at least 0"):
        degree_loss(-weight)
    with pytest.raises(NonFinite, match="weight between usable nodes"):
        sparsity_loss(weight * float("nan"))
    with pytest.raises(NonFinite, match="x at usable nodes"):
        smoothness(x * float("nan"), weight)
    with pytest.raises(ShapeMismatch, match="x must have shape"):
        smoothness(x[:, :3], weight)
    with pytest.raises(ShapeMismatch, match="weight"):
        sparsity_loss(weight[0])
    with pytest.raises(InvalidOption, match="sign"):
        glcn_loss(x, weight, sign="both")
