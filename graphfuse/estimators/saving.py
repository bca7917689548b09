"""Models as one safetensors file with a JSON header: weights and training statistics, nobody's data, no code."""

from __future__ import annotations

import json
import os
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from graphfuse._check import check_option
from graphfuse.connectome.tangent import TangentSpace
from graphfuse.errors import GraphFuseError, LeakageError, ModelVersionError, UnreadableFile
from graphfuse.estimators.baselines import Majority
from graphfuse.estimators.features import CohortVector, EdgeVector, ValueVector
from graphfuse.estimators.fusion_classifier import FusionClassifier
from graphfuse.estimators.mlp import MLP
from graphfuse.estimators.population_classifier import PopulationClassifier
from graphfuse.estimators.ridge import MeanOfRidges, Ridge
from graphfuse.estimators.svm import LinearSVM
from graphfuse.graph.population import PopulationGraph
from graphfuse.graph.sparsify import KNearest, Threshold, TopDensity
from graphfuse.graph.subject import FunctionalGraph, MorphometricGraph

FORMAT = 1
DAMAGED = "The model file is damaged: its header does not fit its tensors. Fit and save again."
# The only classes that a file can bring to life.
CLASSES = {
    cls.__name__: cls
    for cls in (
        CohortVector, EdgeVector, FunctionalGraph, FusionClassifier, KNearest, LinearSVM, MLP, Majority, MeanOfRidges,
        MorphometricGraph, PopulationClassifier, PopulationGraph, Ridge, TangentSpace, Threshold, TopDensity,
        ValueVector,
    )
}  # fmt: skip
# Attributes that belong to the training subjects, not to the model.
PRIVATE = {"left_out_scores_"}


def save_model(model, path, *, include_cohort: bool = False) -> Path:
    """Write a fitted model to one file, whole or not at all.

    Parameters
    ----------
    model : estimator
        Fitted.
    path : path
    include_cohort : bool
        A `PopulationClassifier` cannot predict without the features of its training subjects; True agrees to
        writing them into the file. Ids are never written.

    Raises
    ------
    LeakageError
        A population model without ``include_cohort=True``, or a transductive one.
    GraphFuseError
        A part that cannot be written without code, such as a custom encoder.
    """
    if isinstance(model, PopulationClassifier):
        _check_population(model, include_cohort)
    tensors: dict[str, torch.Tensor] = {}
    tree = _encode(model, "model", tensors)
    header = {"format": str(FORMAT), "graphfuse": version("graphfuse"), "model": json.dumps(tree, allow_nan=True)}
    path = Path(path)
    draft = path.with_name(f".{path.name}.draft")
    save_file(tensors, draft, metadata=header)
    os.replace(draft, path)
    return path


def load_model(path):
    """Read a model that `save_model` wrote; no code in the file is ever run.

    Raises
    ------
    UnreadableFile
        Not such a file.
    ModelVersionError
        Written in a format that this version does not know.
    """
    header, tensors = _open(path)
    if header.get("format") != str(FORMAT):
        raise ModelVersionError(
            f"Expected a model of format {FORMAT}, which graphfuse {version('graphfuse')} reads; got format "
            f"{header.get('format')!r} of graphfuse {header.get('graphfuse')}. Install that version, or fit again."
        )
    try:
        model = _decode(json.loads(header["model"]), tensors)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError, RuntimeError) as error:
        if isinstance(error, GraphFuseError):
            raise
        raise UnreadableFile(DAMAGED) from error
    if type(model) not in CLASSES.values():
        raise UnreadableFile(DAMAGED)
    return model


def inspect_model(path) -> dict:
    """What a model file holds: its header and the name and shape of every tensor."""
    header, tensors = _open(path)
    return header | {"tensors": {name: tuple(tensor.shape) for name, tensor in tensors.items()}}


def _open(path) -> tuple[dict, dict[str, torch.Tensor]]:
    try:
        with safe_open(path, framework="pt") as file:
            return file.metadata() or {}, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise UnreadableFile(
            "Expected a model file written by graphfuse (safetensors); this is none. Check the path."
        ) from error


def _check_population(model: PopulationClassifier, include_cohort: bool) -> None:
    if getattr(model, "unlabelled_", ()):
        raise LeakageError("A transductive model knows only the people in its graph; fit it inductively to save it.")
    if not include_cohort:
        raise LeakageError(
            "A population model predicts from its training subjects' features, which the file would hold. Pass "
            "include_cohort=True if their consent allows it, or save a FusionClassifier."
        )


def _encode(value, place: str, tensors: dict):
    """`value` as JSON; arrays go to `tensors` under their place in the tree."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, (np.ndarray, torch.Tensor)):
        if isinstance(value, np.ndarray) and value.dtype.kind not in "biuf":
            return {"list": [_encode(item, place, tensors) for item in value.tolist()], "as": "array"}
        tensors[place] = torch.as_tensor(value).detach().contiguous().clone()
        return {"tensor": place, "as": "array" if isinstance(value, np.ndarray) else "tensor"}
    if isinstance(value, (list, tuple)):
        items = [_encode(item, f"{place}.{i}", tensors) for i, item in enumerate(value)]
        return {"list": items, "as": type(value).__name__}
    if isinstance(value, dict):
        return {"dict": {str(key): _encode(item, f"{place}.{key}", tensors) for key, item in value.items()}}
    if isinstance(value, nn.Module) and place.endswith(".network_"):
        tensors |= {f"{place}.{key}": item.detach().contiguous().clone() for key, item in value.state_dict().items()}
        return {"network": place}
    if CLASSES.get(type(value).__name__) is type(value):
        state = {key: item for key, item in vars(value).items() if key not in PRIVATE}
        return {"class": type(value).__name__, "state": _encode(state, place, tensors)}
    raise GraphFuseError(
        f"{place} is a {type(value).__name__}, which a model file cannot hold without code. Use a built-in part."
    )


def _decode(tree, tensors: dict):
    if not isinstance(tree, dict):
        return tree
    if "tensor" in tree:
        tensor = tensors[tree["tensor"]]
        return tensor.numpy() if tree["as"] == "array" else tensor
    if "list" in tree:
        items = [_decode(item, tensors) for item in tree["list"]]
        return {"list": list, "tuple": tuple, "array": np.array}[tree["as"]](items)
    if "dict" in tree:
        return {key: _decode(item, tensors) for key, item in tree["dict"].items()}
    cls = CLASSES[check_option("a class of the model file", tree["class"], CLASSES)]
    value = cls.__new__(cls)
    state = dict(tree["state"]["dict"])
    network = state.pop("network_", None)
    vars(value).update({key: _decode(item, tensors) for key, item in state.items()})
    if network is not None:
        start = f"{network['network']}."
        value.network_ = value.build_network()
        weights = {key.removeprefix(start): item for key, item in tensors.items() if key.startswith(start)}
        value.network_.load_state_dict(weights)
        value.network_.eval()
    return value
