from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.base import clone
from torch_geometric.nn import GCN

import graphfuse as gf
from graphfuse.errors import GraphFuseError, GraphFuseWarning
from graphfuse.evaluate.store import Piece, Store, data_fingerprints, fingerprint


@pytest.fixture(scope="module")
def cohort():
    return gf.simulate_cohort(30, n_frames=(30, 30), seed=0).cohort


def small(**options):
    return gf.FusionClassifier({"smri": gf.MorphometricGraph()}, epochs=1, hidden=(2,), width=2, **options)


def test_a_piece_comes_back_whole(cohort, tmp_path):
    fitted = small().fit(cohort)
    Store(tmp_path, "k").save(("fusion", 1, 2), Piece(np.eye(2), 1.5, fitted))
    store = Store(tmp_path, "k")
    piece = store.load("fusion", 1, 2)
    assert np.array_equal(piece.probabilities, np.eye(2))
    assert piece.seconds == 1.5
    assert np.array_equal(piece.fitted.predict_proba(cohort), fitted.predict_proba(cohort))
    assert store.load("fusion", 1, 3) is None
    assert store.load("fusio", 1, 2) is None
    assert not [p.name for p in (tmp_path / "pieces").iterdir() if "draft" in p.name]


def test_without_a_folder_nothing_is_kept():
    store = Store(None, "")
    store.save(("a", 0, 0), Piece(np.eye(2), 1.0))
    assert store.load("a", 0, 0) is None


@pytest.mark.parametrize("name", ["a/b", "../up", "a-0", "sp ace", "dot.model", "ü%2F"])
def test_any_name_of_a_model_is_a_file_in_the_folder(tmp_path, name):
    store = Store(tmp_path / "run", "k")
    store.save((name, 0, 0), Piece(np.eye(2), 1.0))
    assert store.load(name, 0, 0) is not None
    assert len(list((tmp_path / "run" / "pieces").glob("*.npz"))) == 1
    assert [p.name for p in tmp_path.iterdir()] == ["run"]


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_a_piece_that_a_crash_left_damaged_counts_as_absent(tmp_path, share):
    store = Store(tmp_path, "k")
    store.save(("a", 0, 0), Piece(np.eye(2), 1.0))
    path = tmp_path / "pieces" / "a-0-0.npz"
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    assert store.load("a", 0, 0) is None


def test_a_model_that_no_file_can_hold_is_scored_all_the_same(cohort, tmp_path):
    fitted = small(encoder=GCN(5, 2, num_layers=1)).fit(cohort)
    store = Store(tmp_path, "k")
    with pytest.warns(GraphFuseWarning, match="mine is scored but not kept"):
        store.save(("mine", 0, 0), Piece(np.eye(2), 1.0, fitted))
    store.save(("mine", 0, 1), Piece(np.eye(2), 1.0, fitted))  # said once
    assert store.load("mine", 0, 0).fitted is None


def test_pieces_of_another_run_are_refused(tmp_path):
    Store(tmp_path, "one")
    Store(tmp_path, "one")
    with pytest.raises(GraphFuseError, match="other data or splits"):
        Store(tmp_path, "two")


def test_more_models_may_come_and_a_name_keeps_its_model(tmp_path):
    Store(tmp_path, "k", {"a": gf.Ridge()}).save(("a", 0, 0), Piece(np.eye(2), 1.0))
    more = Store(tmp_path, "k", {"a": gf.Ridge(), "b": gf.MLP()})
    assert more.load("a", 0, 0) is not None
    assert more.load("b", 0, 0) is None
    with pytest.raises(GraphFuseError, match="another model called a"):
        Store(tmp_path, "k", {"a": gf.Ridge(alphas=(1.0,))}).load("a", 0, 0)


def test_the_fingerprint_follows_all_that_pieces_depend_on(cohort):
    models, splits = {"ridge": gf.Ridge()}, gf.Splits()
    base = fingerprint(cohort, models, splits)
    assert fingerprint(cohort, {"ridge": clone(models["ridge"])}, gf.Splits()) == base
    signal = cohort.signals["smri"]
    data, usable = signal.data.copy(), signal.usable.copy()
    data[0, 0, 0] += 1e-3
    usable[np.flatnonzero(signal.present)[0], 0] ^= True
    table = cohort.phenotypes.assign(age=cohort.phenotypes["age"] + 1e-6)
    denser = gf.FunctionalGraph(sparsify=gf.TopDensity(0.2))
    changed = {
        "value": (replace(cohort, signals={**cohort.signals, "smri": replace(signal, data=data)}), models, splits),
        "mask": (replace(cohort, signals={**cohort.signals, "smri": replace(signal, usable=usable)}), models, splits),
        "modality": (replace(cohort, signals={"smri": signal}), models, splits),
        "phenotype": (replace(cohort, phenotypes=table), models, splits),
        "site": (replace(cohort, site=None), models, splits),
        "confounds": (replace(cohort, confounds=()), models, splits),
        "order": (cohort[::-1], models, splits),
        "splits": (cohort, models, gf.Splits(random_state=1)),
        "name": (cohort, {"ridges": gf.Ridge()}, splits),
        "parameter": (cohort, {"ridge": gf.Ridge(alphas=(1.0,))}, splits),
        "nested": (cohort, {"ridge": gf.FusionClassifier({"fmri": gf.FunctionalGraph()})}, splits),
        "deeper": (cohort, {"ridge": gf.FusionClassifier({"fmri": denser})}, splits),
    }  # fmt: skip
    marks = {name: fingerprint(*run) for name, run in changed.items()} | {"base": base}
    assert len(set(marks.values())) == len(marks)


def test_short_vectors_count(cohort):
    def with_vector(last):
        vector = gf.Signal.pack("vector", [np.array([1.0, last])] * len(cohort))
        return replace(cohort, signals={"v": vector})

    assert data_fingerprints(with_vector(1.0)) != data_fingerprints(with_vector(2.0))


def test_long_parameters_are_not_cut_off(cohort):
    def of(last):
        return fingerprint(cohort, {"r": gf.Ridge(alphas=(*range(1, 400), last))}, gf.Splits())

    assert of(1000) != of(2000)
