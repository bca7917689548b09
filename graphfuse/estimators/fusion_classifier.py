"""FusionClassifier: a graph encoder for each modality, one fusion, one head."""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from zlib import crc32

import numpy as np
import torch
from torch import Tensor, nn

from graphfuse._check import check_option, check_range
from graphfuse.cohort import Cohort
from graphfuse.errors import InvalidOption, ShapeMismatch
from graphfuse.estimators.base import CohortClassifier
from graphfuse.estimators.ensemble import Ensemble, train_ensemble
from graphfuse.estimators.nested import NestedViews
from graphfuse.estimators.training import Recipe
from graphfuse.estimators.views import apply_views, early_split, fit_views, measured, modalities, places, take
from graphfuse.fusion import ModalityDropout, make_fusion
from graphfuse.graph.graphs import Graphs
from graphfuse.graph.rows import Rows
from graphfuse.graph.subject_graph import BUILDERS as DEFAULT_VIEWS
from graphfuse.kernels.adjacency import Adjacency
from graphfuse.nn.dropout import Dropout
from graphfuse.nn.encoder import GraphEncoder, PyGEncoder, VectorEncoder

EDGES = ("given", "none", "shuffled")


class FusionNetwork(nn.Module):
    """Encoders by modality, a fusion of their embeddings, a linear head.

    ``forward(graphs) -> (logits (B, C), fusion weights (B, M) or None)`` with ``graphs: dict[str, Graphs or Rows]`` of
    B subjects each.
    """

    def __init__(
        self,
        encoders: dict[str, nn.Module],
        fusion: nn.Module,
        width: int,
        n_classes: int,
        dropout: float,
        modality_dropout: float = 0.0,
    ):
        super().__init__()
        self.encoders = nn.ModuleDict(encoders)
        self.fusion = fusion
        self.head = nn.Sequential(Dropout(dropout), nn.Linear(width, n_classes))
        self.modality_dropout = ModalityDropout(modality_dropout)

    def forward(self, graphs: dict[str, Graphs | Rows]):
        embeddings = {name: _embedded(self.encoders[name], part) for name, part in graphs.items()}  # (B, D)
        present = self.modality_dropout({name: g.present for name, g in graphs.items()})
        fused, weights = self.fusion(embeddings, present)
        return self.head(fused), weights


def _embedded(encoder: nn.Module, part: Graphs | Rows) -> Tensor:
    return encoder(part.x) if isinstance(part, Rows) else encoder(part.x, part.adjacency, part.nodes)


class FusionClassifier(NestedViews, CohortClassifier):
    """Classify people by the graphs of their modalities, any of which may be missing.

    Parameters
    ----------
    views : dict of str to FunctionalGraph, MorphometricGraph, ... or None
        Modality -> how its graph is built; None = a default view of every time series, matrix and measures signal. A
        `VectorView` or `PhenotypeView` gives vectors, which are encoded by ``relu(W x + b)``; name phenotypes as you
        like.
    fusion : str or callable
        A key of `graphfuse.fusion.FUSIONS`, or ``(in_channels: dict[str, int], out_channels) -> Module``. Those that
        multiply embeddings (outer, interaction) need narrow ones: give ``readout="mean"`` too.
    encoder : None, torch.nn.Module, callable, or a dict of these by modality
        None = `GraphEncoder` from the options below. A Module with ``forward(x, edge_index, ...)``, such as any
        model of `torch_geometric.nn`, is copied and read out by `readout`. A callable gets ``(in_channels,
        num_nodes)`` and returns a module like `GraphEncoder`.
    conv, hidden, readout, dropout
        Of the default encoder, see `GraphEncoder`.
    width : int
        Width D of the fused embedding.
    edges : {"given", "none", "shuffled"}
        ``none`` removes every edge and ``shuffled`` renumbers each subject's regions at random before message
        passing: the two controls that tell whether the graph helps.
    learning_rate, weight_decay, epochs, patience, batch_size, validation, members
        See `Recipe`; the epoch is chosen on inner splits of the training subjects.
    random_state : int
        Seed of weights, batches and the inner split.
    modality_dropout : float
        Probability with which a modality of a subject is hidden in training, never all of them: a network that has
        seen people without it does better by people who lack it.

    Attributes
    ----------
    views_ : fitted views
    network_ : Ensemble of FusionNetwork
    history_ : inner validation loss by epoch, for each member
    """

    uses_y = True
    scope = "training"

    def __init__(
        self,
        views=None,
        fusion="gated",
        encoder=None,
        conv="gcn",
        hidden=(32,),
        readout="flatten",
        dropout=0.3,
        width=32,
        edges="given",
        learning_rate=1e-3,
        weight_decay=1e-2,
        epochs=100,
        patience=15,
        batch_size=64,
        validation=0.15,
        members=3,
        random_state=0,
        modality_dropout=0.0,
    ):
        self.views = views
        self.fusion = fusion
        self.encoder = encoder
        self.conv = conv
        self.hidden = hidden
        self.readout = readout
        self.dropout = dropout
        self.width = width
        self.edges = edges
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.epochs = epochs
        self.patience = patience
        self.batch_size = batch_size
        self.validation = validation
        self.members = members
        self.random_state = random_state
        self.modality_dropout = modality_dropout

    def _fit(self, cohort: Cohort, codes: np.ndarray) -> None:
        check_option("edges", self.edges, EDGES)
        check_range("width", self.width, 1)
        views = self._views(cohort)
        split = early_split(views, None, cohort, codes, self.validation, self.random_state)
        self.views_ = fit_views(views, None, cohort, codes, split)
        graphs = self.graphs(cohort)
        rows = measured(graphs)
        self.shapes_ = {name: tuple(part.x.shape[:0:-1]) for name, part in graphs.items()}  # (F, R), or (P,)
        self.network_, self.history_ = train_ensemble(
            self._network,
            lambda network, batch: network(take(graphs, rows[batch]))[0],
            codes[rows],
            cohort.groups[rows],
            Recipe.of(self),
            self.random_state,
            places(split, rows),
        )

    def _predict_proba(self, cohort: Cohort) -> np.ndarray:
        graphs = self.graphs(cohort)
        rows = measured(graphs)
        result = np.full((len(cohort), len(self.classes_)), 1 / len(self.classes_))  # nobody measured: no opinion
        with torch.no_grad():
            for begin in range(0, len(rows), 256):
                batch = rows[begin : begin + 256]
                result[batch] = self.network_(take(graphs, batch))[0].softmax(1).numpy()
        return result

    def _modalities(self, cohort: Cohort) -> Iterable[str]:
        return modalities(self.views_, None)

    @property
    def reads_graphs(self) -> bool:
        """Whether every view of the fitted model gives graphs."""
        return all(len(shape) == 2 for shape in self.shapes_.values())

    def graphs(self, cohort: Cohort) -> dict[str, Graphs | Rows]:
        """What the network reads, by modality, for these subjects."""
        read = apply_views(self.views_, None, cohort)
        return {
            name: part if isinstance(part, Rows) else _with_edges(part, self.edges, self.random_state)
            for name, part in read.items()
        }

    def build_network(self) -> Ensemble:
        """Networks of the shape that was fitted, with fresh weights."""
        return Ensemble(self._network() for _ in range(self.members))

    def _network(self) -> FusionNetwork:
        encoders = {name: self._encoder(name, *shape) for name, shape in self.shapes_.items()}
        widths = {name: encoder.out_channels for name, encoder in encoders.items()}
        fusion = make_fusion(self.fusion, widths, self.width)
        return FusionNetwork(encoders, fusion, self.width, len(self.classes_), self.dropout, self.modality_dropout)

    def _encoder(self, name: str, in_channels: int, num_nodes: int | None = None) -> nn.Module:
        if num_nodes is None:
            return VectorEncoder(in_channels, self.width)
        encoder = self.encoder.get(name) if isinstance(self.encoder, dict) else self.encoder
        if isinstance(encoder, nn.Module):
            _check_module(encoder, name, in_channels)
            model = deepcopy(encoder)
            model.reset_parameters()
            return PyGEncoder(model, model.out_channels, readout="mean" if self.readout == "flatten" else self.readout)
        if encoder is not None:
            return encoder(in_channels, num_nodes)
        return GraphEncoder(
            in_channels, self.hidden, conv=self.conv, readout=self.readout, dropout=self.dropout, num_nodes=num_nodes
        )

    def _views(self, cohort: Cohort) -> dict:
        views = self.views or {
            name: DEFAULT_VIEWS[signal.kind]()
            for name, signal in cohort.signals.items()
            if signal.kind in DEFAULT_VIEWS
        }
        if not views:
            raise InvalidOption("No modality of this cohort makes a graph by default; name views={...}.")
        for name in self.encoder if isinstance(self.encoder, dict) else ():
            check_option("a modality of encoder", name, list(views))
        return views


def _check_module(module: nn.Module, name: str, in_channels: int) -> None:
    """A ready module must tell its widths and be able to start afresh, as the models of `torch_geometric.nn` do."""
    lacking = [part for part in ("in_channels", "out_channels", "reset_parameters") if not hasattr(module, part)]
    if lacking:
        raise InvalidOption(
            f"An encoder module needs {', '.join(lacking)}; {type(module).__name__} has none. Give a callable "
            "(in_channels, num_nodes) -> PyGEncoder(module, out_channels) instead."
        )
    if module.in_channels != in_channels:
        raise ShapeMismatch(
            f"The encoder takes {module.in_channels} node features; the graphs of {name!r} have {in_channels}. Give "
            "encoder={modality: module}, or a callable (in_channels, num_nodes) -> module."
        )


def _with_edges(graphs: Graphs, edges: str, seed: int) -> Graphs:
    """The same nodes with the edges asked for."""
    if edges == "given":
        return graphs
    if edges == "none":
        adjacency = graphs.adjacency.without_edges()
    else:
        dense = graphs.adjacency.to_dense().numpy()
        shuffled = [_renumbered(*graph, seed) for graph in zip(dense, graphs.nodes.numpy(), strict=True)]
        adjacency = Adjacency.from_dense(torch.as_tensor(np.stack(shuffled)))
    return Graphs(graphs.x, adjacency, graphs.nodes, graphs.present, graphs.offsets)


def _renumbered(weight: np.ndarray, usable: np.ndarray, seed: int) -> np.ndarray:
    """One graph (R, R), its usable nodes in an order drawn from its own content, so that no other subject matters."""
    order, places = np.arange(len(weight)), np.flatnonzero(usable)
    order[places] = np.random.default_rng([seed, crc32(weight.tobytes())]).permutation(places)
    return np.ascontiguousarray(weight[np.ix_(order, order)])
