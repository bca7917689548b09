from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge, RidgeCV

from graphfuse.errors import InvalidOption
from graphfuse.estimators import saving
from graphfuse.estimators.imputation.regression import PENALTIES, RidgeImputation, ridge_map
from graphfuse.estimators.ridge import Ridge as CohortRidge
from graphfuse.simulate import simulate_cohort


def data(n, p, q=5, seed=0):
    rng = np.random.default_rng(seed)
    X = 2 + rng.standard_normal((n, p))
    return X, X[:, :3] @ rng.standard_normal((3, q)) + rng.standard_normal((n, q)) - 1


def answer(fitted, X):
    return fitted["y_mean"] + (X - fitted["x_mean"]) @ fitted["axes"] @ fitted["loadings"]


@pytest.mark.parametrize("shape", [(40, 8), (25, 90)])
def test_penalty_and_answer_are_those_of_explicit_refits(shape):
    X, Y = data(*shape)
    fitted = ridge_map(X, Y)
    unit = np.square(X - X.mean(0)).sum(1).mean()
    errors = []
    for a in PENALTIES:
        left_out = np.empty_like(Y)
        for i in range(len(X)):
            others = np.arange(len(X)) != i
            left_out[i] = Ridge(a * unit).fit(X[others], Y[others]).predict(X[[i]])[0]
        errors.append(np.square(left_out - Y).mean())
    best = int(np.argmin(errors))
    assert 0 < best < len(PENALTIES) - 1  # a choice, not an end
    assert fitted["penalty"] == pytest.approx(PENALTIES[best] * unit)
    new = data(7, shape[1], seed=1)[0]
    np.testing.assert_allclose(answer(fitted, new), Ridge(fitted["penalty"]).fit(X, Y).predict(new), atol=1e-7)
    assert RidgeCV([a * unit for a in PENALTIES]).fit(X, Y).alpha_ == pytest.approx(fitted["penalty"])


def test_the_map_holds_axes_and_nobody_s_row():
    X, Y = data(25, 90)
    fitted = ridge_map(X, Y)
    np.testing.assert_allclose(fitted["axes"].T @ fitted["axes"], np.eye(24), atol=1e-8)


def test_constant_sources_answer_with_the_mean():
    X, Y = data(12, 4)
    fitted = ridge_map(np.ones_like(X), Y)
    np.testing.assert_allclose(answer(fitted, X), np.tile(Y.mean(0), (12, 1)))


def test_each_person_is_predicted_from_all_that_there_is(train, new):
    """Against sklearn, pattern by pattern, from the training people who have it all."""
    imputer = RidgeImputation().fit(*train)
    full = imputer.transform(*new)
    (blocks, present), (news, has) = train, new
    seen = set()
    for i in range(len(has["c"]) - 1):
        sources = tuple(name for name in "ab" if has[name][i])
        if has["c"][i]:
            continue
        rows = present["c"] & np.all([present[name] for name in sources], axis=0)
        X = np.hstack([blocks[name][rows] / np.sqrt(imputer.lengths_[name]) for name in sources]).astype(float)
        x = np.hstack([news[name][[i]] / np.sqrt(imputer.lengths_[name]) for name in sources])
        penalty = dict(imputer.maps_["c"])[sources]["penalty"]
        wanted = Ridge(penalty).fit(X, blocks["c"][rows].astype(float)).predict(x)[0]
        np.testing.assert_allclose(full["c"][i], wanted, atol=1e-4)
        seen.add(sources)
    assert seen == {("a",), ("b",), ("a", "b")}


def test_a_set_that_few_people_have_is_left_for_a_smaller_one(train, new):
    blocks, present = train
    few = present | {"b": present["b"] & (np.cumsum(present["b"] & present["c"] & present["a"]) <= 5)}
    sources = [part for part, _ in RidgeImputation(fewest=10).fit(blocks, few).maps_["c"]]
    assert sources == [("a",)]
    counted = [part for part, _ in RidgeImputation(fewest=3).fit(*train).maps_["c"]]
    assert counted[0] == ("a", "b")
    assert len(counted) == 3


def test_options_are_checked(train):
    with pytest.raises(InvalidOption, match="fewest"):
        RidgeImputation(fewest=2).fit(*train)
    with pytest.raises(InvalidOption, match="penalty"):
        RidgeImputation(penalties=(0.0, 1.0)).fit(*train)
    many = {f"m{i}": np.eye(12, 2) for i in range(9)}
    with pytest.raises(InvalidOption, match="8 modalities"):
        RidgeImputation().fit(many, {name: np.ones(12, bool) for name in many})


def test_a_model_with_a_regression_is_saved_and_read_back(tmp_path, monkeypatch):
    monkeypatch.setitem(saving.CLASSES, "RidgeImputation", RidgeImputation)
    cohort = simulate_cohort(50, n_frames=(40, 50), seed=0).cohort.without("smri", np.arange(50) % 3 == 0)
    model = CohortRidge(impute=RidgeImputation(fewest=5)).fit(cohort)
    loaded = saving.load_model(saving.save_model(model, tmp_path / "model.safetensors"))
    np.testing.assert_array_equal(loaded.predict_proba(cohort), model.predict_proba(cohort))
