from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from torch import nn

import graphfuse as gf
from graphfuse.errors import InvalidOption, MissingModality
from graphfuse.estimators.subject_system import SubjectSystem
from graphfuse.estimators.vector_view import PhenotypeView, VectorView
from graphfuse.estimators.views import (
    apply_views,
    early_split,
    fit_views,
    measured,
    modalities,
    places,
    shapes,
    take,
)


def codes(cohort):
    return np.unique(cohort.y, return_inverse=True)[1]


def test_roles_read_the_modalities_that_they_are_given(train):
    views = {"edges": gf.FunctionalGraph(), "flat": VectorView(), "who": PhenotypeView()}
    signals = {"edges": "fmri", "flat": "fmri"}
    fitted = fit_views(views, signals, train, codes(train))
    inputs = apply_views(fitted, signals, train)
    regions = train.signals["fmri"].n_regions
    assert shapes(inputs)["edges"] == (regions, regions)
    assert shapes(inputs)["flat"] == (regions * (regions - 1) // 2,)
    assert modalities(fitted, signals) == ["fmri"]
    assert not hasattr(views["edges"], "mean_")  # a clone was fitted


def test_subjects_with_one_role_are_measured(train):
    fitted = fit_views({"smri": VectorView()}, None, train, codes(train))
    inputs = apply_views(fitted, None, train)
    assert measured(inputs).tolist() == np.flatnonzero(train.has("smri")).tolist()
    assert len(take(inputs, [0, 2])["smri"]) == 2


def test_errors_at_the_door(train):
    with pytest.raises(InvalidOption, match="a view at least"):
        fit_views({}, None, train, codes(train))
    with pytest.raises(InvalidOption, match="the modality of views"):
        fit_views({"pet": VectorView()}, None, train, codes(train))
    nobody = train[~train.has("smri")]
    if len(nobody):
        with pytest.raises(MissingModality, match="No training subject has 'smri'"):
            fit_views({"smri": VectorView()}, None, nobody, codes(nobody))


# ---- views that read labels


class Linear(nn.Module):
    def __init__(self, shapes, n_classes: int):
        super().__init__()
        self.head = nn.Linear(shapes["x"][0], n_classes)

    def forward(self, inputs):
        return self.head(inputs["x"].x)


def noise(seed: int) -> gf.Cohort:
    """A hundred people whose 1,500 numbers know nothing of the class."""
    rng = np.random.default_rng(seed)
    dx = np.array(["control", "patient"], dtype=object)[rng.permutation(np.arange(100) % 2)]
    table = pd.DataFrame({"dx": dx}, index=[f"s{i:03d}" for i in range(100)])
    signal = gf.Signal.pack("vector", list(rng.normal(size=(100, 1500))))
    return gf.Cohort(table, {"x": signal}, target="dx", classes=("control", "patient"))


def test_a_selection_is_not_told_the_classes_of_who_chooses_the_epoch():
    """Told them, it would tell these people apart: an inner AUC of 1 for noise, and no doubt in any answer."""
    cohort, view = noise(0), gf.VectorView(select=300)
    codes = np.asarray(cohort.y)
    split = early_split({"x": view}, None, cohort, codes, 0.3, 0)
    flipped = codes.copy()
    flipped[split[1]] = 1 - flipped[split[1]]
    one, other = (fit_views({"x": view}, None, cohort, labels, split)["x"] for labels in (codes, flipped))
    assert np.array_equal(one.kept_, other.kept_)
    told = fit_views({"x": view}, None, cohort, flipped)["x"]
    assert not np.array_equal(told.kept_, one.kept_)


def test_views_that_read_no_labels_leave_each_network_its_own_split(train):
    assert early_split({"smri": gf.MorphometricGraph()}, None, train, train.y, 0.2, 0) is None


def test_the_split_holds_only_people_who_were_measured(train):
    lacking = train.without("smri", np.arange(10))
    views = {"smri": gf.VectorView(select=5)}
    parts = early_split(views, None, lacking, lacking.y, 0.2, 0)
    rows = np.flatnonzero(lacking.has("smri"))
    assert sorted(np.concatenate(parts)) == rows.tolist()
    assert all(np.array_equal(rows[place], part) for place, part in zip(places(parts, rows), parts, strict=True))


def test_a_network_on_selected_noise_is_less_sure_than_if_the_selection_had_been_told(monkeypatch):
    train, new = noise(1), noise(2)

    def loss() -> float:
        model = SubjectSystem({"x": gf.VectorView(select=300)}, Linear, epochs=30, validation=0.4)
        p = model.fit(train.blind(), train.y).predict_proba(new)
        return -np.log(p[np.arange(len(new)), new.y]).mean()

    ours = loss()
    monkeypatch.setattr("graphfuse.estimators.subject_system.early_split", lambda *parts: None)
    assert ours < 0.8 < 1 < loss()  # chance is 0.69
