from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold, StratifiedKFold, cross_validate
from sklearn.pipeline import make_pipeline

from graphfuse.cohort import Cohort
from graphfuse.errors import (
    DuplicateSubjects,
    GraphFuseError,
    InvalidOption,
    LabelLeakageError,
    ShapeMismatch,
    UnknownLabel,
)
from graphfuse.signal import Signal

N = 24


@pytest.fixture
def cohort():
    rng = np.random.default_rng(0)
    y = np.arange(N) % 2
    table = pd.DataFrame(
        {
            "DX": np.array(["well", "sick"])[y],
            "SITE": np.array(["A", "B", "C"])[np.arange(N) % 3],
            "FAMILY": [f"f{i // 2}" if i < 8 else np.nan for i in range(N)],
            "AGE": rng.uniform(10, 40, N),
        },
        index=[f"s{i:02d}" for i in range(N)],
    )
    series = [rng.normal(loc=3 * y[i], size=(30 + i, 4)) if i % 5 else None for i in range(N)]
    signals = {
        "fmri": Signal.pack("timeseries", series),
        "vol": Signal.pack("vector", list(rng.normal(size=(N, 20)))),
    }
    return Cohort(table, signals, "DX", ("well", "sick"), "SITE", "FAMILY", ("AGE",))


class Mean(ClassifierMixin, BaseEstimator):
    """Classify by the mean of the first signal; refuses to see labels through the cohort."""

    def __init__(self, shift=0.0):
        self.shift = shift

    def fit(self, X, y):
        assert isinstance(X, Cohort)
        assert len(X) == len(y)
        self.classes_ = np.unique(y)
        self.cut_ = np.mean(self._scores(X)) + self.shift
        return self

    def _scores(self, X):
        return np.array([0 if s is None else s.mean() for s in (X.signals["fmri"][i] for i in range(len(X)))])

    def predict(self, X):
        return (self._scores(X) > self.cut_).astype(int)


class Pass(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return X


@pytest.mark.parametrize("rows", [[3, 1], slice(2, 5), np.arange(N) < 3, 7, np.int64(7), (np.array([4, 2]), Ellipsis)])
def test_indexing_keeps_phenotypes_and_signals_in_step(cohort, rows):
    part = cohort[rows]
    wanted = np.atleast_1d(np.arange(N)[rows[0] if isinstance(rows, tuple) else rows])
    assert part.subjects.tolist() == [f"s{i:02d}" for i in wanted]
    assert part.shape == (len(wanted),)
    for i, k in enumerate(wanted):
        np.testing.assert_array_equal(part.signals["vol"][i], cohort.signals["vol"][int(k)])
        assert part.y[i] == cohort.y[k]
        assert part.has("fmri")[i] == cohort.has("fmri")[k]


def test_nested_indexing(cohort):
    assert cohort[[5, 6, 7]][[2, 0]].subjects.tolist() == ["s07", "s05"]
    with pytest.raises(IndexError):
        cohort[[N]]


def test_empty_slice_is_a_cohort(cohort):
    empty = cohort[[]]
    assert len(empty) == 0
    assert len(empty.groups) == 0
    assert len(empty.y) == 0


def test_repr_and_sites(cohort):
    assert repr(cohort) == "24 subjects, 3 sites | fmri 19 x 4, vol 24 x 20 | sick 12, well 12"
    assert cohort.sites.tolist()[:3] == ["A", "B", "C"]
    assert set(Cohort(cohort.phenotypes).sites) == {""}


def test_y_is_the_position_in_the_class_coding(cohort):
    assert cohort.y.tolist() == [0, 1] * 12
    assert cohort.y.dtype == np.int64


def test_groups_by_family_and_by_the_same_scan_under_two_ids(cohort):
    groups = cohort.groups
    assert (groups[0:8:2] == groups[1:8:2]).all()
    assert len(np.unique(groups)) == 4 + 16
    scans = [cohort.signals["vol"][i] for i in range(N)]
    scans[20] = scans[1]  # s20 is s01, whose family is s00's
    twin = Cohort(cohort.phenotypes, {"vol": Signal.pack("vector", scans)}, group="FAMILY")
    assert twin.groups[20] == twin.groups[1] == twin.groups[0]
    assert len(np.unique(twin.groups)) == 4 + 15


def test_missing_signals_and_families_link_nobody(cohort):
    alone = Cohort(cohort.phenotypes[8:], {"fmri": cohort.signals["fmri"][8:]}, group="FAMILY")
    assert len(np.unique(alone.groups)) == N - 8


def test_groups_without_signals(cohort):
    assert len(np.unique(Cohort(cohort.phenotypes).groups)) == N


def test_blind_has_no_labels(cohort):
    blind = cohort.blind(drop=["AGE"])
    assert "DX" not in blind.phenotypes
    assert blind.confounds == ()
    assert blind.site == "SITE"
    with pytest.raises(LabelLeakageError, match="no labels"):
        _ = blind.y
    assert "sick" not in repr(blind)
    assert cohort.y.sum() == 12  # the original is as it was
    assert cohort.blind(drop=["SITE"]).site is None


def test_blind_pickle_holds_no_label_and_no_other_subject(cohort):
    blind = pickle.loads(pickle.dumps(cohort[[1, 2]].blind()))
    assert len(blind.signals["fmri"].data) == 31 + 32
    assert b"sick" not in pickle.dumps(cohort[[1, 2]].blind().phenotypes)
    full = pickle.loads(pickle.dumps(cohort[[3, 4]]))
    assert full.y.tolist() == [1, 0]
    assert b"s20" not in pickle.dumps(cohort[[3, 4]])


def test_cross_validate_grid_and_pipeline_run_unchanged(cohort):
    folds = StratifiedKFold(3, shuffle=True, random_state=0)
    scores = cross_validate(Mean(), cohort, cohort.y, cv=folds, error_score="raise")
    assert np.mean(scores["test_score"]) > 0.7
    grid = GridSearchCV(make_pipeline(Pass(), Mean()), {"mean__shift": [0.0, 100.0]}, cv=folds, error_score="raise")
    assert grid.fit(cohort, cohort.y).best_params_ == {"mean__shift": 0.0}


def test_group_folds_never_split_a_family(cohort):
    for train, test in StratifiedGroupKFold(3).split(cohort, cohort.y, cohort.groups):
        assert not set(cohort.groups[train]) & set(cohort.groups[test])
        assert len(cohort[train]) + len(cohort[test]) == N


def test_parallel_cross_validation(cohort):
    scores = cross_validate(Mean(), cohort, cohort.y, cv=3, n_jobs=2, error_score="raise")
    assert len(scores["test_score"]) == 3


def test_a_cohort_is_no_array_and_no_list(cohort):
    with pytest.raises(TypeError, match="not an array"):
        np.asarray(cohort)
    with pytest.raises(TypeError):
        list(cohort)


def test_unusable_regions_by_modality(cohort):
    series = [np.random.default_rng(i).normal(size=(30, 2)) for i in range(2)]
    series[1][:, 0] = 1
    signals = {"a": Signal.pack("timeseries", series)}
    table = Cohort(cohort.phenotypes[:2], signals).unusable()
    assert table[["subject", "modality", "region"]].to_numpy().tolist() == [["s01", "a", "region 0"]]
    assert list(Cohort(cohort.phenotypes).unusable().columns) == ["subject", "modality", "region", "reason"]


def test_errors(cohort):
    table = cohort.phenotypes
    with pytest.raises(DuplicateSubjects, match=r"rows \[0, 24\]") as caught:
        Cohort(pd.concat([table, table[:1]]))
    assert caught.value.subject == "s00"
    assert "s00" not in str(caught.value)
    with pytest.raises(GraphFuseError, match="strings"):
        Cohort(table.set_axis(range(N)))
    with pytest.raises(ShapeMismatch, match=r"signals\['vol'\] has 3"):
        Cohort(table, {"vol": cohort.signals["vol"][:3]})
    with pytest.raises(InvalidOption, match="Did you mean 'SITE'"):
        Cohort(table, site="SITES")
    with pytest.raises(InvalidOption, match="fmri"):
        cohort.has("fmr")
    with pytest.raises(UnknownLabel, match="at least two"):
        Cohort(table, target="DX", classes=("sick", "sick"))
    with pytest.raises(UnknownLabel, match="12 rows") as caught:
        Cohort(table, target="DX", classes=("ill", "well"))
    assert caught.value.subject == "s01"


def test_columns_that_were_withheld_are_told_apart_from_unknown_ones(cohort):
    blind = cohort.blind(drop=("SITE",)).blind()
    assert blind.withheld == ("DX", "SITE")
    assert not {"DX", "SITE"} & set(blind.phenotypes.columns)
    for column in ("DX", "SITE"):
        with pytest.raises(LabelLeakageError, match=f"the graph asks for '{column}'.*Leave it out"):
            blind.check_columns([column], "the graph")
    with pytest.raises(LabelLeakageError, match="DX"):
        cohort.check_columns(["DX"], "the graph")  # the target, withheld or not
    with pytest.raises(InvalidOption, match="a column for the graph must be one of"):
        blind.check_columns(["SIT"], "the graph")
    cohort.check_columns(["SITE"], "the graph")


def test_a_column_that_names_families_is_nothing_to_learn_from(cohort):
    table = cohort.phenotypes.assign(family=[f"f{i}" for i in range(len(cohort))])
    grouped = replace(cohort, phenotypes=table, group="family")
    with pytest.raises(InvalidOption, match="the graph asks for 'family'"):
        grouped.check_columns(["family"], "the graph")
    replace(cohort, group="SITE", site="SITE").check_columns(["SITE"], "the graph")


@pytest.mark.parametrize("rows", [[3, 1], slice(2, 5), np.arange(N) < 3, 7])
def test_without_a_modality_people_are_as_if_they_had_never_been_measured(cohort, rows):
    kept = np.ones(N, dtype=bool)
    kept[rows] = False
    arrays = [cohort.signals["fmri"][i] if kept[i] else None for i in range(N)]
    packed = Signal.pack("timeseries", arrays)
    lacking = cohort.without("fmri", rows)
    got = lacking.signals["fmri"]
    np.testing.assert_array_equal(lacking.has("fmri"), packed.present)
    np.testing.assert_array_equal(got.usable, packed.usable)
    np.testing.assert_array_equal(got.compact().data, packed.data)
    np.testing.assert_array_equal(got.compact().start[got.present], packed.start[packed.present])
    assert lacking.signals["vol"] is cohort.signals["vol"]
    assert cohort.has("fmri").sum() == 19  # the original is as it was


def test_without_a_modality_nothing_of_it_is_pickled(cohort):
    lacking = cohort.without("fmri", np.arange(N) != 7)
    assert len(pickle.loads(pickle.dumps(lacking)).signals["fmri"].data) == 30 + 7
    assert repr(cohort.without("vol", slice(None))).startswith("24 subjects, 3 sites | fmri 19 x 4, vol 0 x 20")


def test_without_knows_the_modalities(cohort):
    with pytest.raises(InvalidOption, match="modality"):
        cohort.without("dti", [0])
    with pytest.raises(IndexError):
        cohort.without("fmri", [N])
