"""Layers of a multiplex graph are the modalities, joined where a node has both."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from graphfuse.errors import InvalidOption, ShapeMismatch
from graphfuse.graph.multiplex import multiplex, multiplex_features, relations
from graphfuse.kernels import Adjacency


def two(graphs=2, regions=3):
    torch.manual_seed(0)
    weights = {name: torch.rand(graphs, regions, regions) for name in ("smri", "fmri")}
    return weights, {name: torch.ones(graphs, dtype=torch.bool) for name in weights}


@pytest.mark.parametrize("coupling", [0.7, torch.tensor([0.1, 0.2, 0.3])])
def test_blocks_are_the_layers_and_the_coupling(coupling):
    weights, present = two()
    got = multiplex(weights, present, coupling).to_dense()
    between = np.diag(np.broadcast_to(np.asarray(coupling, np.float32), 3))
    for g in range(2):
        wanted = np.block([[weights["fmri"][g].numpy(), between], [between, weights["smri"][g].numpy()]])
        np.testing.assert_array_equal(got[g], wanted)


def test_a_missing_layer_is_isolated_and_its_values_change_no_bit():
    weights, present = two()
    present["smri"][1] = False
    got = multiplex(weights, present).to_dense()
    assert not got[1, 3:].any()
    assert not got[1, :, 3:].any()
    weights["smri"][1] = torch.nan
    assert torch.equal(multiplex(weights, present).to_dense(), got)


def test_copies_are_joined_only_where_both_modalities_saw_the_node():
    weights, present = two()
    present["smri"] = torch.tensor([[True, False, True], [True, True, True]])
    got = multiplex(weights, present, 0.5).to_dense()
    assert torch.equal(got[0, :3, 3:], torch.diag(torch.tensor([0.5, 0.0, 0.5])))
    assert torch.equal(got[1, :3, 3:], torch.diag(torch.full((3,), 0.5)))


def test_gradients_reach_the_layers_and_the_coupling():
    weights, present = two()
    coupling = torch.tensor(0.5, requires_grad=True)
    weights = {name: weight.requires_grad_() for name, weight in weights.items()}
    (multiplex(weights, present, coupling) @ torch.randn(2, 6, 4)).square().sum().backward()
    assert coupling.grad.abs() > 0
    assert all((weight.grad != 0).all() for weight in weights.values())


def test_people_attached_to_the_layers_change_no_fitted_row():
    weights, present = two(graphs=1, regions=4)
    attached, new = {}, torch.rand(2, 2, 4)
    for m, name in enumerate(weights):
        attached[name] = Adjacency.from_dense(weights[name]).attach(new[m]).to_dense()
    got, before = multiplex(attached, present).to_dense()[0], multiplex(weights, present).to_dense()[0]
    fitted = [0, 1, 2, 3, 6, 7, 8, 9]
    assert torch.equal(got[fitted][:, fitted], before)
    assert not got[fitted][:, [4, 5, 10, 11]].any()


def test_features_stack_as_the_nodes_do():
    features = {name: torch.randn(2, 3, 4) for name in ("smri", "fmri")}
    present = {"fmri": torch.tensor([True, True]), "smri": torch.tensor([True, False])}
    got = multiplex_features(features, present)
    assert torch.equal(got[:, :3], features["fmri"])
    assert torch.equal(got[0, 3:], features["smri"][0])
    features["smri"][1] = torch.nan
    assert torch.equal(multiplex_features(features, present), got)
    with pytest.raises(ShapeMismatch, match="one shape"):
        multiplex_features(features | {"smri": torch.randn(2, 3, 5)}, present)


def test_relations_are_the_layers_one_by_one():
    weights, present = two()
    present["fmri"][0] = False
    fmri, smri = relations(weights, present)
    assert not fmri.to_dense()[0].any()
    assert torch.equal(fmri.to_dense()[1], weights["fmri"][1])
    assert torch.equal(smri.to_dense(), weights["smri"])


def test_a_negative_coupling_or_one_of_another_length_is_refused():
    weights, present = two()
    with pytest.raises(InvalidOption, match="coupling"):
        multiplex(weights, present, -1.0)
    with pytest.raises(ShapeMismatch, match="coupling"):
        multiplex(weights, present, torch.ones(2))
