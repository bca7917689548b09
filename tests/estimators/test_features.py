from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from nilearn.connectome import ConnectivityMeasure
from sklearn.covariance import EmpiricalCovariance

import graphfuse as gf
from graphfuse.errors import GraphFuseWarning, InvalidOption, MissingModality
from graphfuse.estimators.features import CohortVector, EdgeVector, ValueVector
from graphfuse.estimators.imputation import IMPUTERS, RidgeImputation
from graphfuse.evaluate.declaration import declaration
from graphfuse.harmonise import ComBat, RegressOut


def test_correlation_vectors_are_nilearns_centred_on_the_training_subjects(train, test):
    vector = EdgeVector("correlation").fit(train.signals["fmri"])
    measure = ConnectivityMeasure(EmpiricalCovariance(), kind="correlation", standardize=False)
    upper = np.triu_indices(100, 1)
    arrays = [a.astype(float) for part in (train, test) for a in part.signals["fmri"].arrays()]
    z = [np.arctanh(measure.fit_transform([a])[0][upper]) for a in arrays]
    wanted = np.array(z[len(train) :]) - np.mean(z[: len(train)], axis=0)
    got = vector.transform(test.signals["fmri"])
    np.testing.assert_allclose(got, wanted, atol=1e-4)


def test_values_are_standardised_with_the_training_subjects(train, test):
    vector = ValueVector().fit(train.signals["smri"])
    a, b = (c.signals["smri"].stack().reshape(c.has("smri").sum(), -1).astype(float) for c in (train, test))
    wanted = ((b - a.mean(0)) / a.std(0)).clip(-10, 10)
    got = vector.transform(test.signals["smri"])
    np.testing.assert_allclose(got[test.has("smri")], wanted, atol=1e-3)
    assert (~test.has("smri")).any()
    assert not got[~test.has("smri")].any()  # the training mean


def test_a_column_that_does_not_vary_in_training_says_nothing_later():
    train = gf.Signal.pack("vector", [np.array([1.0, 0.0, i]) for i in range(5)])
    new = gf.Signal.pack("vector", [np.array([1e6, -3.0, 2.0])])
    assert np.array_equal(ValueVector().fit(train).transform(new), [[0, 0, 0]])


@pytest.mark.parametrize("kind", ["correlation", "partial", "tangent"])
def test_edges_of_a_masked_region_are_the_training_mean(cohort, kind):
    signal = cohort.signals["fmri"][np.arange(12)]
    usable = signal.usable.copy()
    usable[0, 7] = False
    signal = replace(signal, usable=usable)
    vector = EdgeVector(kind).fit(signal).transform(signal)
    assert np.isfinite(vector).all()
    assert (vector[0] == 0).sum() >= 99
    assert (vector[1] == 0).sum() == 0
    mean = vector[1:, vector[0] == 0].mean(0)
    np.testing.assert_allclose(mean, 0, atol=1e-5)  # who lacks an edge does not move its mean


def test_an_edge_that_training_lacks_stays_small_when_standardised(cohort):
    signal = cohort.signals["fmri"]
    usable = signal.usable.copy()
    usable[:30, 7] = False
    holed = replace(cohort, signals={"fmri": replace(signal, usable=usable)})
    vector = CohortVector(standardise=True).fit(holed[:30])
    assert np.abs(vector.transform(holed[30:])).max() < 100
    np.testing.assert_allclose(vector.transform(holed[:30]).std(0).max(), 1, atol=1e-3)


def test_features_must_suit_the_signal(train):
    with pytest.raises(InvalidOption, match="reads timeseries"):
        CohortVector(features="tangent").fit(train)  # smri is no time series
    with pytest.raises(InvalidOption, match="reads connectivity"):
        CohortVector(("fmri",), "given").fit(train)
    with pytest.raises(InvalidOption, match="signals"):
        CohortVector(("dti",)).fit(train)
    with pytest.raises(InvalidOption, match="features"):
        CohortVector(features="pearson").fit(train)
    with pytest.raises(MissingModality, match="No training subject"):
        CohortVector().fit(train[np.flatnonzero(~train.has("smri"))])


def test_every_vector_says_that_it_reads_training_features_and_no_labels():
    for vector in (EdgeVector(), ValueVector(), CohortVector()):
        assert (vector.uses_y, vector.scope) == (False, "training")
    assert CohortVector(adjust=[RegressOut(("age",)), ComBat(on_unseen="features")]).scope == "features"


def test_correlations_of_one_are_counted_in_a_warning():
    series = np.random.default_rng(0).standard_normal((3, 30, 4)).astype(np.float32)
    series[0, :, 1], series[1, :, 3] = series[0, :, 0], -series[1, :, 2]
    with pytest.warns(GraphFuseWarning, match=r"^2 correlations of different regions are 1 or -1"):
        vectors = EdgeVector().fit_transform(gf.Signal.pack("timeseries", list(series)))
    assert np.isfinite(vectors).all()


@pytest.mark.parametrize("impute", list(IMPUTERS))
def test_imputation_fills_in_the_vectors_of_who_lacks_a_modality(cohort, impute):
    people = cohort.without("smri", np.arange(60) % 2 == 0)
    train, test = people[:44], people[44:]
    plain, full = (CohortVector(impute=option).fit(train) for option in (None, impute))
    a, b = plain.transform(test), full.transform(test)
    has, first = test.has("smri"), plain.parts_["fmri"].mean_.size
    assert not a[~has, first:].any()
    assert np.array_equal(a[has], b[has])
    assert np.array_equal(a[:, :first], b[:, :first])
    if impute == "mean":
        np.testing.assert_allclose(b, a, atol=1e-5)  # which is what happens without
    else:
        assert b[~has, first:].any(axis=1).all()


def test_imputation_reads_training_people_alone(cohort):
    people = cohort.without("smri", np.arange(60) % 2 == 0)
    train, test = people[:44], people[44:]
    vector = CohortVector(impute="nearest", standardise=True).fit(train)
    together = vector.transform(test)
    np.testing.assert_allclose(vector.transform(test[[3]])[0], together[3], atol=1e-5)
    nobody = test.without("smri", slice(None))
    assert np.isfinite(vector.transform(nobody)).all()


def test_imputation_comes_after_the_adjustment(cohort):
    people = cohort.without("smri", np.arange(60) % 2 == 0)
    vector = CohortVector(adjust=RegressOut(("age",)), impute=RidgeImputation()).fit(people[:44])
    blocks = {name: vector._vector(name, people[44:]) for name in vector.parts_}
    wanted = vector.imputer_.transform(blocks, {name: people[44:].has(name) for name in blocks})
    np.testing.assert_array_equal(vector.transform(people[44:]), np.hstack(list(wanted.values())))


@pytest.mark.parametrize("impute", list(IMPUTERS))
def test_the_imputer_is_declared_as_a_step(train, impute):
    table = declaration(CohortVector(impute=impute).fit(train)).set_index("step")
    row = table.loc["model.imputer_"]
    assert row["kind"] == IMPUTERS[impute].__name__
    assert (row["data"], row["labels"]) == ("training subjects", "none")


def test_imputers_are_refused_by_name(train):
    with pytest.raises(InvalidOption, match="impute must be one of"):
        CohortVector(impute="knn").fit(train)
