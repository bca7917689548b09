"""Cluster pooling against its formulas; the clustering loss against its double sum."""

from __future__ import annotations

import pytest
import torch

from graphfuse.errors import InvalidOption, ShapeMismatch
from graphfuse.kernels import Adjacency
from graphfuse.nn.pool.cluster import ClusterPooling, clustering_loss, orthonormal_centres, project_assignment

NODES = torch.tensor([[True] * 6, [True, False, True, True, False, True], [False] * 6])


def graphs():
    generator = torch.Generator().manual_seed(0)
    weight = torch.rand(3, 6, 6, generator=generator) * (torch.rand(3, 6, 6, generator=generator) < 0.5)
    return torch.randn(3, 6, 4, generator=generator), weight * (NODES[:, :, None] & NODES[:, None])


def pool():
    torch.manual_seed(0)
    return ClusterPooling(4, 6, 3, bottleneck=5)


def test_centres_are_orthonormal_and_frozen():
    centres = orthonormal_centres(5, 9)
    torch.testing.assert_close(centres @ centres.T, torch.eye(5), atol=1e-6, rtol=0)
    assert "centres" in dict(pool().named_buffers())
    with pytest.raises(InvalidOption, match="fewer clusters"):
        orthonormal_centres(10, 9)


def test_the_assignment_is_its_formula():
    z, centres = torch.randn(2, 6, 4), torch.randn(3, 4)
    p = project_assignment(z, centres)
    logit = [(z[1, 2] @ e) ** 2 / e.norm() for e in centres]
    torch.testing.assert_close(p[1, 2], torch.stack(logit).softmax(0))


@pytest.mark.parametrize("layout", ["dense", "sparse"])
def test_what_comes_out_is_the_mean_of_formulas(layout):
    (x, weight), layer = graphs(), pool()
    pooled = layer(x, Adjacency.from_dense(weight, layout), NODES)
    p = layer.assignment(x, NODES)
    z = layer.encoder((x * NODES[..., None]).flatten(1)).view(3, 6, 4)
    torch.testing.assert_close(p.sum(2), NODES.float())
    for g in range(3):
        torch.testing.assert_close(pooled.x[g], p[g].T @ z[g])
        torch.testing.assert_close(pooled.adjacency.to_dense()[g], p[g].T @ weight[g] @ p[g])
    torch.testing.assert_close(pooled.score.sum(1), NODES.sum(1).float())
    assert pooled.kept is None
    assert pooled.nodes.tolist() == [[True] * 3, [True] * 3, [False] * 3]


def test_gradients_reach_every_parameter():
    (x, weight), layer = graphs(), pool()
    pooled = layer(x, Adjacency.from_dense(weight), NODES)
    (pooled.adjacency @ pooled.x).square().sum().backward()
    for name, parameter in layer.named_parameters():
        assert parameter.grad.abs().sum() > 0, name
        assert torch.isfinite(parameter.grad).all(), name


def test_unusable_nodes_change_no_bit():
    results = []
    for fill in (0.0, torch.nan, torch.inf, 9.0):
        (x, weight), layer = graphs(), pool()
        pooled = layer(torch.where(NODES[..., None], x, fill), Adjacency.from_dense(weight), NODES)
        pooled.x.square().sum().backward()
        results.append([pooled.x.detach(), pooled.adjacency.to_dense().detach(), layer.encoder[0].weight.grad])
    assert not results[0][0][2].any()
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))


def test_renumbered_nodes_and_encoder_give_the_same_clusters():
    (x, weight), layer, other, order = graphs(), pool(), pool(), torch.randperm(6)
    columns = torch.arange(24).view(6, 4)[order].flatten()
    for linear, name in ((other.encoder[0], "in"), (other.encoder[-1], "out")):
        linear.weight.data = linear.weight.data[:, columns] if name == "in" else linear.weight.data[columns]
    other.encoder[-1].bias.data = other.encoder[-1].bias.data[columns]
    pooled = layer(x, Adjacency.from_dense(weight), NODES)
    renumbered = other(x[:, order], Adjacency.from_dense(weight[:, order][:, :, order]), NODES[:, order])
    torch.testing.assert_close(renumbered.x, pooled.x)
    torch.testing.assert_close(renumbered.adjacency.to_dense(), pooled.adjacency.to_dense())


def test_the_loss_is_its_double_sum_over_usable_nodes():
    p = torch.randn(3, 6, 4, dtype=torch.float64).softmax(-1)
    rows, total = p[NODES], 0.0
    for r in range(len(rows)):
        square = [rows[r, k] ** 2 / rows[:, k].sum() for k in range(4)]
        for k in range(4):
            q = square[k] / sum(square)
            total = total + q * (q / rows[r, k]).log()
    torch.testing.assert_close(clustering_loss(p, NODES), total / len(rows))
    torch.testing.assert_close(clustering_loss(p), clustering_loss(p, torch.ones(3, 6, dtype=torch.bool)))


def test_the_loss_of_certain_assignments_is_zero_and_its_gradient_finite():
    p = torch.eye(3)[None].requires_grad_()
    loss = clustering_loss(p)
    loss.backward()
    assert loss == 0
    assert torch.isfinite(p.grad).all()
    assert clustering_loss(torch.zeros(2, 3, 4), torch.zeros(2, 3, dtype=torch.bool)) == 0


def test_descending_the_loss_sharpens_the_assignment():
    logit = torch.randn(1, 20, 3, generator=torch.Generator().manual_seed(0)).requires_grad_()
    before = logit.softmax(-1).amax(-1).mean()
    for _ in range(20):
        (grad,) = torch.autograd.grad(clustering_loss(logit.softmax(-1)), logit)
        logit = (logit - 5 * grad).detach().requires_grad_()
    assert logit.softmax(-1).amax(-1).mean() > before + 0.05


def test_other_shapes_are_refused():
    x, weight = graphs()
    with pytest.raises(ShapeMismatch, match="x must have shape"):
        pool()(x[:, :5], Adjacency.from_dense(weight[:, :5, :5]))
