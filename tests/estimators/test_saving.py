from __future__ import annotations

from copy import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch_geometric.nn import GCN

import graphfuse as gf
from graphfuse.connectome.functional import functional_connectivity
from graphfuse.errors import (
    GraphFuseError,
    LeakageError,
    UnwritableFile,
)
from graphfuse.estimators import saving
from graphfuse.estimators.features import CohortVector
from graphfuse.estimators.model_file import read_model_file

SAVED = ("majority", "ridge", "ridge-tangent", "mean-of-ridges", "svm", "mlp", "fusion", "population")


@pytest.mark.parametrize("name", SAVED)
def test_a_saved_model_predicts_the_same_bits(fitted, test, tmp_path, name):
    path = gf.save_model(fitted[name], tmp_path / "m.safetensors", include_cohort=name == "population")
    loaded = gf.load_model(path)
    assert type(loaded) is type(fitted[name])
    assert np.array_equal(loaded.predict_proba(test), fitted[name].predict_proba(test))
    assert np.array_equal(loaded.predict(test), fitted[name].predict(test))
    assert [p.name for p in tmp_path.iterdir()] == ["m.safetensors"]  # no draft stays


@pytest.mark.parametrize(
    "options",
    [
        {"views": {"fmri": gf.FunctionalGraph("tangent", sparsify=gf.KNearest(3)), "smri": gf.MorphometricGraph()}},
        {"views": {"fmri": gf.FunctionalGraph(nodes="strength", sparsify=gf.Threshold(0.4))}, "conv": "gat"},
        {"fusion": "concat", "edges": "shuffled", "readout": "attention", "hidden": (4, 4)},
    ],
)
def test_every_part_of_a_fusion_classifier_travels(train, test, tmp_path, options):
    model = gf.FusionClassifier(**{"epochs": 2, "hidden": (4,), "width": 4, **options}).fit(train)
    loaded = gf.load_model(gf.save_model(model, tmp_path / "m"))
    assert np.array_equal(loaded.predict_proba(test), model.predict_proba(test))
    assert loaded.get_params(deep=False).keys() == model.get_params(deep=False).keys()


def test_class_names_travel(train, test, tmp_path):
    model = gf.Ridge(("smri",)).fit(train.blind(), train.phenotypes["diagnosis"].to_numpy(object))
    loaded = gf.load_model(gf.save_model(model, tmp_path / "m"))
    assert np.array_equal(loaded.predict(test), model.predict(test))
    assert set(loaded.classes_) == {"autism", "control"}


def test_no_id_nor_anything_else_of_a_person_is_in_the_bytes(train, tmp_path):
    table = train.phenotypes.set_axis([f"canary-{i}" for i in range(len(train))], axis=0)
    table = table.assign(person="canary-" + table["person"], family="canary-" + table["family"], note="canary-note")
    cohort = replace(train, phenotypes=table)
    for model in (gf.Ridge(), gf.MeanOfRidges(), gf.LinearSVM(), gf.MLP(epochs=2), gf.PopulationClassifier(epochs=2)):
        path = gf.save_model(model.fit(cohort), tmp_path / "m", include_cohort=True)
        assert b"canary" not in path.read_bytes()
    path = gf.save_model(gf.FusionClassifier(epochs=2).fit(cohort), tmp_path / "m")
    assert b"canary" not in path.read_bytes()


@pytest.mark.parametrize("name", [name for name in SAVED if name not in ("population", "majority")])
def test_no_tensor_has_one_row_a_training_subject(fitted, train, tmp_path, name):
    path = gf.save_model(fitted[name], tmp_path / "m")
    assert all(len(train) not in tensor.shape for tensor in read_model_file(path).tensors.values())


def test_a_population_model_is_refused_until_its_people_are_agreed_to(fitted, train, test, tmp_path):
    with pytest.raises(LeakageError, match="include_cohort=True"):
        gf.save_model(fitted["population"], tmp_path / "m")
    transductive = gf.PopulationClassifier(epochs=2, components=8).fit(train, unlabelled=test)
    for agreed in (False, True):
        with pytest.raises(LeakageError, match="transductive"):
            gf.save_model(transductive, tmp_path / "m", include_cohort=agreed)
    assert not list(tmp_path.iterdir())


def test_what_needs_code_is_refused_by_name(train, fitted, tmp_path):
    view = {"smri": gf.MorphometricGraph()}
    pyg = gf.FusionClassifier(view, encoder=GCN(5, 4, num_layers=1), epochs=1, width=4).fit(train)
    with pytest.raises(GraphFuseError, match=r"encoder is a GCN.*built-in"):
        gf.save_model(pyg, tmp_path / "m")
    with pytest.raises(GraphFuseError, match="Confounds"):
        gf.save_model(fitted["confounds"], tmp_path / "m")
    cut = gf.FusionClassifier({"smri": gf.MorphometricGraph(sparsify=lambda w, n: w.abs())}, epochs=1, width=4).fit(
        train
    )
    with pytest.raises(GraphFuseError, match="sparsify is a function"):
        gf.save_model(cut, tmp_path / "m")
    assert not list(tmp_path.iterdir())


def test_an_interrupted_save_leaves_the_old_file(fitted, tmp_path, monkeypatch):
    path = gf.save_model(fitted["fusion"], tmp_path / "m.safetensors")
    before = path.read_bytes()

    def stop(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("graphfuse._files.os.replace", stop)
    with pytest.raises(UnwritableFile, match=r"'m\.safetensors'.*[\d,]+ bytes: No space left"):
        gf.save_model(fitted["ridge"], path)
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_the_same_model_gives_the_same_bytes(fitted, tmp_path):
    one, two = (gf.save_model(fitted["fusion"], tmp_path / name) for name in "ab")
    assert one.read_bytes() == two.read_bytes()


# ---- whose data is in it


@pytest.mark.parametrize("name", [name for name in SAVED if name != "population"])
def test_no_row_of_a_training_subject_is_in_the_file(fitted, rows_of_people, tmp_path, name):
    """Neither as a row nor as a column of any tensor, for every kind of feature that a model reads."""
    tensors = read_model_file(gf.save_model(fitted[name], tmp_path / "m")).tensors
    assert not [key for key, tensor in tensors.items() if holds_a_row(tensor, rows_of_people)]


def test_the_search_for_rows_finds_the_people_of_a_population_model(fitted, train, tmp_path):
    """The test above can fail: a file that was agreed to hold people is found to."""
    model = fitted["population"]
    people = [model.x_.numpy()]
    tensors = read_model_file(gf.save_model(model, tmp_path / "m", include_cohort=True)).tensors
    assert {key for key, tensor in tensors.items() if holds_a_row(tensor, people)} == {
        "model.x_",
        "model.graph_.units_",
    }
    tensors = read_model_file(gf.save_model(model, tmp_path / "m", prototype_size=10)).tensors
    assert not [key for key, tensor in tensors.items() if holds_a_row(tensor, people)]


@pytest.fixture(scope="module")
def rows_of_people(train) -> list[np.ndarray]:
    """Every feature matrix (N, P) that a built-in model makes of the training subjects, raw and centred."""
    vectors = [CohortVector(), CohortVector(standardise=True), CohortVector(["fmri"], "tangent")]
    found = [vector.fit_transform(train) for vector in vectors]
    series = train.signals["fmri"]
    found.append(functional_connectivity(series.arrays(), usable=torch.as_tensor(series.usable)).flatten(1).numpy())
    return [*found, train.signals["smri"].stack().reshape(train.has("smri").sum(), -1)]


def holds_a_row(tensor, people: list[np.ndarray]) -> bool:
    """Whether a row or a column of the tensor is, up to scale and shift, a row of `people` (correlation above .999)."""
    flat = tensor.double().reshape(tensor.shape[0] if tensor.dim() > 1 else 1, -1).numpy()
    for candidates, rows in ((c, p) for c in (flat, flat.T) for p in people):
        if candidates.shape[1] == rows.shape[1] > 5:
            a, b = (_standard(x) for x in (np.nan_to_num(candidates, posinf=0), rows.astype(float)))
            if (np.abs(a @ b.T) > 0.999).any():
                return True
    return False


def _standard(x: np.ndarray) -> np.ndarray:
    x = x - x.mean(1, keepdims=True)
    return x / np.linalg.norm(x, axis=1, keepdims=True).clip(1e-9)


def test_ids_of_unlabelled_people_never_reach_a_file(fitted, tmp_path):
    model = copy(fitted["population"])
    vars(model).pop("unlabelled_", None)
    model.left_out_scores_ = np.zeros((44, 2))
    tree = read_model_file(gf.save_model(model, tmp_path / "m", include_cohort=True)).tree["state"]["dict"]
    assert tree["left_out_scores_"] is None
    assert "unlabelled_" not in tree


def test_a_file_from_before_a_parameter_was_there_gets_its_default():
    old = {"class": "PopulationGraph", "state": {"dict": {"neighbours": 7}}}
    graph = saving._decode_object(old, {})
    assert (graph.neighbours, graph.search) == (7, "exact")
