"""Damaged, forged and foreign model files, and those of other versions."""

from __future__ import annotations

import json
import os
import pickle
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import graphfuse as gf
from graphfuse.errors import InvalidOption, MemoryBudget, ModelVersionError, UnreadableFile
from graphfuse.estimators.model_file import FORMAT, MAX_HEADER, MAX_TENSORS, Contents, read_model_file


class Bomb:
    def __reduce__(self):
        return exec, ("raise SystemExit('code of the file was run')",)


def rewrite(path, change, tensors=None):
    """The model file at `path` as somebody would forge it: its header changed by `change`, its checksum made to fit."""
    held = read_model_file(path)
    header = {"format": FORMAT, "graphfuse": held.graphfuse, "model": json.loads(json.dumps(held.tree))}
    change(header, header["model"])
    tensors = held.tensors if tensors is None else tensors
    header["checksum"] = Contents(header.get("graphfuse"), header.get("model"), tensors).checksum()
    header = {key: value for key, value in header.items() if value is not None}
    save_file(tensors, path, metadata={"graphfuse": json.dumps(header)})


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
    rewrite(path, lambda header, tree: header.update(format=99, graphfuse="7.7"))
    with pytest.raises(ModelVersionError, match=rf"format {FORMAT}, which graphfuse 0\.1.*format 99 of graphfuse 7\.7"):
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


@pytest.mark.parametrize("tree", ["5", '{"list": [], "as": "list"}', "{}", '"' + "x" * 9 + '"', "[" * 100_000])
def test_a_header_that_holds_no_model(path, tree):
    checksum = "0" * 64
    if not tree.startswith("["):
        checksum = Contents("0.1.0", json.loads(tree), {}).checksum()
    header = f'{{"format": {FORMAT}, "graphfuse": "0.1.0", "checksum": "{checksum}", "model": {tree}}}'
    save_file({}, path, metadata={"graphfuse": header})
    with pytest.raises(UnreadableFile, match="damaged"):
        gf.load_model(path)


# ---- what a forged header may not do although its checksum fits


FORGERIES = {
    "unknown attribute": lambda header, tree: tree["state"]["dict"].update(predict=1),
    "dunder": lambda header, tree: tree["state"]["dict"].update(__class__="x"),
    "unknown key of a node": lambda header, tree: tree.update(run="x"),
    "unknown node": lambda header, tree: tree["state"]["dict"].update(x_={"pickle": "gAR9"}),
    "a tensor twice": lambda header, tree: tree["state"]["dict"].update(x_=tree["state"]["dict"]["classes_"]),
    "a million members": lambda header, tree: tree["state"]["dict"].update(members=10**6),
    "a million layers": lambda header, tree: tree["state"]["dict"].update(hidden={"list": [4] * 10**5, "as": "list"}),
    "a terabyte of width": lambda header, tree: tree["state"]["dict"].update(width=10**12),
    "an endless width": lambda header, tree: tree["state"]["dict"].update(width=10**30),
    "no network": lambda header, tree: tree["state"]["dict"].pop("network_"),
}


@pytest.mark.parametrize("forgery", list(FORGERIES))
def test_a_forged_header_is_refused_at_once(path, forgery):
    rewrite(path, FORGERIES[forgery])
    began = time.perf_counter()
    with pytest.raises(UnreadableFile, match="damaged"):
        gf.load_model(path)
    assert time.perf_counter() - began < 5


@pytest.mark.parametrize("change", [lambda w: w.double(), lambda w: w[..., None], lambda w: w * torch.nan])
def test_weights_of_another_type_or_shape_or_no_numbers_are_refused(path, change):
    tensors = read_model_file(path).tensors
    name = next(name for name in tensors if name.endswith("head.1.weight"))
    rewrite(path, lambda header, tree: None, tensors | {name: change(tensors[name])})
    with pytest.raises(UnreadableFile, match="damaged"):
        gf.load_model(path)


def test_a_tensor_that_the_model_does_not_name_is_refused(path):
    tensors = read_model_file(path).tensors
    rewrite(path, lambda header, tree: None, tensors | {"model.smuggled": torch.zeros(9)})
    with pytest.raises(UnreadableFile, match="damaged"):
        gf.load_model(path)


@pytest.mark.parametrize("name", ["../../etc/passwd", "/root/x", "model.a/b", "model.\0", "", "model." + "x" * 600])
def test_a_tensor_whose_name_is_no_place_in_a_model_is_refused(path, name):
    rewrite(path, lambda header, tree: None, read_model_file(path).tensors | {name: torch.zeros(1)})
    with pytest.raises(UnreadableFile, match="damaged"):
        gf.load_model(path)


def test_too_many_tensors_and_too_long_a_header_are_refused_unread(path):
    save_file({f"model.t{i}": torch.zeros(1) for i in range(MAX_TENSORS + 1)}, path)
    with pytest.raises(UnreadableFile):
        gf.load_model(path)
    save_file({"model.t": torch.zeros(1)}, path, metadata={"graphfuse": "x" * MAX_HEADER})
    with pytest.raises(UnreadableFile):
        gf.load_model(path)


def test_a_pipe_is_no_model_and_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "m")
    with pytest.raises(UnreadableFile):
        gf.load_model(tmp_path / "m")


def test_a_hundred_flipped_bits_are_all_found(path):
    """Anywhere in the file; header and tensors are about as long here, so that both are hit."""
    whole, draw = path.read_bytes(), np.random.default_rng(0)
    header = 8 + int.from_bytes(whole[:8], "little")
    for i in range(100):
        byte = draw.integers(header) if i % 2 else draw.integers(header, len(whole))
        damaged = bytearray(whole)
        damaged[byte] ^= 1 << draw.integers(8)
        path.write_bytes(damaged)
        with pytest.raises((UnreadableFile, ModelVersionError)):
            gf.load_model(path)


def test_a_model_larger_than_the_memory_is_refused_before_it_is_read(path, monkeypatch):
    monkeypatch.setenv("GRAPHFUSE_MEMORY_GB", "1e-6")
    with pytest.raises(MemoryBudget, match="The model file needs about"):
        gf.load_model(path)


# ---- promises to those who come later


GOLDEN = Path(__file__).parent / "golden"


def test_the_golden_model_loads_and_predicts_the_stored_numbers():
    cohort = gf.simulate_cohort(12, n_frames=(40, 40), seed=7).cohort
    stored = np.loadtxt(GOLDEN / "predictions.tsv", delimiter="\t", ndmin=2)
    loaded = gf.load_model(GOLDEN / "fusion.model")
    np.testing.assert_allclose(loaded.predict_proba(cohort), stored, atol=1e-5)


def test_a_model_of_format_1_names_both_versions(path):
    save_file({"model.x": torch.zeros(1)}, path, metadata={"format": "1", "graphfuse": "0.0.9", "model": "{}"})
    with pytest.raises(ModelVersionError, match=r"graphfuse 0\.1\.\d.*format 1 of graphfuse 0\.0\.9"):
        gf.load_model(path)
