"""Structure learning pooling against its formulas, term by term."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
import torch

from graphfuse.errors import InvalidOption, NegativeWeights
from graphfuse.kernels import Adjacency
from graphfuse.nn.pool.structure import StructurePooling, information_score, reachable
from graphfuse.nn.simplex import sparsemax

NODES = torch.tensor([[True] * 6, [True, False, True, True, False, True], [False, True] + [False] * 4])


def graphs(seed=0):
    generator = torch.Generator().manual_seed(seed)
    weight = torch.rand(3, 6, 6, generator=generator, dtype=torch.float64)
    weight = weight * (torch.rand(3, 6, 6, generator=generator) < 0.4)
    weight = (weight + weight.mT) / 2
    return torch.randn(3, 6, 4, generator=generator, dtype=torch.float64), weight


def pool(**options):
    torch.manual_seed(0)
    return StructurePooling(4, **options).double()


@pytest.mark.parametrize("layout", ["dense", "sparse"])
def test_the_information_score_is_the_norm_of_what_the_laplacian_leaves(layout):
    x, weight = graphs()
    score = information_score(x, Adjacency.from_dense(weight, layout))
    for g in range(3):
        graph = weight[g].numpy() * (1 - np.eye(6))
        scale = np.array([d**-0.5 if d > 0 else 0.0 for d in graph.sum(1)])
        laplacian = np.eye(6) - scale[:, None] * graph * scale
        np.testing.assert_allclose(score[g].numpy(), np.abs(laplacian @ x[g].numpy()).sum(1))


def test_a_node_that_its_neighbours_predict_has_no_information():
    score = information_score(torch.full((1, 4, 3), 2.0), Adjacency.from_dense(torch.ones(1, 4, 4)))
    torch.testing.assert_close(score, torch.zeros(1, 4), atol=1e-5, rtol=0)


@pytest.mark.parametrize("attention", ["softmax", "sparsemax"])
def test_the_learned_graph_is_its_formula(attention):
    (x, weight), layer = graphs(), pool(attention=attention, lamb=0.7)
    pooled = layer(x, Adjacency.from_dense(weight))
    learned = pooled.adjacency.to_dense()
    for g in range(3):
        kept = pooled.kept[g]
        for p in range(3):
            pairs = torch.stack([torch.cat([x[g, kept[p]], x[g, kept[q]]]) @ layer.att[0] for q in range(3)])
            logit = torch.where(pairs > 0, pairs, 0.2 * pairs) + 0.7 * weight[g, kept[p], kept]
            row = logit.softmax(0) if attention == "softmax" else sparsemax(logit)
            torch.testing.assert_close(learned[g, p], row)
    torch.testing.assert_close(learned.sum(2), torch.ones(3, 3, dtype=torch.float64))
    assert not torch.allclose(learned, learned.mT)


def test_the_kept_nodes_have_the_largest_scores():
    (x, weight), layer = graphs(), pool()
    pooled = layer(x, Adjacency.from_dense(weight))
    score = information_score(x, Adjacency.from_dense(weight))
    assert torch.equal(pooled.score, score.topk(3).values)
    assert torch.equal(pooled.x[1], x[1, pooled.kept[1]])


def test_sparsemax_drops_edges_that_softmax_keeps():
    x, weight = graphs()
    sparse, soft = (
        pool(attention=name, ratio=1.0)(3 * x, Adjacency.from_dense(weight)).adjacency.to_dense()
        for name in ("sparsemax", "softmax")
    )
    assert (sparse == 0).sum() > 20
    assert (soft > 0).all()


def test_reachable_pairs_are_those_of_networkx():
    _, weight = graphs()
    near = reachable(Adjacency.from_dense(weight), 2)
    for g in range(3):
        lengths = dict(nx.all_pairs_shortest_path_length(nx.from_numpy_array(weight[g].numpy())))
        expected = [[lengths[p].get(q, 9) <= 2 for q in range(6)] for p in range(6)]
        assert near[g].tolist() == expected


def test_hops_bound_the_candidates():
    (x, weight), layer = graphs(), pool(attention="softmax", hops=1, ratio=1.0)
    pooled = layer(x, Adjacency.from_dense(weight))
    near = torch.stack([((weight[g] != 0) | torch.eye(6).bool())[pooled.kept[g]][:, pooled.kept[g]] for g in range(3)])
    assert torch.equal(pooled.adjacency.to_dense() > 0, near)


def test_gradients_reach_the_parameter_the_features_and_the_old_edges():
    x, weight = graphs()
    x, weight, layer = x.requires_grad_(), weight.requires_grad_(), pool()
    pooled = layer(x, Adjacency.from_dense(weight))
    (pooled.adjacency @ pooled.x).square().sum().backward()
    for tensor in (layer.att, x, weight):
        assert tensor.grad.abs().sum() > 0
        assert torch.isfinite(tensor.grad).all()


def test_unusable_nodes_change_no_bit_and_have_no_edges():
    results = []
    for fill in (0.0, torch.nan, torch.inf, 1e9):
        x, weight = graphs()
        weight = weight * (NODES[:, :, None] & NODES[:, None])
        layer = pool(ratio=0.8)
        pooled = layer(torch.where(NODES[..., None], x, fill), Adjacency.from_dense(weight), NODES)
        learned = pooled.adjacency.to_dense()
        learned.square().sum().backward()
        results.append([pooled.x, learned.detach(), pooled.score, layer.att.grad])
    assert pooled.nodes.sum(1).tolist() == [5, 4, 1]
    torch.testing.assert_close(learned.sum(2), pooled.nodes.double())
    assert not learned.mT[~pooled.nodes].any()
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))


def test_pooling_commutes_with_renumbering():
    (x, weight), order, layer = graphs(), torch.tensor([3, 0, 1, 5, 2, 4]), pool()
    pooled = layer(x, Adjacency.from_dense(weight))
    other = layer(x[:, order], Adjacency.from_dense(weight[:, order][:, :, order]))
    assert torch.equal(order[other.kept], pooled.kept)
    torch.testing.assert_close(other.x, pooled.x)
    torch.testing.assert_close(other.adjacency.to_dense(), pooled.adjacency.to_dense())


def test_a_second_pooling_takes_the_asymmetric_graph_of_the_first():
    x, weight = graphs()
    first = pool(ratio=0.8)(x, Adjacency.from_dense(weight))
    second = pool()(first.x, first.adjacency, first.nodes)
    assert second.x.shape == (3, 3, 4)
    torch.testing.assert_close(second.adjacency.to_dense().sum(2), torch.ones(3, 3, dtype=torch.float64))


def test_errors_at_the_door():
    x, weight = graphs()
    with pytest.raises(NegativeWeights):
        pool()(x, Adjacency.from_dense(-weight))
    with pytest.raises(InvalidOption, match="Did you mean 'sparsemax'"):
        pool(attention="sparsmax")
