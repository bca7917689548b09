from __future__ import annotations

import json
import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch_geometric.nn import GCN

import graphfuse as gf
from graphfuse.errors import GraphFuseError, InvalidOption, LeakageError, ModelVersionError, UnreadableFile
from graphfuse.estimators.saving import inspect_model

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
    assert all(len(train) not in shape for shape in inspect_model(path)["tensors"].values())


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


# ---- hostile files


class Bomb:
    def __reduce__(self):
        return exec, ("raise SystemExit('code of the file was run')",)


def rewrite(path, change, tensors=None):
    """The model file at `path` with its header changed by `change`(header, tree)."""
    with safe_open(path, framework="pt") as file:
        header = dict(file.metadata())
        held = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    tree = json.loads(header["model"])
    change(header, tree)
    if "model" in header and header["model"] is not None:
        header["model"] = json.dumps(tree)
    header = {key: value for key, value in header.items() if value is not None}
    save_file(held if tensors is None else tensors, path, metadata=header)


@pytest.fixture
def path(fitted, tmp_path):
    return gf.save_model(fitted["fusion"], tmp_path / "m.safetensors")


@pytest.mark.parametrize(
    "content",
    [pickle.dumps(Bomb()), b"", b"\x00" * 64, (2**60).to_bytes(8, "little") + b"{}", b"\xff" * 8 + b"x" * 50],
    ids=["pickle", "empty", "zeros", "huge-header", "negative"],
)
def test_no_safetensors_file(path, content):
    path.write_bytes(content)
    with pytest.raises(UnreadableFile, match="written by graphfuse"):
        gf.load_model(path)


def test_a_torch_file_and_a_directory_and_nothing(tmp_path):
    torch.save({"a": Bomb()}, tmp_path / "m.pt")
    for name in ("m.pt", ".", "absent"):
        with pytest.raises(UnreadableFile):
            gf.load_model(tmp_path / name)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_truncated_file(path, share):
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(UnreadableFile):
        gf.load_model(path)


def test_another_format_names_both_versions(path):
    rewrite(path, lambda header, tree: header.update(format="99", graphfuse="7.7"))
    with pytest.raises(ModelVersionError, match=r"format 1.*'99' of graphfuse 7\.7"):
        gf.load_model(path)


def test_a_safetensors_file_of_somebody_else(tmp_path):
    save_file({"a": torch.zeros(2)}, tmp_path / "m")
    with pytest.raises(ModelVersionError, match="format None"):
        gf.load_model(tmp_path / "m")


@pytest.mark.parametrize("name", ["system", "os.system", "SVC", "__import__", "CohortClassifier"])
def test_only_known_classes_come_to_life(path, name):
    rewrite(path, lambda header, tree: tree.update({"class": name}))
    with pytest.raises(InvalidOption, match="a class of the model file"):
        gf.load_model(path)


HARMS = {
    "no model": lambda header, tree: header.update(model=None),
    "no class": lambda header, tree: tree.pop("class"),
    "no state": lambda header, tree: tree.pop("state"),
    "state is text": lambda header, tree: tree.update(state="x"),
    "network of a ridge": lambda header, tree: tree.update({"class": "Ridge"}),
    "network nowhere": lambda header, tree: tree["state"]["dict"].update(network_={"network": "elsewhere"}),
    "shapes": lambda header, tree: tree["state"]["dict"].update(shapes_=5),
    "wider": lambda header, tree: tree["state"]["dict"].update(width=9),
    "lost tensor": lambda header, tree: tree["state"]["dict"].update(x={"tensor": "gone", "as": "array"}),
    "odd list": lambda header, tree: tree["state"]["dict"].update(x={"list": [1], "as": "set"}),
}


@pytest.mark.parametrize("harm", list(HARMS))
def test_a_header_that_does_not_fit_is_named_as_damage(path, harm):
    rewrite(path, HARMS[harm])
    with pytest.raises(UnreadableFile, match="damaged"):
        gf.load_model(path)


def test_a_header_that_holds_no_model(path):
    with safe_open(path, framework="pt") as file:
        header = dict(file.metadata())
    for tree in ("5", '{"list": [], "as": "list"}', "[" * 100_000):
        save_file({"a": torch.zeros(1)}, path, metadata=header | {"model": tree})
        with pytest.raises(UnreadableFile, match="damaged"):
            gf.load_model(path)


def test_an_interrupted_save_leaves_the_old_file(fitted, path, monkeypatch, test):
    before = path.read_bytes()

    def stop(*args, **kwargs):
        raise OSError("No space left on device")

    monkeypatch.setattr("graphfuse.estimators.saving.save_file", stop)
    with pytest.raises(OSError, match="space"):
        gf.save_model(fitted["ridge"], path)
    assert path.read_bytes() == before
