from __future__ import annotations

from dataclasses import replace

import pytest
import torch

import graphfuse as gf
from graphfuse.errors import InvalidOption
from graphfuse.explain import parameter_randomisation
from graphfuse.explain.randomisation import _partly


@pytest.fixture(scope="module")
def table(wide):
    return parameter_randomisation(wide, draws=4, cascade=True).set_index("randomised")


def test_random_weights_forget_the_ranks(table):
    # Planted regions vary together, so that the score of any network varies with them: not quite 0.
    assert table.loc["all weights", ["spearman", "spearman_signed"]].abs().max() < 0.35
    assert table.loc["all weights", "n"] == 12  # draws times folds


def test_a_trained_encoder_still_knows_where_to_look(table):
    assert list(table.index) == ["head", "head, fusion", "all weights"]
    assert table.loc["head", "spearman"] > table.loc["all weights", "spearman"]


def test_the_same_weights_are_found_out(wide):
    """The check can fail: a model that gives itself as its random twin correlates by 1."""
    unchanged = {key: _Stubborn.of(model) for key, model in wide.fitted.items()}
    row = parameter_randomisation(replace(wide, fitted=unchanged), steps=8, random_steps=8).iloc[0]
    assert row["spearman"] == pytest.approx(1)
    assert row["spearman_signed"] == pytest.approx(1)
    assert not row["passed"]


def test_models_trained_on_permuted_labels_name_other_regions(wide):
    row = parameter_randomisation(wide, retrain=True, random_steps=4).set_index("randomised").loc["labels permuted"]
    assert row["spearman"] < 0.4  # three folds of thirty regions
    assert row["n"] == 3


def test_only_the_named_parts_are_fresh(fitted):
    fresh = fitted.build_network()
    mixed = _partly(fitted.network_, fresh, ("head",))
    assert torch.equal(mixed.members[0].head[1].weight, fresh.members[0].head[1].weight)
    for (name, ours), wanted in zip(
        mixed.members[0].named_parameters(), fitted.network_.members[0].parameters(), strict=True
    ):
        assert name.startswith("head") or torch.equal(ours, wanted)


def test_the_model_and_the_global_seed_are_left_alone(wide):
    before = [parameter.clone() for parameter in wide.fitted["wide", 0, 0].network_.parameters()]
    torch.manual_seed(3)
    wanted = torch.rand(1)
    torch.manual_seed(3)
    first = parameter_randomisation(wide, random_steps=2)
    assert torch.equal(torch.rand(1), wanted)
    after = wide.fitted["wide", 0, 0].network_.parameters()
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert first.equals(parameter_randomisation(wide, random_steps=2))


def test_bad_arguments_are_named(wide):
    with pytest.raises(InvalidOption, match="draws"):
        parameter_randomisation(wide, draws=0)
    with pytest.raises(InvalidOption, match="model must be one of wide"):
        parameter_randomisation(wide, "other")


class _Stubborn(gf.FusionClassifier):
    """A model that hands its trained weights out as fresh ones."""

    @classmethod
    def of(cls, model):
        other = cls.__new__(cls)
        other.__dict__.update(model.__dict__)
        return other

    def build_network(self):
        return self.network_
