"""Eigen pooling: Fourier coefficients of clusters, and the graph between them."""

from __future__ import annotations

import pytest
import torch

from graphfuse.errors import ShapeMismatch
from graphfuse.kernels import Adjacency
from graphfuse.nn.pool.eigen import EigenPooling

BLOCKS = torch.tensor([0, 0, 0, 1, 1, 1, 1, 2, 2])
NODES = torch.ones(3, 9, dtype=torch.bool)
NODES[1, [0, 4]] = False
NODES[2, [7, 8]] = False


def graphs():
    generator = torch.Generator().manual_seed(0)
    weight = torch.rand(3, 9, 9, generator=generator) * (torch.rand(3, 9, 9, generator=generator) < 0.6)
    return torch.randn(3, 9, 2, generator=generator), weight


def group():
    noise = torch.rand(9, 9, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    weight = torch.where(BLOCKS[:, None] == BLOCKS, 1.0, 0.02) * (0.5 + noise)
    return (weight + weight.T) / 2


def test_coefficients_and_coarse_edges_are_sums_over_members():
    (x, weight), layer = graphs(), EigenPooling(group(), 3, 2)
    assert torch.equal(layer.clusters, BLOCKS)
    pooled = layer(x, Adjacency.from_dense(weight))
    assert pooled.x.shape == (3, 3, 4)
    for k in range(3):
        for mode in range(2):
            expected = (layer.basis[mode, BLOCKS.eq(k), k][:, None] * x[1, BLOCKS.eq(k)]).sum(0)
            torch.testing.assert_close(pooled.x[1, k, 2 * mode : 2 * mode + 2], expected)
        for j in range(3):
            between = weight[1][BLOCKS.eq(k)][:, BLOCKS.eq(j)].sum() * (j != k)
            torch.testing.assert_close(pooled.adjacency.to_dense()[1, k, j], between)
    assert pooled.score[0].tolist() == [3, 4, 2]
    assert pooled.kept is None


@pytest.mark.parametrize("layout", ["dense", "sparse"])
def test_unusable_nodes_change_no_bit_and_lose_their_edges(layout):
    results = []
    for fill in (0.0, torch.nan, torch.inf, 5.0):
        x, weight = graphs()
        x = torch.where(NODES[..., None], x, fill)
        pooled = EigenPooling(group(), 3, 2)(x, Adjacency.from_dense(weight, layout), NODES)
        results.append([pooled.x, pooled.adjacency.to_dense()])
    assert pooled.nodes.tolist() == [[True] * 3, [True] * 3, [True, True, False]]
    assert pooled.score.tolist() == [[3, 4, 2], [2, 3, 2], [3, 4, 0]]
    assert not pooled.x[2, 2].any()
    kept = weight[1] * NODES[1] * NODES[1][:, None]
    torch.testing.assert_close(pooled.adjacency.to_dense()[1, 0, 1], kept[:3, 3:7].sum())
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))


def test_pooling_commutes_with_renumbering_up_to_the_order_of_clusters():
    (x, weight), order = graphs(), torch.tensor([8, 3, 0, 5, 1, 7, 2, 6, 4])
    pooled = EigenPooling(group(), 3, 1)(x, Adjacency.from_dense(weight))
    layer = EigenPooling(group()[order][:, order], 3, 1)
    other = layer(x[:, order], Adjacency.from_dense(weight[:, order][:, :, order]))
    same = torch.tensor([int(layer.clusters[(order == node).nonzero()[0, 0]]) for node in (0, 3, 7)])
    torch.testing.assert_close(other.x[:, same], pooled.x)
    torch.testing.assert_close(other.adjacency.to_dense()[:, same][:, :, same], pooled.adjacency.to_dense())


def test_gradients_reach_features_and_edges_and_there_is_no_parameter():
    x, weight = (tensor.requires_grad_() for tensor in graphs())
    layer = EigenPooling(group(), 3, 2)
    pooled = layer(x, Adjacency.from_dense(weight), NODES)
    (pooled.adjacency @ pooled.x).square().sum().backward()
    assert not list(layer.parameters())
    assert x.grad[NODES].abs().sum() > 0
    assert not x.grad[~NODES].any()
    assert weight.grad.abs().sum() > 0


def test_a_saved_layer_pools_alike():
    x, weight = graphs()
    layer, other = EigenPooling(group(), 3, 2), EigenPooling(group().flip(0, 1), 3, 2)
    other.load_state_dict(layer.state_dict())
    adjacency = Adjacency.from_dense(weight)
    assert torch.equal(other(x, adjacency).x, layer(x, adjacency).x)


def test_another_number_of_regions_is_refused():
    with pytest.raises(ShapeMismatch, match="x must have shape"):
        EigenPooling(group(), 3)(graphs()[0][:, :8], Adjacency.from_dense(torch.ones(3, 8, 8)))
