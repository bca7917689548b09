"""GCN-SZ equals the same network written in PyTorch Geometric, and what it drops says nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch import nn
from torch.nn.functional import cross_entropy
from torch_geometric.nn import GraphConv as PyGGraphConv
from torch_geometric.nn import TopKPooling as PyGTopKPooling
from torch_geometric.nn import global_max_pool, global_mean_pool

from graphfuse.atlas import Atlas
from graphfuse.cohort import Cohort
from graphfuse.graph.graphs import Graphs
from graphfuse.graph.sparsify import TopDensity
from graphfuse.kernels import Adjacency
from graphfuse.signal import Signal
from graphfuse.systems.gcn_sz import GCNSZNetwork, gcn_sz

B, R, F = 5, 20, 6
SHAPES = {"functional": (R, F)}


def graphs(density: float = 0.2) -> Graphs:
    weight = torch.rand(B, R, R)
    adjacency = Adjacency.from_dense(TopDensity(density)(weight + weight.mT))
    return Graphs(torch.randn(B, R, F), adjacency, torch.ones(B, R, dtype=torch.bool), torch.ones(B, dtype=torch.bool))


@pytest.fixture
def inputs():
    return {"functional": graphs()}


@pytest.fixture
def network():
    return GCNSZNetwork(SHAPES, 2).eval()


def in_pyg(network, item: Graphs):
    """The same in PyTorch Geometric, weights copied, edges binary; logits (B, C)."""
    edge_index, _ = item.adjacency.to_edge_index()
    x, batch, total = item.x.flatten(0, 1), torch.arange(B).repeat_interleave(R), 0
    for ours, pool in zip(network.classifier.convs, network.classifier.pools, strict=True):
        conv = PyGGraphConv(ours.in_channels, ours.out_channels)
        conv.load_state_dict(ours.state_dict())
        theirs = PyGTopKPooling(ours.out_channels, 0.8)
        theirs.load_state_dict(pool.state_dict())
        x, edge_index, _, batch, _, _ = theirs(conv(x, edge_index).relu(), edge_index, batch=batch)
        total = total + torch.cat([global_max_pool(x, batch), global_mean_pool(x, batch)], 1)
    return network.classifier.head(total)


def test_equals_pyg_on_binary_edges(network, inputs):
    torch.testing.assert_close(network(inputs), in_pyg(network, inputs["functional"]))


def test_has_as_many_numbers_as_the_published_layers(network):
    convs = 2 * F * 128 + 128 + 2 * (2 * 128 * 128 + 128)
    head = (256 * 128 + 128) + 2 * 128 + (128 * 64 + 64) + 2 * 64 + (64 * 2 + 2)
    assert sum(p.numel() for p in network.parameters()) == convs + 3 * 128 + head


def test_weights_of_edges_do_not_count_only_that_they_are(network, inputs):
    item = inputs["functional"]
    scaled = replace(item, adjacency=item.adjacency.with_weight(item.adjacency.weight * 3))
    assert torch.equal(network({"functional": scaled}), network(inputs))


def test_a_region_that_is_dropped_first_says_nothing_where_no_edge_joins_it(network, inputs):
    """The signature: what top-k pooling drops is not read out. A graph convolution and a readout would hear it."""
    item = replace(inputs["functional"], adjacency=inputs["functional"].adjacency.without_edges())
    item.x.requires_grad_()
    (slope,) = torch.autograd.grad(network({"functional": item}).sum(), item.x)
    count = network.weights({"functional": item})["survived"]
    assert [int((count >= n).sum(1)[0]) for n in (1, 2, 3)] == [16, 13, 11]
    silent = slope.abs().sum(-1) == 0
    assert silent[count == 0].all()
    assert not silent[count == 3].any()


def test_gradients_reach_every_parameter(network, inputs):
    cross_entropy(network.train()(inputs), torch.arange(B) % 2).backward()
    assert [name for name, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []


def test_the_order_of_the_regions_does_not_count(network, inputs):
    item, order = inputs["functional"], torch.randperm(R)
    turned = Adjacency.from_dense(item.adjacency.to_dense()[:, order][:, :, order])
    moved = {"functional": replace(item, x=item.x[:, order], adjacency=turned)}
    torch.testing.assert_close(network(moved), network(inputs))
    torch.testing.assert_close(network.weights(moved)["survived"], network.weights(inputs)["survived"][:, order])


def test_unusable_regions_never_survive(network, inputs):
    nodes = torch.ones(B, R, dtype=torch.bool)
    nodes[:, 4] = False
    masked = replace(inputs["functional"], nodes=nodes)
    assert not network.weights({"functional": masked})["survived"][:, 4].any()


def planted(n: int, seed: int = 0) -> Cohort:
    """Connectivity matrices in which the first 5 of 16 regions are joined more strongly in the second class."""
    rng, y = np.random.default_rng(seed), np.arange(n) % 2
    weight = np.triu(rng.gamma(2.0, size=(n, 16, 16)), 1)
    weight[:, :5, :5] += np.triu(np.ones((5, 5)), 1) * 4 * y[:, None, None]
    names = [f"region {r}" for r in range(16)]
    atlas = Atlas("sixteen", pd.DataFrame(rng.normal(size=(16, 3)), names, list("xyz")).assign(network="a"))
    signal = Signal.pack("connectivity", [(w + w.T).astype(np.float32) for w in weight], atlas)
    people = pd.DataFrame({"group": np.array(["a", "b"])[y]}, pd.Index([f"{i:03d}" for i in range(n)], name="subject"))
    return Cohort(people, {"fc": signal}, target="group", classes=("a", "b"))


def test_it_finds_a_planted_difference():
    cohort = planted(160)
    model = gcn_sz({"functional": "fc"}).set_params(epochs=15, patience=15)
    model.fit(cohort[np.arange(80)])
    test = cohort[np.arange(80, 160)]
    assert roc_auc_score(test.y, model.predict_proba(test)[:, 1]) > 0.8


def test_the_last_batch_may_hold_one_person(network, inputs):
    network.train()
    one = inputs["functional"][[0]]
    assert torch.isfinite(network({"functional": one})).all()
    assert isinstance(network.classifier.head[1], nn.BatchNorm1d)
