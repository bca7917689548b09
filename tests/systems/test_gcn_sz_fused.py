"""GCN-SZ on the joined graph: the sum of both networks, the features of both, and a modality that may lack."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch.nn.functional import cross_entropy

from graphfuse.errors import MissingModality
from graphfuse.graph.graphs import Graphs
from graphfuse.kernels import Adjacency
from graphfuse.systems.gcn_sz_fused import SYSTEM, FusedGCNSZNetwork, gcn_sz_fused

B, R = 5, 16
SHAPES = {"functional": (R, 6), "structural": (R, 3)}


def graphs(features: int) -> Graphs:
    weight = torch.randn(B, R, R)
    weight = torch.triu(weight, 1)
    weight = weight + weight.mT
    adjacency = Adjacency.from_dense(weight, "dense")
    nodes = torch.ones(B, R, dtype=torch.bool)
    return Graphs(torch.randn(B, R, features), adjacency, nodes, torch.ones(B, dtype=torch.bool))


@pytest.fixture
def inputs():
    return {role: graphs(width) for role, (_, width) in SHAPES.items()}


@pytest.fixture
def network():
    return FusedGCNSZNetwork(SHAPES, 2).eval()


def scaled(weight: np.ndarray) -> np.ndarray:
    edges = weight[~np.eye(len(weight), dtype=bool)]
    return (weight - edges.min()) / (edges.max() - edges.min())


def test_edges_are_the_strongest_tenth_of_the_sum_of_scaled_networks(network, inputs):
    _, adjacency, _ = network._join(inputs)
    upper = np.triu_indices(R, 1)
    for g in range(B):
        total = sum(scaled(item.adjacency.to_dense()[g].double().numpy()) for item in inputs.values())[upper]
        count = int(np.ceil(0.1 * len(total)))
        expected = set(np.argsort(-total)[:count].tolist())
        assert set(np.flatnonzero(adjacency.to_dense()[g].numpy()[upper]).tolist()) == expected


def test_the_answer_hears_the_edges_and_the_features_of_both(network, inputs):
    """The signature: a graph convolution on one modality's graph and features would hear one of the two."""
    base = network(inputs)
    for role, item in inputs.items():
        other_x = replace(item, x=item.x.roll(1, 1))
        other_edges = replace(item, adjacency=Adjacency.from_dense(item.adjacency.to_dense().roll((1, 1), (1, 2))))
        for changed in (other_x, other_edges):
            assert not torch.allclose(network({**inputs, role: changed}), base, atol=1e-5)


def test_a_missing_modality_leaves_the_graph_of_the_other_and_its_values_do_not_count(network, inputs):
    item = inputs["structural"]
    nodes = item.nodes.clone()
    nodes[0] = False
    gone = replace(item, present=torch.arange(B) > 0, nodes=nodes)
    wild = replace(gone, x=9 * gone.x, adjacency=Adjacency.from_dense(9 * gone.adjacency.to_dense()))
    answers = [network({**inputs, "structural": value})[0] for value in (gone, wild)]
    assert torch.equal(*answers)
    weight = network._join({**inputs, "structural": gone})[1].to_dense()[0]
    alone = inputs["functional"].adjacency.to_dense()[0]
    assert alone[weight > 0].min() > alone[(weight == 0) & ~torch.eye(R, dtype=torch.bool)].max()


def test_gradients_reach_every_parameter(network, inputs):
    cross_entropy(network.train()(inputs), torch.arange(B) % 2).backward()
    assert [name for name, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []


def test_first_layer_reads_both_feature_sets_and_two_marks(network):
    assert network.classifier.convs[0].in_channels == 6 + 3 + 2


def test_modalities_over_other_regions_are_refused(cohort):
    assert SYSTEM.roles(cohort) == {"functional": "fmri", "structural": "smri"}
    smri = cohort.signals["smri"]
    renamed = replace(smri.atlas, regions=smri.atlas.regions.rename(index=lambda name: f"other {name}"))
    elsewhere = replace(cohort, signals={**cohort.signals, "smri": replace(smri, atlas=renamed)})
    only = replace(elsewhere, signals={name: elsewhere.signals[name] for name in ("fmri", "smri")})
    with pytest.raises(MissingModality, match="regional measures over the same regions"):
        SYSTEM.for_cohort(only)


def test_it_finds_a_planted_difference(cohort):
    model = gcn_sz_fused({"functional": "fmri", "structural": "smri"})
    model.set_params(epochs=20, patience=20, options={"density": 0.3}).fit(cohort[np.arange(36)])
    test = cohort[np.arange(36, len(cohort))]
    assert roc_auc_score(test.y, model.predict_proba(test)[:, 1]) > 0.8
