"""EMO-GCN: graphs that are learned anew after pooling, gates, and a modality that may lack."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch.nn.functional import cross_entropy

from graphfuse.graph.graphs import Graphs
from graphfuse.kernels import Adjacency
from graphfuse.nn.pool.keep import induced_subgraph
from graphfuse.systems.emo_gcn import EMOGCNNetwork, emo_gcn

B = 6
SHAPES = {"first": (12, 7), "second": (9, 3)}


def graphs(regions: int, features: int, density: float = 0.4) -> Graphs:
    weight = torch.rand(B, regions, regions)
    weight = (weight + weight.mT) * (weight + weight.mT > 2 * (1 - density))
    nodes = torch.ones(B, regions, dtype=torch.bool)
    adjacency = Adjacency.from_dense(weight * (1 - torch.eye(regions)))
    return Graphs(torch.randn(B, regions, features), adjacency, nodes, torch.ones(B, dtype=torch.bool))


@pytest.fixture
def inputs():
    return {role: graphs(*shape) for role, shape in SHAPES.items()}


@pytest.fixture
def network():
    return EMOGCNNetwork(SHAPES, 2, hidden=16).eval()


def test_regions_hear_each_other_after_pooling_though_no_edge_joins_them(network, inputs):
    """The signature: sparsemax makes the graph anew. Graph convolutions alone have nobody to hear here."""
    bare = replace(inputs["first"], adjacency=inputs["first"].adjacency.without_edges())
    bare.x.requires_grad_()
    levels = network.branches["first"](bare)
    kept = levels[0].kept[0]
    place = int(levels[1].kept[0, 0])  # the first node of level 2, among those of level 1
    (slope,) = torch.autograd.grad(levels[1].x[0, 0].sum(), bare.x)
    others = [int(r) for i, r in enumerate(kept) if i != place]
    # The gate hears the mean of each region's features, which moves all of a region's slopes alike.
    assert (slope[0, others] - slope[0, others].mean(-1, keepdim=True)).abs().max() > 1e-4


def test_learned_graphs_lie_on_the_simplex_and_differ_from_the_edges_that_came(network, inputs):
    told = network.weights(inputs)
    for role, sizes in {"first": (6, 3), "second": (5, 3)}.items():
        for number, size in enumerate(sizes, 1):
            learned = told[f"graph_{role}_{number}"]
            assert learned.shape == (B, size, size)
            assert (learned >= 0).all()
            torch.testing.assert_close(learned.sum(-1), torch.ones(B, size))
    first = induced_subgraph(inputs["first"].adjacency, told["kept_first_1"])
    assert not torch.allclose(told["graph_first_1"], first.normalised("row").to_dense(), atol=0.05)


def test_gradients_reach_every_parameter(network, inputs):
    network.train()
    cross_entropy(network(inputs), torch.arange(B) % 2).backward()
    silent = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert silent == ["branches.first.pools.2.att", "branches.second.pools.2.att"]  # frozen: nobody hears that graph
    assert [name for name, p in network.named_parameters() if not p.requires_grad] == silent


def test_layers_are_as_wide_as_told():
    network = EMOGCNNetwork(SHAPES, 2)
    first, second = (network.branches[role] for role in SHAPES)
    assert (first.narrow.in_channels, first.narrow.out_channels, second.narrow) == (7, 128, None)
    assert [(c.in_channels, c.out_channels) for c in first.convs] == [(128, 128)] * 3
    assert [(c.in_channels, c.out_channels) for c in second.convs] == [(3, 128), (128, 128), (128, 128)]
    assert network.gate.in_features == 2 * 2 * 128


def test_the_order_of_the_regions_counts_only_in_the_gate(network, inputs):
    order = torch.randperm(12)
    first = inputs["first"]
    turned = replace(
        first, x=first.x[:, order], adjacency=Adjacency.from_dense(first.adjacency.to_dense()[:, order][:, :, order])
    )
    moved = {**inputs, "first": turned}
    assert not torch.allclose(network(moved), network(inputs), atol=1e-6)
    with torch.no_grad():  # every region the same gate
        for part in (network.branches["first"].gate.excite.weight, network.branches["first"].gate.excite.bias):
            part.zero_()
    torch.testing.assert_close(network(moved), network(inputs))


def test_a_missing_modality_has_no_share_and_its_values_do_not_count(network, inputs):
    second = inputs["second"]
    gone = replace(second, present=torch.arange(B) > 0)
    answers = [network({**inputs, "second": replace(gone, x=x)}) for x in (gone.x, 7 * gone.x + 1)]
    assert torch.equal(answers[0][0], answers[1][0])
    assert not torch.equal(answers[0][1], answers[1][1])
    share = network.weights({**inputs, "second": gone})["features"]
    assert not share[0, 32:].any()
    torch.testing.assert_close(share.sum(1), torch.ones(B))


def test_without_a_gate_of_its_own_each_feature_stays_as_it_is(network, inputs):
    with torch.no_grad():
        network.gate.weight.zero_()
    h, _ = network._embed(inputs, network._run(inputs))
    torch.testing.assert_close(network(inputs), network.head(h))


def test_unusable_regions_change_nothing_and_are_not_kept(network, inputs):
    nodes = torch.ones(B, 12, dtype=torch.bool)
    nodes[:, 3] = False
    weight = inputs["first"].adjacency.to_dense().clone()
    weight[:, 3], weight[:, :, 3] = 0, 0
    masked = replace(inputs["first"], adjacency=Adjacency.from_dense(weight), nodes=nodes)
    other = replace(masked, x=torch.where(nodes[..., None], masked.x, 5.0))
    told = network.weights({**inputs, "first": masked})
    assert not told["survived_first"][:, 3].any()
    assert not told["gate_first"][:, 3].any()
    assert torch.equal(network({**inputs, "first": masked}), network({**inputs, "first": other}))


def test_it_finds_a_planted_difference(planted):
    train, test = planted
    model = emo_gcn({"first": "fmri", "second": "smri"}).set_params(options={"hidden": 16}, epochs=20, patience=20)
    model.fit(train)
    assert roc_auc_score(test.y, model.predict_proba(test)[:, 1]) > 0.8


@pytest.fixture
def planted(cohort):
    return cohort[np.arange(36)], cohort[np.arange(36, len(cohort))]
