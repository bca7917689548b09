"""Models as one safetensors file with a JSON header: weights and training statistics, nobody's data, no code."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from inspect import signature
from itertools import chain
from pathlib import Path
from urllib.parse import quote, unquote

import numpy as np
import torch
from torch import nn

from graphfuse._check import check_option
from graphfuse.connectome.individual import IndividualNetwork
from graphfuse.connectome.tangent import TangentSpace
from graphfuse.errors import GraphFuseError, UnreadableFile
from graphfuse.estimators.adjusting import AdjustedVector
from graphfuse.estimators.baselines import Majority
from graphfuse.estimators.consent import as_agreed
from graphfuse.estimators.features import CohortVector, EdgeVector, ValueVector
from graphfuse.estimators.fusion_classifier import FusionClassifier
from graphfuse.estimators.hierarchical import HierarchicalClassifier
from graphfuse.estimators.hybrid import HybridFusion
from graphfuse.estimators.imputation import FeaturePropagation, MeanImputation, NearestImputation, RidgeImputation
from graphfuse.estimators.imputation.neighbours import People
from graphfuse.estimators.individual_view import IndividualNetworkView
from graphfuse.estimators.late_fusion import LateFusion
from graphfuse.estimators.measure_vector import MeasureVector
from graphfuse.estimators.mkl.bank import KernelBank
from graphfuse.estimators.mkl.log_rows import LogRows
from graphfuse.estimators.mkl.multiple_kernel import MultipleKernel
from graphfuse.estimators.mkl.people_kernel import PeopleKernel
from graphfuse.estimators.mkl.scaling import ScaledKernel
from graphfuse.estimators.mkl.subtree_labels import SubtreeLabels
from graphfuse.estimators.mlp import MLP
from graphfuse.estimators.model_file import DAMAGED, read_model_file, write_model_file
from graphfuse.estimators.network_edges import NetworkEdges
from graphfuse.estimators.population_classifier import PopulationClassifier
from graphfuse.estimators.population_system import PopulationSystem
from graphfuse.estimators.ridge import MeanOfRidges, Ridge
from graphfuse.estimators.stacking import Stacking
from graphfuse.estimators.subject_system import SubjectSystem
from graphfuse.estimators.svm import LinearSVM
from graphfuse.estimators.vector_view import PhenotypeView, VectorView
from graphfuse.graph.agreement import Agreement
from graphfuse.graph.backbone import DisparityFilter, SpanningDensity
from graphfuse.graph.dynamic import DynamicGraph
from graphfuse.graph.graphs import Graphs
from graphfuse.graph.hypergraph import PopulationHypergraph
from graphfuse.graph.population import PopulationGraph
from graphfuse.graph.rows import Rows
from graphfuse.graph.sparsify import KNearest, Threshold, TopDensity
from graphfuse.graph.subject import FunctionalGraph, MorphometricGraph
from graphfuse.graph.subject_graph import SubjectGraph
from graphfuse.graph.subject_measures import GraphMeasures
from graphfuse.harmonise import ComBat, LocationScale, RegressOut
from graphfuse.kernels.adjacency import Adjacency

# The only classes that a file can bring to life.
CLASSES = {
    cls.__name__: cls
    for cls in (
        AdjustedVector, Agreement, CohortVector, ComBat, DisparityFilter, DynamicGraph, EdgeVector, FeaturePropagation,
        FunctionalGraph, FusionClassifier, GraphMeasures, HierarchicalClassifier, HybridFusion, IndividualNetwork,
        IndividualNetworkView, KNearest, KernelBank, LateFusion, LinearSVM, LocationScale, LogRows, MLP, Majority,
        MeanImputation, MeanOfRidges, MeasureVector, MorphometricGraph, MultipleKernel, NearestImputation, NetworkEdges,
        People, PeopleKernel, PhenotypeView, PopulationClassifier, PopulationGraph, PopulationHypergraph,
        PopulationSystem, RegressOut, Ridge, RidgeImputation, Rows, ScaledKernel, SpanningDensity, Stacking,
        SubjectGraph, SubjectSystem, SubtreeLabels, TangentSpace, Threshold, TopDensity, ValueVector, VectorView,
    )
}  # fmt: skip
GRAPHS = ("x", "nodes", "present", "offsets")  # and the weights of the edges
# Attributes that belong to the training subjects, not to the model, and what a file holds in their place.
PRIVATE = {"left_out_scores_": None, "unlabelled_": ()}
FITTED = re.compile(r"[a-zA-Z]\w*_", re.ASCII)
# The networks of the published systems, the only code that a file can name: graphfuse.systems.MODULE:CLASS.
SYSTEMS, NETWORK = "graphfuse.systems.", re.compile(r"([a-z]\w*):([A-Z]\w*)", re.ASCII)


def save_model(model, path, *, include_cohort: bool = False, prototype_size: int | None = None) -> Path:
    """Write a fitted model to one file, whole or not at all; the same model gives the same bytes.

    Parameters
    ----------
    model : estimator
        Fitted.
    path : path
    include_cohort : bool
        A `PopulationClassifier`, `PopulationSystem`, `MultipleKernel`, `NearestImputation` or `FeaturePropagation`,
        alone or inside another model, cannot answer without the features of its training subjects; True agrees to
        writing them into the file. Ids are never written.
    prototype_size : int or None
        Write every `PopulationClassifier` with means of at least so many people in place of people, see `prototypes`.

    Raises
    ------
    LeakageError
        Such a part with neither ``include_cohort=True`` nor `prototype_size`, or a transductive model.
    GraphFuseError
        No classifier, or a part that cannot be written without code, such as a custom encoder.
    UnwritableFile
        The disk does not take it.
    """
    if not hasattr(model, "predict_proba"):
        raise GraphFuseError(f"A model file holds a fitted classifier; got a {type(model).__name__}, a part of one.")
    encoder = _Encoder(partial(as_agreed, include_cohort=include_cohort, prototype_size=prototype_size))
    tree = encoder.encode(model, "model")
    write_model_file(Path(path), tree, encoder.tensors)
    return Path(path)


def load_model(path):
    """Read a model that `save_model` wrote; no code in the file is ever run.

    Raises
    ------
    UnreadableFile
        Not such a file, or a damaged one.
    ModelVersionError
        Written in a format that this version does not know.
    """
    contents = read_model_file(path)
    left = dict(contents.tensors)
    try:
        model = _decode(contents.tree, left)
    except GraphFuseError:
        raise
    except (
        AttributeError,
        ImportError,
        IndexError,
        KeyError,
        TypeError,
        ValueError,
        RuntimeError,
        OverflowError,
    ) as error:
        raise UnreadableFile(DAMAGED) from error
    if left or type(model) not in CLASSES.values() or not hasattr(model, "predict_proba"):
        raise UnreadableFile(DAMAGED)
    return model


# ---- to JSON and tensors


@dataclass
class _Encoder:
    """Values as JSON; arrays go to `tensors` under their place in the tree, and every part is asked for consent."""

    agreed: Callable
    tensors: dict[str, torch.Tensor] = field(default_factory=dict)

    def encode(self, value, place: str):
        """`value` as JSON."""
        if value is None or isinstance(value, (bool, int, float, str)):
            return value
        if isinstance(value, np.generic):
            return value.item()
        if isinstance(value, (np.ndarray, torch.Tensor)):
            return self._array(value, place)
        if isinstance(value, (list, tuple)):
            return {"list": self._items(value, place), "as": type(value).__name__}
        if isinstance(value, dict):
            return {"dict": {str(key): self.encode(item, _inside(place, key)) for key, item in value.items()}}
        if isinstance(value, nn.Module) and place.endswith(".network_"):
            self.tensors |= {_inside(place, key): _compact(item) for key, item in value.state_dict().items()}
            return {"network": place}
        if CLASSES.get(type(value).__name__) is type(value):
            kept = vars(self.agreed(value))
            state = {key: PRIVATE.get(key, item) for key, item in sorted(kept.items())}
            return {"class": type(value).__name__, "state": self.encode(state, place)}
        if isinstance(value, Graphs):
            parts = {name: getattr(value, name) for name in GRAPHS} | {"weight": value.adjacency.to_dense()}
            return {"graphs": self.encode(parts, place)}
        if isinstance(value, type) and value.__module__.startswith(SYSTEMS):
            return {"network of": f"{value.__module__.removeprefix(SYSTEMS)}:{value.__name__}"}
        raise GraphFuseError(
            f"{place} is a {type(value).__name__}, which a model file cannot hold without code. Use a built-in part."
        )

    def _array(self, value, place: str) -> dict:
        if isinstance(value, np.ndarray) and value.dtype.kind not in "biuf":
            return {"list": self._items(value.tolist(), place), "as": "array"}
        self.tensors[place] = _compact(torch.as_tensor(value))
        return {"tensor": place, "as": "array" if isinstance(value, np.ndarray) else "tensor"}

    def _items(self, items, place: str) -> list:
        return [self.encode(item, f"{place}.{i}") for i, item in enumerate(items)]


def _inside(place: str, key) -> str:
    """The place of a key; what could be read as a path is percent-encoded."""
    return f"{place}.{quote(str(key), safe='')}"


def _compact(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.detach().contiguous().clone()


# ---- and back; each tensor is taken once, so that what is left over shows


def _decode(tree, tensors: dict):
    if tree is None or isinstance(tree, (bool, int, float, str)):
        return tree
    return NODES[frozenset(tree)](tree, tensors)  # a node with any other keys is damage


def _decode_array(tree: dict, tensors: dict):
    tensor = tensors.pop(tree["tensor"])
    return {"array": tensor.numpy, "tensor": lambda: tensor}[tree["as"]]()


def _decode_list(tree: dict, tensors: dict):
    items = [_decode(item, tensors) for item in tree["list"]]
    return {"list": list, "tuple": tuple, "array": np.array}[tree["as"]](items)


def _decode_dict(tree: dict, tensors: dict) -> dict:
    return {key: _decode(item, tensors) for key, item in tree["dict"].items()}


def _decode_object(tree: dict, tensors: dict):
    cls = CLASSES[check_option("a class of the model file", tree["class"], CLASSES)]
    state = dict(tree["state"]["dict"])
    if any(key not in signature(cls).parameters and not FITTED.fullmatch(key) for key in state):
        raise UnreadableFile(DAMAGED)
    network = state.pop("network_", None)
    value = cls.__new__(cls)
    defaults = {
        name: part.default for name, part in signature(cls).parameters.items() if part.default is not part.empty
    }
    vars(value).update(defaults)  # a file may be older than a parameter
    vars(value).update({key: _decode(item, tensors) for key, item in state.items()})
    if network is not None:
        value.network_ = _network(value, network["network"], tensors)
    return value


def _decode_class(tree: dict, tensors: dict) -> type:
    named = NETWORK.fullmatch(tree["network of"])
    found = getattr(import_module(SYSTEMS + named[1]), named[2], None) if named else None
    if not (isinstance(found, type) and issubclass(found, nn.Module)):
        raise UnreadableFile(DAMAGED)
    return found


def _decode_graphs(tree: dict, tensors: dict) -> Graphs:
    parts = _decode(tree["graphs"], tensors)
    return Graphs(adjacency=Adjacency.from_dense(parts.pop("weight")), **parts)


NODES = {
    frozenset({"tensor", "as"}): _decode_array,
    frozenset({"list", "as"}): _decode_list,
    frozenset({"dict"}): _decode_dict,
    frozenset({"class", "state"}): _decode_object,
    frozenset({"network of"}): _decode_class,
    frozenset({"graphs"}): _decode_graphs,
}


def _network(value, place: str, tensors: dict) -> nn.Module:
    """The network of a fitted model with the weights of the file, of exactly the shapes and types that it needs."""
    start = f"{place}."
    weights = {unquote(name[len(start) :]): tensors.pop(name) for name in list(tensors) if name.startswith(start)}
    layers = getattr(value, "hidden", ())
    if max(getattr(value, "members", 1), len(layers) if isinstance(layers, (list, tuple)) else 1) > len(weights):
        raise UnreadableFile(DAMAGED)
    with torch.device("meta"):  # shapes without memory: a header may lie about sizes
        network = value.build_network()
    wanted = {name: tensor.dtype for name, tensor in network.state_dict().items()}
    sound = all(torch.isfinite(weight).all() for weight in weights.values())
    if wanted != {name: weight.dtype for name, weight in weights.items()} or not sound:
        raise UnreadableFile(DAMAGED)
    network.load_state_dict(weights, assign=True)
    if any(part.is_meta for part in chain(network.parameters(), network.buffers())):
        raise UnreadableFile(DAMAGED)
    return network.eval()
