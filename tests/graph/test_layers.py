"""Weights of several modalities come in checked, missing ones as zeros."""

from __future__ import annotations

import pytest
import torch

from graphfuse.errors import MissingModality, NonFinite, ShapeMismatch
from graphfuse.graph.layers import stack_layers


def two(graphs=3, regions=4):
    torch.manual_seed(0)
    weights = {name: torch.rand(graphs, regions, regions) for name in ("smri", "fmri")}
    return weights, {name: torch.ones(graphs, dtype=torch.bool) for name in weights}


def test_layers_come_by_sorted_name_with_zeros_where_missing():
    weights, present = two()
    present["smri"][1] = False
    values, there, nodes = stack_layers(weights, present)
    assert torch.equal(values[0], weights["fmri"])
    assert torch.equal(values[1, [0, 2]], weights["smri"][[0, 2]])
    assert not values[1, 1].any()
    assert not there[1, 1].any()
    assert nodes.shape == (2, 3, 4)


def test_a_pair_counts_where_both_nodes_have_the_modality():
    weights, present = two()
    present["fmri"] = torch.ones(3, 4, dtype=torch.bool)
    present["fmri"][0, 2] = False
    values, there, _ = stack_layers(weights, present)
    assert not there[0, 0, 2].any()
    assert not values[0, 0, :, 2].any()
    assert there[0, 0, 0, 1]


def test_a_missing_nan_passes_and_a_present_one_is_refused():
    weights, present = two()
    weights["smri"][1] = torch.nan
    with pytest.raises(NonFinite, match="have the modality"):
        stack_layers(weights, present)
    present["smri"][1] = False
    assert stack_layers(weights, present).values.isfinite().all()


def test_different_sizes_names_and_graphs_without_a_modality_are_refused():
    weights, present = two()
    with pytest.raises(ShapeMismatch, match="same atlas"):
        stack_layers(weights | {"smri": torch.rand(3, 5, 5)}, present)
    with pytest.raises(ShapeMismatch, match="one shape"):
        stack_layers({"fmri": torch.rand(3, 4, 5)}, {"fmri": present["fmri"]})
    with pytest.raises(ShapeMismatch, match="present"):
        stack_layers(weights, present | {"smri": torch.ones(2, dtype=torch.bool)})
    with pytest.raises(MissingModality, match="same modalities"):
        stack_layers(weights, {"fmri": present["fmri"]})
    with pytest.raises(MissingModality, match="same modalities"):
        stack_layers({}, {})
    nobody = torch.tensor([True, True, False])
    with pytest.raises(MissingModality, match="1 of 3"):
        stack_layers(weights, {"fmri": nobody, "smri": nobody})
