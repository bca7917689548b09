from __future__ import annotations

import numpy as np
import pytest

import graphfuse as gf
from graphfuse.errors import InvalidOption, MissingModality
from graphfuse.estimators.vector_view import PhenotypeView, VectorView
from graphfuse.estimators.views import apply_views, fit_views, measured, modalities, shapes, take


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
