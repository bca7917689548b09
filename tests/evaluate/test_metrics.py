from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as reference

from graphfuse.errors import GraphFuseError, InvalidOption, NonFinite
from graphfuse.evaluate.metrics import METRICS, calibration_table, ece, fold_scores, rank_auc, score_all


def draw(n_classes, seed=0, n=60):
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(n) % n_classes)
    p = rng.random((n, n_classes)) + 0.5 * np.eye(n_classes)[y]
    return y, p / p.sum(1, keepdims=True)


def table(y, p, classes, **more):
    columns = {f"p_{name}": p[:, c] for c, name in enumerate(classes)}
    subjects = [f"s{i}" for i in range(len(y))]
    return pd.DataFrame({"subject": subjects, "y_true": np.array(classes)[y], **columns, **more})


def binned_by_hand(positive, p):
    """Expected calibration error over [0, .1), [.1, .2) ... [.9, 1]."""
    total = 0.0
    for b in range(10):
        inside = [i for i in range(len(p)) if int(p[i] * 10) == b or (b == 9 and p[i] == 1)]
        if inside:
            total += len(inside) / len(p) * abs(np.mean(p[inside]) - np.mean(positive[inside]))
    return total


@pytest.mark.parametrize("seed", range(5))
def test_binary_metrics_equal_sklearn(seed):
    y, p = draw(2, seed)
    p = p.round(1)  # ties
    p[:, 0] = 1 - p[:, 1]
    called = p.argmax(1)
    wanted = {
        "accuracy": reference.accuracy_score(y, called),
        "balanced_accuracy": reference.balanced_accuracy_score(y, called),
        "auc": reference.roc_auc_score(y, p[:, 1]),
        "sensitivity": reference.recall_score(y, called),
        "specificity": reference.recall_score(y, called, pos_label=0),
        "brier": reference.brier_score_loss(y, p[:, 1]),
    }
    assert score_all(y, p) == pytest.approx(wanted, abs=1e-12)


def test_multiclass_metrics_equal_sklearn():
    y, p = draw(3)
    called = p.argmax(1)
    scores = score_all(y, p)
    assert scores["auc"] == pytest.approx(reference.roc_auc_score(y, p, multi_class="ovr", average="macro"))
    assert scores["balanced_accuracy"] == pytest.approx(reference.balanced_accuracy_score(y, called))
    assert scores["sensitivity"] == pytest.approx(reference.recall_score(y == 2, called == 2))
    assert scores["specificity"] == pytest.approx(reference.recall_score(y != 2, called != 2))
    assert scores["brier"] == pytest.approx(reference.brier_score_loss(y, p, labels=[0, 1, 2], scale_by_half=True))
    assert ece(y, p) == pytest.approx(np.mean([binned_by_hand(y == c, p[:, c]) for c in range(3)]))


def test_metrics_of_a_single_class_are_not_available_and_do_not_warn():
    y, p = draw(2)
    scores = score_all(y[y == 1], p[y == 1])
    undefined = {name for name, value in scores.items() if np.isnan(value)}
    assert undefined == {"auc", "balanced_accuracy", "specificity"}


def test_rank_auc_counts_pairs():
    positive, score = np.array([1, 1, 0, 0], bool), np.array([0.9, 0.4, 0.4, 0.1])
    assert rank_auc(positive, score) == (1 + 1 + 0.5 + 1) / 4


def test_fold_scores_scores_each_fold_by_itself():
    y, p = draw(2)
    fold = np.arange(60) % 3
    both = [table(y, p, ("control", "autism"), model=name, repeat=0, fold=fold) for name in ("a", "b")]
    both[1][["p_control", "p_autism"]] = 0.5
    scores = fold_scores(pd.concat(both), ("control", "autism"))
    assert len(scores) == 2 * 3 * len(METRICS)
    assert set(scores["n_test"]) == {20}
    assert set(scores["n_train"]) == {40}
    row = scores.query("model == 'a' and fold == 1 and metric == 'auc'")["value"].item()
    assert row == pytest.approx(reference.roc_auc_score(y[fold == 1], p[fold == 1, 1]))
    assert (scores.query("model == 'b' and metric == 'auc'")["value"] == 0.5).all()


def test_fold_scores_codes_classes_in_the_order_given():
    y, p = draw(2)
    predictions = table(y, p, ("control", "autism"), model="a", repeat=0, fold=0)
    here = fold_scores(predictions, ("control", "autism")).set_index("metric")["value"]
    swapped = fold_scores(predictions, ("autism", "control")).set_index("metric")["value"]
    assert here["sensitivity"] == swapped["specificity"]
    assert here["auc"] == pytest.approx(swapped["auc"])


@pytest.mark.parametrize("change", [{"drop": "p_autism"}, {"label": "autsim"}])
def test_fold_scores_names_what_is_wrong(change):
    y, p = draw(2)
    predictions = table(y, p, ("control", "autism"), model="a", repeat=0, fold=0)
    if "drop" in change:
        predictions = predictions.drop(columns=change["drop"])
    else:
        predictions.loc[0, "y_true"] = change["label"]
    with pytest.raises(GraphFuseError, match="autism"):
        fold_scores(predictions, ("control", "autism"))


def test_score_all_refuses_codes_without_a_column():
    with pytest.raises(GraphFuseError, match="2 columns"):
        score_all(np.array([0, 2]), np.full((2, 2), 0.5))


def test_ece_of_the_certain_is_the_share_of_errors_and_of_nobody_is_not_defined():
    y, p = np.array([0, 1, 1, 1]), np.eye(2)[[0, 1, 0, 1]]
    assert ece(y, p) == 0.25
    assert np.isnan(ece(np.array([], int), np.empty((0, 2))))


def calibrated(n, sharpen, seed=0, classes=2):
    """Labels drawn from probabilities p, and the probabilities that are told: p made too sure by `sharpen`."""
    rng = np.random.default_rng(seed)
    logits = rng.standard_normal((n, classes))
    p, told = (np.exp(a * logits) / np.exp(a * logits).sum(1, keepdims=True) for a in (1, sharpen))
    return (rng.random((n, 1)) > p.cumsum(1)[:, :-1]).sum(1), told


@pytest.mark.parametrize("names", [("a", "b"), ("a", "b", "c")])
def test_the_calibration_table_says_what_a_calibrated_model_would_have(names):
    parts = []
    for repeat in range(2):
        for name, sharpen in (("right", 1), ("too sure", 4)):
            y, p = calibrated(300, sharpen, repeat, len(names))
            parts.append(table(y, p, names, model=name, repeat=repeat, fold=np.arange(300) % 10))
    found = calibration_table(pd.concat(parts), names).set_index("model")
    assert found.index.tolist() == ["right", "too sure"]
    y, p = calibrated(300, 4, 0, len(names))
    other = calibrated(300, 4, 1, len(names))
    assert found.loc["too sure", "ece"] == pytest.approx((ece(y, p) + ece(*other)) / 2)
    assert found.loc["right", "ece"] < 1.5 * found.loc["right", "ece_calibrated"]
    assert found.loc["too sure", "ece"] > 3 * found.loc["too sure", "ece_calibrated"]


def test_small_folds_make_the_ece_of_a_calibrated_model_too_large():
    few = np.mean([ece(*calibrated(12, 1, seed)) for seed in range(100)])
    many = np.mean([ece(*calibrated(400, 1, seed)) for seed in range(20)])
    assert few > 0.2
    assert many < 0.08


@pytest.mark.parametrize(("wrong", "error"), [(np.nan, NonFinite), (np.inf, NonFinite), (1.5, InvalidOption)])
def test_what_is_no_probability_is_refused_by_name(wrong, error):
    y, p = draw(2)
    p[3, 1] = wrong
    frame = table(y, p, ("control", "autism"), model="m", repeat=0, fold=0)
    for scored in (
        lambda: score_all(y, p),
        lambda: ece(y, p),
        lambda: fold_scores(frame, ("control", "autism")),
        lambda: calibration_table(frame, ("control", "autism")),
    ):
        with pytest.raises(error, match="the probabilities must"):
            scored()


def test_the_scores_of_nobody_are_not_a_number_and_do_not_warn():
    assert np.isnan(list(score_all([], np.empty((0, 2))).values())).all()
