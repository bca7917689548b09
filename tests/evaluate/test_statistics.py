from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from graphfuse.errors import GraphFuseError, GraphFuseWarning, InvalidOption, NonFinite, ShapeMismatch
from graphfuse.evaluate.statistics import (
    benjamini_hochberg,
    compare,
    corrected_t_test,
    holm,
    interval,
    permutation_p,
    summarise,
    warn_if_small,
)


def scores_of(models, n_train=90, n_test=10, metric="auc", repeats=2):
    rows = []
    for model, values in models.items():
        places = [(r, f) for r in range(repeats) for f in range(len(values) // repeats)]
        rows += [(model, *place, n_train, n_test, metric, v) for place, v in zip(places, values, strict=True)]
    return pd.DataFrame(rows, columns=["model", "repeat", "fold", "n_train", "n_test", "metric", "value"])


def test_interval_is_the_closed_form():
    values = np.random.default_rng(0).uniform(0.55, 0.75, 20)
    half = stats.t.ppf(0.975, 19) * np.sqrt(values.var(ddof=1) * (1 / 20 + 10 / 90))
    mean, low, high = interval(values, 90, 10)
    assert (mean, low, high) == pytest.approx((values.mean(), values.mean() - half, values.mean() + half), abs=1e-9)


def test_interval_averages_sizes_and_leaves_undefined_folds_out():
    values = np.array([0.6, np.nan, 0.7, 0.8])
    known = values[[0, 2, 3]]
    sizes = np.array([10, 99, 20, 30])
    half = stats.t.ppf(0.95, 2) * np.sqrt(known.var(ddof=1) * (1 / 3 + 20 / 80))
    wanted = (0.7, 0.7 - half, min(0.7 + half, 1))
    assert interval(values, 100 - sizes, sizes, level=0.9) == pytest.approx(wanted, abs=1e-9)


def test_interval_is_clipped_and_one_fold_says_nothing():
    assert interval(np.array([0.99, 0.5, 1.0]), 10, 5)[2] == 1.0
    assert interval(np.array([0.7]), 90, 10) == (0.7, 0.0, 1.0)
    with pytest.raises(GraphFuseError, match="No fold"):
        interval(np.array([np.nan, np.nan]), 90, 10)


def test_corrected_t_test_is_the_closed_form():
    rng = np.random.default_rng(1)
    a, b = rng.uniform(0.6, 0.8, 100), rng.uniform(0.55, 0.75, 100)
    d = a - b
    t = d.mean() / np.sqrt(d.var(ddof=1) * (1 / 100 + 1 / 9))
    wanted = (d.mean(), t, 2 * stats.t.sf(abs(t), 99))
    assert corrected_t_test(a, b, 108, 12) == pytest.approx(wanted, abs=1e-9)
    swapped = corrected_t_test(b, a, 108, 12)
    assert swapped == pytest.approx((-wanted[0], -t, wanted[2]), abs=1e-9)


def test_without_variance_there_is_no_nan():
    same = np.array([0.7, 0.8, 0.6])
    assert corrected_t_test(same, same, 90, 10) == (0.0, 0.0, 1.0)
    difference, t, p = corrected_t_test(same + 0.25, same, 90, 10)
    assert difference == pytest.approx(0.25)
    assert t > 1e6
    assert p < 1e-9
    assert corrected_t_test([0.9], [0.1], 90, 10) == pytest.approx((0.8, 0.0, 1.0))


def test_holm_by_hand():
    # sorted .005 .01 .03 .04 times 4 3 2 1 -> .02 .03 .06 .04, then never falling: .02 .03 .06 .06
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]).tolist() == [1.0, 1.0]
    assert len(holm([])) == 0
    with pytest.raises(GraphFuseError, match="finite"):
        holm([0.1, np.nan])


def test_benjamini_hochberg_by_hand():
    # sorted .005 .01 .03 .04 times 4/1 4/2 4/3 4/4 -> .02 .02 .04 .04
    assert benjamini_hochberg([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.02, 0.04, 0.04, 0.02])
    p = np.random.default_rng(0).random(30) ** 2
    order = np.argsort(p)
    wanted = [min(1, *(p[j] * 30 / (rank + 1) for rank, j in enumerate(order) if p[j] >= p[i])) for i in range(30)]
    assert benjamini_hochberg(p) == pytest.approx(wanted)
    assert len(benjamini_hochberg([])) == 0
    with pytest.raises(GraphFuseError, match="finite"):
        benjamini_hochberg([0.1, np.nan])


def test_under_two_hundred_subjects_a_warning_says_so():
    with pytest.warns(GraphFuseWarning, match="199 subjects"):
        warn_if_small(199)
    warn_if_small(200)


def test_permutation_p_is_never_zero():
    assert permutation_p(0.9, np.full(999, 0.5)) == 1 / 1000
    assert permutation_p(0.5, [0.4, 0.5, 0.6]) == 3 / 4


def test_compare_tests_every_model_against_one():
    rng = np.random.default_rng(2)
    base = rng.uniform(0.5, 0.6, 20)
    models = {"good": base + 0.2 + rng.normal(0, 0.01, 20), "base": base, "noise": base + rng.normal(0, 0.05, 20)}
    scores = scores_of(models)
    table = compare(scores, against="base").set_index("model_a")
    assert list(table.index) == ["good", "noise"]
    wanted = corrected_t_test(models["noise"], base, 90, 10)
    assert table.loc["noise", "difference"] == pytest.approx(wanted[0])
    assert table.loc["noise", "p"] == pytest.approx(wanted[2])
    assert table["p_holm"].to_numpy() == pytest.approx(holm(table["p"]))
    assert table.loc["good", "p_holm"] < 0.001
    assert (table["low"] < table["difference"]).all()
    assert (table["difference"] < table["high"]).all()
    assert len(compare(scores)) == 3
    assert len(compare(scores[scores["model"] == "base"])) == 0
    with pytest.raises(GraphFuseError, match="Did you mean 'base'"):
        compare(scores, against="bases")


def test_compare_pairs_folds_by_their_number_not_by_row():
    values = np.linspace(0.5, 0.9, 10)
    scores = scores_of({"a": values + 0.01 * (np.arange(10) % 2), "b": values})
    shuffled = scores.sample(frac=1, random_state=0)
    assert compare(shuffled, against="b")["p"].item() == pytest.approx(compare(scores, against="b")["p"].item())


def test_compare_leaves_out_folds_where_a_model_has_no_score():
    values = np.linspace(0.5, 0.9, 10)
    other = values + np.where(np.arange(10) % 2, 0.02, 0.05)
    other[0] = np.nan
    row = compare(scores_of({"a": other, "b": values}), against="b").iloc[0]
    assert row["p"] == pytest.approx(corrected_t_test(other[1:], values[1:], 90, 10)[2])
    assert len(compare(scores_of({"a": np.full(10, np.nan), "b": values}), against="b")) == 0


def test_summarise_gives_one_row_a_model_and_metric():
    values = np.linspace(0.5, 0.9, 10)
    table = summarise(scores_of({"a": values, "b": np.full(10, np.nan)})).set_index("model")
    assert table.loc["a", ["mean", "low", "high"]].tolist() == pytest.approx(interval(values, 90, 10))
    assert table["folds"].to_dict() == {"a": 10, "b": 0}


def differences_of_equal_models(rng, n=120, features=8, folds=10, repeats=10):
    """Accuracy differences (repeats * folds,) of two least-squares models on disjoint, equally useful features."""
    y = np.where(np.arange(n) % 2, 1.0, -1.0)
    x = rng.standard_normal((2, n, features)) + 0.15 * y[:, None]
    place = np.concatenate([rng.permutation(n) % folds for _ in range(repeats)]).reshape(repeats, n)
    train = (place[:, None] != np.arange(folds)[:, None]).reshape(-1, n).astype(float)  # (J, n)
    gram = np.einsum("jn,mnp,mnq->jmpq", train, x, x, optimize=True) + np.eye(features)
    weights = np.linalg.solve(gram, np.einsum("jn,mnp,n->jmp", train, x, y, optimize=True)[..., None])[..., 0]
    right = np.einsum("jmp,mnp->jmn", weights, x) * y > 0
    accuracy = (right * (1 - train)[:, None]).sum(-1) / (1 - train).sum(-1)[:, None]
    return accuracy[:, 0] - accuracy[:, 1]


def test_the_correction_keeps_its_level_where_the_naive_test_does_not():
    rng = np.random.default_rng(3)
    naive = corrected = 0
    for _ in range(150):
        d = differences_of_equal_models(rng)
        naive += stats.ttest_1samp(d, 0).pvalue < 0.05
        corrected += corrected_t_test(d, np.zeros_like(d), 108, 12)[2] < 0.05
    assert naive / 150 > 0.3
    assert corrected / 150 <= 0.12  # .064 in 2,000 simulations; three standard errors above


def expected_accuracy(n, features, draws=4000):
    """Mean accuracy in the population of the least-squares model on n subjects, in closed form given its weights."""
    rng = np.random.default_rng(9)
    y = np.where(np.arange(n) % 2, 1.0, -1.0)
    x = rng.standard_normal((draws, n, features)) + 0.15 * y[:, None]
    w = np.linalg.solve(np.einsum("dnp,dnq->dpq", x, x) + np.eye(features), np.einsum("dnp,n->dp", x, y)[..., None])
    return stats.norm.cdf(0.15 * w.sum((1, 2)) / np.linalg.norm(w, axis=(1, 2))).mean()


def test_the_interval_holds_the_expected_accuracy_of_a_training_set_of_its_size():
    rng, truth, hits = np.random.default_rng(4), expected_accuracy(108, 8), 0
    for _ in range(200):
        y = np.where(np.arange(120) % 2, 1.0, -1.0)
        x = rng.standard_normal((120, 8)) + 0.15 * y[:, None]
        fold, scores = rng.permutation(120) % 10, []
        for k in range(10):
            train, test = x[fold != k], x[fold == k]
            w = np.linalg.solve(train.T @ train + np.eye(8), train.T @ y[fold != k])
            scores.append(np.mean(test @ w * y[fold == k] > 0))
        _, low, high = interval(np.array(scores), 108, 12)
        hits += low <= truth <= high
    assert hits / 200 >= 0.9


@pytest.mark.parametrize("size", [0, -1, np.nan, np.inf, [90, 90, 0]])
def test_sizes_that_are_no_positive_numbers_are_refused(size):
    values = np.array([0.6, 0.7, 0.8])
    for sizes in ((size, 10), (90, size)):
        with pytest.raises(InvalidOption, match="positive numbers of subjects"):
            interval(values, *sizes)
        with pytest.raises(InvalidOption, match="positive numbers of subjects"):
            corrected_t_test(values, values - 0.1, *sizes)
    with pytest.raises(ShapeMismatch):
        interval(values, [90, 90], 10)


def test_an_infinite_score_is_refused_and_one_that_is_not_defined_is_left_out():
    values = np.array([0.6, 0.7, 0.8, np.nan])
    assert interval(values, 90, 10) == interval(values[:3], 90, 10)
    wrong = np.array([0.6, 0.7, 0.8, np.inf])
    for scored in (
        lambda: interval(wrong, 90, 10),
        lambda: corrected_t_test(values, wrong, 90, 10),
        lambda: compare(scores_of({"a": values, "b": wrong})),
    ):
        with pytest.raises(NonFinite, match="1 of"):
            scored()


def test_what_is_no_p_value_and_an_observed_score_that_is_not_a_number_are_refused():
    for adjust in (holm, benjamini_hochberg):
        with pytest.raises(InvalidOption, match="p must lie in"):
            adjust([0.1, 1.5])
    with pytest.raises(NonFinite):  # nothing reaches a NaN, which would make it significant
        permutation_p(np.nan, [0.1, 0.2])
