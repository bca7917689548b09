from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from graphfuse.cohort import Cohort
from graphfuse.errors import InvalidOption, LabelLeakageError
from graphfuse.estimators.vector_view import PhenotypeView, VectorView
from graphfuse.signal import Signal

RNG = np.random.default_rng(0)


def vectors(n=40, p=12, informative=3) -> tuple[Signal, np.ndarray]:
    codes = np.arange(n) % 2
    x = RNG.normal(size=(n, p))
    x[:, :informative] += 3 * codes[:, None]
    return Signal.pack("vector", list(x), columns=tuple(f"v{i}" for i in range(p))), codes


def test_features_have_mean_zero_and_deviation_one_over_training_subjects():
    signal, _ = vectors()
    x = VectorView().fit(signal).transform(signal).x.numpy()
    np.testing.assert_allclose(x.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(x.std(0), 1, atol=1e-5)


def test_elimination_keeps_the_features_that_carry_the_class():
    signal, codes = vectors()
    view = VectorView(select=3).fit(signal, codes)
    assert view.kept_.tolist() == [0, 1, 2]
    assert view.uses_y
    assert not VectorView().uses_y


def test_components_span_what_varies_most_and_have_unit_variance_in_the_mean():
    signal, _ = vectors()
    x = VectorView(components=4).fit(signal).transform(signal).x
    assert x.shape == (40, 4)
    assert x.var(0, correction=1).mean().item() == pytest.approx(1, abs=1e-4)
    assert (x.var(0)[:-1] >= x.var(0)[1:]).all()


def test_who_lacks_the_modality_gets_the_training_mean_and_changes_nothing():
    x = RNG.normal(size=(10, 4))
    lacking = Signal.pack("vector", [*x, None], columns=tuple("abcd"))
    complete = Signal.pack("vector", list(x), columns=tuple("abcd"))
    view, other = VectorView().fit(lacking), VectorView().fit(complete)
    assert not view.transform(lacking).x[-1].any()
    np.testing.assert_array_equal(view.transform(complete).x, other.transform(complete).x)


def test_features_that_do_not_suit_the_kind_are_refused():
    with pytest.raises(InvalidOption, match="timeseries signal; got 'vector'"):
        VectorView("tangent").fit(vectors()[0])


def people(**columns) -> Cohort:
    table = pd.DataFrame(columns, index=[f"s{i}" for i in range(len(next(iter(columns.values()))))])
    return Cohort(table, confounds=tuple(columns))


def test_numbers_are_standardised_and_texts_are_one_hot():
    cohort = people(age=[10.0, 20.0, np.nan, 30.0], sex=["F", None, "M", "F"])
    x = PhenotypeView().fit(cohort).transform(cohort).x.numpy()
    np.testing.assert_allclose(x[:, 0], [-1.2247, 0, 0, 1.2247], atol=1e-3)
    assert x[:, 1:].tolist() == [[1, 0], [0, 0], [0, 1], [1, 0]]


def test_an_unknown_level_is_nobody_elses():
    view = PhenotypeView().fit(people(sex=["F", "M"]))
    assert view.transform(people(sex=["X", "M"])).x.tolist() == [[0, 0], [0, 1]]


def test_no_columns_and_columns_that_leak_are_refused():
    with pytest.raises(InvalidOption, match="names no confounds"):
        PhenotypeView().fit(Cohort(pd.DataFrame(index=["a", "b"])))
    with pytest.raises(LabelLeakageError, match="score"):
        PhenotypeView(["score"]).fit(people(score=[1.0, 2.0]).blind(drop=("score",)))
