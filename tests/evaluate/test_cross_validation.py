from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from sklearn.metrics import roc_auc_score

import graphfuse as gf
from graphfuse.errors import GraphFuseError, InvalidOption, LabelLeakageError
from graphfuse.estimators.base import CohortClassifier
from graphfuse.evaluate.cross_validation import withheld
from graphfuse.evaluate.models import baselines, models_by_name

FAST = {"epochs": 2, "hidden": (4,)}


@dataclass(frozen=True)
class FirstFold(gf.Splits):
    """One split, drawn once and for all: by the labels of another cohort."""

    train: tuple[int, ...] = ()
    test: tuple[int, ...] = ()

    def split(self, cohort, y=None, groups=None) -> Iterator:
        yield np.array(self.train), np.array(self.test)

    def get_n_splits(self, cohort=None, y=None, groups=None) -> int:
        return 1


class Spy(CohortClassifier):
    """Writes down what it is shown; predicts from nothing."""

    seen: list = []  # noqa: RUF012

    def fit(self, cohort, y=None):
        self.seen.append(("fit", cohort, y))
        return super().fit(cohort, y)

    def predict_proba(self, cohort):
        self.seen.append(("predict", cohort, None))
        return super().predict_proba(cohort)

    def _fit(self, cohort, codes):
        pass

    def _predict_proba(self, cohort):
        return np.full((len(cohort), 2), 0.5)


class Killed(Spy):
    """Dies when it is fitted for the third time."""

    alive: dict = {}  # noqa: RUF012

    def _fit(self, cohort, codes):
        self.alive["fits"] = self.alive.get("fits", 0) + 1
        if self.alive["fits"] == 3:
            raise KeyboardInterrupt

    def _predict_proba(self, cohort):
        p = np.linspace(0.2, 0.8, len(cohort))
        return np.stack([p, 1 - p], 1)


@pytest.fixture(autouse=True)
def fresh():
    Spy.seen.clear()
    Killed.alive.clear()


@pytest.fixture(scope="module")
def cohort():
    return gf.simulate_cohort(48, n_frames=(60, 70), atlas_fmri="schaefer-100", leak_column=True, seed=2).cohort


@pytest.fixture(scope="module")
def models(cohort):
    """All default models, small."""
    models = models_by_name(cohort, ["all"])
    for model in models.values():
        if "epochs" in model.get_params():
            model.set_params(epochs=2)
    return models


def small(**options):
    return gf.FusionClassifier(**{**FAST, "width": 4, **options})


def probabilities(result) -> np.ndarray:
    return result.predictions.filter(like="p_").to_numpy()


def flipped(cohort, rows):
    labels = cohort.phenotypes["diagnosis"].to_numpy(object).copy()
    labels[rows] = np.array(cohort.classes, object)[1 - cohort.y[rows]]
    return replace(cohort, phenotypes=cohort.phenotypes.assign(diagnosis=labels))


def test_no_prediction_moves_when_the_test_labels_are_flipped(cohort, models):
    """V1: every default model, bit by bit, with the split drawn beforehand."""
    train, test = next(gf.Splits(folds=3).split(cohort))
    splits = FirstFold(train=tuple(train), test=tuple(test))
    truth = gf.cross_validate(models, cohort, splits, baselines="none")
    lie = gf.cross_validate(models, flipped(cohort, test), splits, baselines="none")
    assert (truth.predictions["y_true"] != lie.predictions["y_true"]).all()
    assert np.array_equal(probabilities(truth), probabilities(lie))
    assert set(truth.model_names) == set(models)
    other = gf.cross_validate(models, flipped(cohort, train[:9]), splits, baselines="none")
    moved = np.abs(probabilities(truth) - probabilities(other)).max(1) > 0
    assert moved[truth.predictions["model"] != "majority"].all()  # training labels do count


def test_models_see_no_label_and_no_leak(cohort):
    gf.cross_validate({"spy": Spy()}, cohort, gf.Splits(folds=3), baselines="none")
    assert [kind for kind, *_ in Spy.seen] == ["fit", "predict"] * 3
    for kind, part, y in Spy.seen:
        assert part.target is None
        assert not {"diagnosis", "ados_like"} & set(part.phenotypes.columns)
        with pytest.raises(LabelLeakageError):
            _ = part.y
        if kind == "fit":
            assert np.array_equal(y, cohort.y[cohort.subjects.get_indexer(part.subjects)])
    for (_, train, _), (_, test, _) in zip(Spy.seen[::2], Spy.seen[1::2], strict=True):
        assert not set(train.subjects) & set(test.subjects)
        assert len(train) + len(test) == len(cohort)


def test_a_model_that_names_a_leak_column_cannot_see_it(cohort):
    assert withheld(cohort) == ("ados_like",)
    with pytest.raises(LabelLeakageError, match=r"ados_like.*gives it away"):
        gf.cross_validate(gf.Confounds(("ados_like",)), cohort, gf.Splits(folds=2), baselines="none")
    named = replace(cohort, confounds=("age", "ados_like"))  # a confound of the cohort is left out in silence
    result = gf.cross_validate({"c": gf.Confounds()}, named, gf.Splits(folds=3), baselines="none")
    assert set(result.leaks["column"]) == {"ados_like"}
    assert len(result.leaks) == 3
    pooled = result.predictions
    assert roc_auc_score(pooled["y_true"] == "autism", pooled["p_autism"]) < 0.8


def test_whether_a_column_leaks_is_judged_on_the_training_subjects(cohort):
    y = cohort.y
    value = np.where(np.arange(48) < 24, y * 10.0, np.random.default_rng(0).standard_normal(48))
    odd = replace(cohort, phenotypes=cohort.phenotypes.assign(odd=value))
    first, last = tuple(range(24)), tuple(range(24, 48))
    for train, test, leaks in ((first, last, True), (last, first, False)):
        result = gf.cross_validate({"m": gf.Majority()}, odd, FirstFold(train=train, test=test), baselines="none")
        assert ("odd" in set(result.leaks["column"])) == leaks


def test_all_models_are_scored_on_the_same_folds(cohort):
    splits = gf.Splits(folds=3, repeats=2, random_state=4)
    result = gf.cross_validate(
        {"spy": Spy(), "smri": gf.Ridge(("smri",)), "m": gf.Majority()}, cohort, splits, baselines="none"
    )
    columns = ["repeat", "fold", "subject", "y_true"]
    parts = [part[columns].reset_index(drop=True) for _, part in result.predictions.groupby("model")]
    for part in parts[1:]:
        assert_frame_equal(part, parts[0])
    assert (parts[0].groupby(["repeat", "subject"]).size() == 1).all()
    assert len(parts[0]) == 2 * len(cohort)
    tested = result.folds.query("role == 'test'")[["repeat", "fold", "subject"]]
    assert set(map(tuple, tested.to_numpy())) == set(map(tuple, parts[0][columns[:3]].to_numpy()))
    truth = cohort.phenotypes["diagnosis"]
    assert (result.predictions["y_true"].to_numpy() == truth[result.predictions["subject"]].to_numpy()).all()
    np.testing.assert_allclose(probabilities(result).sum(1), 1, atol=1e-6)
    assert len(result.seconds) == 3 * 6


def test_a_prediction_is_that_of_a_model_fitted_by_hand(cohort):
    splits = gf.Splits(folds=3)
    result = gf.cross_validate({"r": gf.Ridge(("smri",))}, cohort, splits, baselines="none")
    for fold, (train, test) in enumerate(splits.split(cohort)):
        by_hand = gf.Ridge(("smri",)).fit(cohort[train]).predict_proba(cohort[test])
        part = result.predictions[result.predictions["fold"] == fold]
        assert list(part["subject"]) == list(cohort.subjects[test])
        assert np.array_equal(part[["p_control", "p_autism"]].to_numpy(), by_hand)


def test_all_brings_the_baselines_and_the_controls_of_each_graph_model(cohort):
    smri = replace(cohort, signals={"smri": cohort.signals["smri"]})
    view = {"smri": gf.MorphometricGraph()}
    result = gf.cross_validate(small(views=view), smri, gf.Splits(folds=2))
    extra = ["fusion", "fusion-no-edges", "fusion-shuffled-edges"]
    assert result.model_names == [*baselines(smri), *extra] == ["majority", "confounds", "ridge-smri", "mlp", *extra]
    assert set(result.fitted) == {(name, 0, fold) for name in extra for fold in (0, 1)}
    assert result.estimators["fusion-no-edges"].edges == "none"
    assert result.role("fusion") == "graph"
    own = {"mine": small(views=view), "mine-no-edges": gf.Majority()}
    result = gf.cross_validate(own, smri, gf.Splits(folds=2))
    assert isinstance(result.estimators["mine-no-edges"], gf.Majority)  # the user's own stays
    assert "mine-shuffled-edges" in result.model_names


def test_the_estimators_given_are_left_unfitted(cohort):
    ridge = gf.Ridge(("smri",))
    gf.cross_validate(ridge, cohort, gf.Splits(folds=2), baselines="none")
    assert not hasattr(ridge, "coef_")


def test_the_transductive_door_is_opened_only_for_who_asks(cohort):
    models = {"in": gf.PopulationClassifier(**FAST), "trans": gf.PopulationClassifier(transductive=True, **FAST)}
    result = gf.cross_validate(models, cohort, gf.Splits(folds=2), baselines="none")
    p = {name: probabilities(replace(result, predictions=part)) for name, part in result.predictions.groupby("model")}
    assert not np.allclose(p["in"], p["trans"], atol=1e-5)


def run(out, cohort):
    models = {"killed": Killed(), "ridge": gf.Ridge(("smri",)), "fusion": small()}
    return gf.cross_validate(models, cohort, gf.Splits(folds=3), baselines="none", out=out)


def test_a_run_goes_on_where_it_was_killed(cohort, tmp_path, monkeypatch):
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "cut", cohort)
    done = {path.name for path in (tmp_path / "cut" / "pieces").glob("*.npz")}
    assert {"killed-0-0.npz", "killed-0-1.npz"} <= done
    assert "killed-0-2.npz" not in done
    before = Killed.alive["fits"]
    resumed = run(tmp_path / "cut", cohort)
    assert Killed.alive["fits"] == before + 1  # one fold was missing
    Killed.alive["fits"] = 10
    whole = run(tmp_path / "whole", cohort)
    assert_frame_equal(resumed.predictions, whole.predictions)
    assert_frame_equal(resumed.folds, whole.folds)
    assert set(resumed.fitted) == set(whole.fitted) == {("fusion", 0, fold) for fold in range(3)}
    for key, model in whole.fitted.items():
        assert np.array_equal(resumed.fitted[key].predict_proba(cohort), model.predict_proba(cohort))
    fits = Killed.alive["fits"]
    assert_frame_equal(run(tmp_path / "cut", cohort).predictions, whole.predictions)
    assert Killed.alive["fits"] == fits  # nothing is done twice


def test_the_folder_of_another_cohort_is_refused(cohort, tmp_path):
    Killed.alive["fits"] = 10
    run(tmp_path, cohort)
    with pytest.raises(GraphFuseError, match="other data"):
        run(tmp_path, cohort[::-1])
    with pytest.raises(GraphFuseError, match="other data"):
        run(tmp_path, flipped(cohort, [0]))


def test_a_class_that_training_lacks_gets_no_probability():
    n = 36
    site = np.array(["a", "b", "c"])[np.arange(n) // 12]
    dx = np.where(site == "c", "z", np.array(["x", "y"])[np.arange(n) % 2])  # class z is met at site c alone
    table = pd.DataFrame({"dx": dx, "site": site}, index=[f"s{i}" for i in range(n)])
    vector = gf.Signal.pack("vector", list(np.random.default_rng(0).standard_normal((n, 5))))
    cohort = gf.Cohort(table, {"v": vector}, "dx", ("x", "y", "z"), site="site")
    splits = gf.Splits(leave_site_out=True)
    result = gf.cross_validate({"ridge": gf.Ridge()}, cohort, splits, baselines="none")
    p = result.predictions[["p_x", "p_y", "p_z"]].to_numpy()
    np.testing.assert_allclose(p.sum(1), 1, atol=1e-6)
    at_c = result.predictions["subject"].map(cohort.sites).to_numpy() == "c"
    assert not p[at_c, 2].any()
    assert p[~at_c, 2].all()


def test_nothing_is_found_where_nothing_was_planted():
    """V3 on a small scale and on both sides: standard error of the mean about .024.

    Sites are alike here: where they differ, a class that is by chance more frequent at one site stays so in every
    stratified fold, and features that know the site score about .54 at this size.
    """
    scores = []
    for seed in range(12):
        cohort = gf.simulate_cohort(80, null=True, modalities=("smri",), missing={}, site_offset=0, seed=seed).cohort
        result = gf.cross_validate({"r": gf.Ridge()}, cohort, gf.Splits(folds=4), baselines="none")
        scores.append(result.scores.query("metric == 'auc'")["mean"].item())
    assert abs(np.mean(scores) - 0.5) < 0.06
    planted = gf.simulate_cohort(80, auc=0.95, modalities=("smri",), missing={}, site_offset=0.5, seed=0).cohort
    result = gf.cross_validate({"r": gf.Ridge()}, planted, gf.Splits(folds=4), baselines="none")
    assert result.scores.query("metric == 'auc'")["mean"].item() > 0.7


def test_wrong_arguments_are_refused(cohort):
    with pytest.raises(InvalidOption, match="baselines"):
        gf.cross_validate(Spy(), cohort, baselines="some")
    with pytest.raises(LabelLeakageError):
        gf.cross_validate(Spy(), cohort.blind(), baselines="none")


@pytest.mark.slow
def test_two_processes_give_the_same_bits_as_one(cohort, models):
    splits = gf.Splits(folds=2)
    one, two = (gf.cross_validate(models, cohort, splits, baselines="none", n_jobs=jobs) for jobs in (1, 2))
    assert_frame_equal(one.predictions, two.predictions)
    assert set(one.fitted) == set(two.fitted)


def test_one_given_split_is_scored_and_its_training_subjects_are_counted(cohort):
    train, test = np.arange(20), np.arange(28, 48)
    result = gf.cross_validate(gf.Ridge(), cohort, [(train, test)], baselines="none")
    assert set(result.fold_scores["n_train"]) == {len(train)}
    assert set(result.fold_scores["n_test"]) == {len(test)}
    assert result.scores.set_index("metric").loc["brier", ["low", "high"]].tolist() == [0, 1]  # one fold: no interval


def test_no_test_label_hangs_on_what_a_worker_is_given(cohort, monkeypatch):
    from graphfuse.audit import reachable_labels
    from graphfuse.evaluate import cross_validation

    given, work = [], cross_validation._piece
    monkeypatch.setattr(cross_validation, "_piece", lambda *args: (given.append(args), work(*args))[1])
    gf.cross_validate({"spy": Spy(), "ridge": gf.Ridge(("smri",))}, cohort, gf.Splits(folds=3), baselines="none")
    assert len(given) == 6
    for args in given:
        assert reachable_labels(args, cohort, args[-1].test) == []
    assert reachable_labels([*given[0], cohort.phenotypes], cohort, given[0][-1].test)  # the search does search


NETWORKS = {
    "mlp": gf.MLP(("smri",), epochs=8, patience=3, hidden=4),
    "population": gf.PopulationClassifier(epochs=8, patience=3, hidden=(4,), components=8),
    "trans": gf.PopulationClassifier(epochs=8, patience=3, conv="gcn", components=20, transductive=True),
}


def assert_close_predictions(one, other):
    keys = ["model", "repeat", "fold", "subject", "y_true"]
    assert_frame_equal(one.predictions[keys], other.predictions[keys])
    np.testing.assert_allclose(probabilities(one), probabilities(other), atol=1e-5)


@pytest.mark.parametrize("n_jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_folds_trained_together_predict_what_they_predict_one_after_another(cohort, n_jobs):
    splits = gf.Splits(folds=3, repeats=2)
    models = {**NETWORKS, "majority": gf.Majority()}
    singly = gf.cross_validate(models, cohort, splits, baselines="none")
    together = gf.cross_validate(models, cohort, splits, baselines="none", together=True, n_jobs=n_jobs)
    assert (singly.together, together.together) == (False, True)
    assert_close_predictions(singly, together)
    assert_frame_equal(singly.steps, together.steps)
    assert len(together.seconds) == 4 * 6


def test_folds_that_are_on_disk_already_are_not_trained_again(cohort, tmp_path):
    splits = gf.Splits(folds=3)
    whole = gf.cross_validate(NETWORKS, cohort, splits, baselines="none", out=tmp_path)
    pieces = sorted((tmp_path / "pieces").glob("*.npz"))
    assert len(pieces) == 9
    for path in pieces[::2]:
        path.unlink()
    stamps = {path: path.stat().st_mtime_ns for path in pieces[1::2]}
    resumed = gf.cross_validate(NETWORKS, cohort, splits, baselines="none", out=tmp_path, together=True)
    assert_close_predictions(whole, resumed)
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps
    assert len(list((tmp_path / "pieces").glob("*.npz"))) == 9


def test_beside_other_folds_no_prediction_moves_when_its_own_test_labels_are_flipped(cohort):
    """The flipped labels are training labels of the second fold, whose models are trained in the same batch."""
    train, test = next(gf.Splits(folds=3).split(cohort))
    pairs = [(train, test), (np.sort(np.concatenate([test, train[:16]])), train[16:])]
    truth, lie = (
        gf.cross_validate(NETWORKS, people, pairs, baselines="none", together=True)
        for people in (cohort, flipped(cohort, test))
    )
    first = truth.predictions["fold"] == 0
    assert np.array_equal(probabilities(truth)[first], probabilities(lie)[first])
    assert not np.array_equal(probabilities(truth)[~first], probabilities(lie)[~first])


def test_each_folds_model_is_handed_its_own_training_labels_alone(cohort, monkeypatch):
    from graphfuse.audit import reachable_labels
    from graphfuse.evaluate import cross_validation

    given, fit = [], cross_validation.fit_together
    monkeypatch.setattr(cross_validation, "fit_together", lambda *args: (given.append(args), fit(*args))[1])
    splits = gf.Splits(folds=3)
    gf.cross_validate({"mlp": NETWORKS["mlp"]}, cohort, splits, baselines="none", together=True)
    ((models, trains, ys, unlabelled),) = given
    for lot, (train, test) in zip(zip(models, trains, ys, unlabelled, strict=True), splits.split(cohort), strict=True):
        assert reachable_labels(lot[1:], cohort, test) == []
        assert np.array_equal(lot[2], cohort.y[train])
