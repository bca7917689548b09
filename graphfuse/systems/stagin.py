"""STAGIN: a graph isomorphism network over windows of a scan, regions weighed in each window, windows among each other.

``x_rw = W [one-hot of r || GRU(series of all regions in window w)] + b``
``x <- MLP(A_w x + (1 + eps) x)``, A_w the strongest 30 % of pairs, the positive ones, each 1; four times
``z_w = mean_r alpha_rw x_rw`` after each, alpha from SERO or GARO; ``z = mean_w transformer(z)_w``
logits = ``sum over layers of drop(W_l z_l + b_l)``; loss = cross-entropy + 1e-5 times
``sum over layers | H H^T / max(H H^T) - I |_F``

In training a run of some neighbouring windows of each person is drawn at every step, as the authors draw a stretch of
the scan. On purpose unlike the release: the GRU starts anew in each window, not at the start of the scan; the mean over
windows, whose number differs between scanners, in place of their sum; GARO divides before the sigmoid.

References
----------
Kim, Ye and Kim (2021). Learning dynamic graph representation of brain connectome with spatio-temporal attention.
NeurIPS. arXiv:2105.13495
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from graphfuse._check import check_option
from graphfuse.estimators.subject_system import SubjectSystem
from graphfuse.graph.dynamic import DynamicGraph
from graphfuse.graph.graphs import Graphs
from graphfuse.graph.sparsify import TopDensity
from graphfuse.kernels.adjacency import Adjacency
from graphfuse.losses.separation import node_orthogonality
from graphfuse.nn.conv.gin import GINConv, gin_mlp
from graphfuse.nn.dropout import Dropout
from graphfuse.nn.garo import GARO
from graphfuse.nn.readout import mask_nodes
from graphfuse.nn.sero import SERO
from graphfuse.nn.temporal.gru import GRUReadout
from graphfuse.nn.temporal.transformer import TimeTransformer
from graphfuse.nn.windows import by_subject
from graphfuse.systems.system import System

ROLE = "functional"
READOUTS = {"garo": lambda width, regions: GARO(width), "sero": SERO}


class Seen(NamedTuple):
    """What one layer makes of the windows.

    Parameters
    ----------
    x : tensor (G, R, D)
        Regions of each window.
    z : tensor (B, W, D)
        Windows of each person.
    present : bool tensor (B, W)
        Which windows there are.
    logits : tensor (B, C)
    """

    x: Tensor
    z: Tensor
    present: Tensor
    logits: Tensor


class WindowLayer(nn.Module):
    """A convolution, its readout, attention over windows, and what it says of the classes.

    Parameters
    ----------
    width, regions, n_classes : int
    readout : {"garo", "sero"}
    dropout : float
        Of the logits.
    """

    def __init__(self, width: int, regions: int, n_classes: int, readout: str, dropout: float):
        super().__init__()
        self.conv = GINConv(gin_mlp(width, width), train_eps=True)
        self.readout = READOUTS[check_option("readout", readout, READOUTS)](width, regions)
        self.temporal, self.linear = TimeTransformer(width), nn.Linear(width, n_classes)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor, adjacency: Adjacency, graphs: Graphs) -> Seen:
        """Return what is `Seen` of x (G, R, D), the windows of `graphs`, over edges that all weigh 1."""
        x = self.conv(x, adjacency)
        z, present = by_subject(self.readout(x, graphs.nodes), graphs.offsets)
        return Seen(x, z, present, self.dropout(self.linear(self.temporal(z, present))))


class STAGINNetwork(nn.Module):
    """Windows as graphs, four layers, each with its own attention over regions, over windows, and its own logits.

    Parameters
    ----------
    shapes : {"functional": (R, L)}
        L points of each window's series.
    n_classes : int
    width, layers : int
    readout : {"garo", "sero"}
    windows : int or None
        Neighbouring windows of a person that a training step sees; None = all.
    dropout, orthogonal : float
        Of the logits, and the weight of the loss on the regions' directions.
    """

    def __init__(
        self,
        shapes: Mapping[str, tuple[int, int]],
        n_classes: int,
        width: int = 128,
        layers: int = 4,
        readout: str = "sero",
        windows: int | None = None,
        dropout: float = 0.5,
        orthogonal: float = 1e-5,
    ):
        super().__init__()
        regions, _ = shapes[ROLE]
        self.windows, self.orthogonal = windows, orthogonal
        self.state, self.initial = GRUReadout(regions, width), nn.Linear(regions + width, width)
        self.layers = nn.ModuleList(WindowLayer(width, regions, n_classes, readout, dropout) for _ in range(layers))

    def forward(self, inputs: Mapping[str, Graphs]) -> Tensor:
        """Return logits (B, C)."""
        return sum(seen.logits for seen in self.run(self._drawn(inputs[ROLE])))

    def loss(self, inputs: Mapping[str, Graphs], codes: Tensor) -> Tensor:
        """Return the cross-entropy and the loss on the regions' directions; codes (B,) are the classes."""
        graphs = self._drawn(inputs[ROLE])
        layers = self.run(graphs)
        apart = sum(node_orthogonality(seen.x, graphs.nodes) for seen in layers)
        return cross_entropy(sum(seen.logits for seen in layers), codes) + self.orthogonal * apart

    @torch.no_grad()
    def weights(self, inputs: Mapping[str, Graphs]) -> dict[str, Tensor]:
        """Return by layer the weight of each region, (B, W, R), and to which window each looks, (B, W, W).

        Zeros stand for windows that somebody does not have.
        """
        graphs, told = inputs[ROLE], {}
        for number, (layer, seen) in enumerate(zip(self.layers, self.run(graphs), strict=True), 1):
            regions = layer.readout.weights(seen.x, graphs.nodes)
            told[f"regions_{number}"] = by_subject(regions, graphs.offsets)[0]
            told[f"windows_{number}"] = layer.temporal.weights(seen.z, seen.present)
        return told

    def run(self, graphs: Graphs) -> list[Seen]:
        """Return what each layer makes of windows (G, R, L)."""
        x, adjacency, seen = self.embed(graphs), binary(graphs.adjacency), []
        for layer in self.layers:
            seen.append(layer(x, adjacency, graphs))
            x = seen[-1].x
        return seen

    def embed(self, graphs: Graphs) -> Tensor:
        """Return x (G, R, D) of each region and the state of the brain at its window's end."""
        regions = graphs.x.shape[1]
        state = self.state(mask_nodes(graphs.x, graphs.nodes).mT)  # (G, D)
        of_region, of_state = self.initial.weight.split([regions, self.state.out_channels], 1)
        return of_region.T + nn.functional.linear(state, of_state, self.initial.bias)[:, None]  # no one-hot is stored

    def _drawn(self, graphs: Graphs) -> Graphs:
        return drawn_run(graphs, self.windows) if self.training and self.windows else graphs


def binary(adjacency: Adjacency) -> Adjacency:
    """Return the same graphs with weight 1 on every edge."""
    return adjacency.with_weight((adjacency.weight != 0).to(adjacency.weight.dtype))


def drawn_run(graphs: Graphs, length: int) -> Graphs:
    """Return at most `length` neighbouring windows of each person; where they begin, torch's generator draws."""
    counts = np.diff(graphs.offsets)
    kept = np.minimum(counts, length)
    start = graphs.offsets[:-1] + (torch.rand(len(counts)).double().numpy() * (counts - kept + 1)).astype(int)
    own = np.concatenate([np.arange(first, first + count) for first, count in zip(start, kept, strict=True)])
    parts = {"x": graphs.x[own], "adjacency": graphs.adjacency[own], "nodes": graphs.nodes[own]}
    return replace(graphs, **parts, offsets=np.cumsum([0, *kept]))


def stagin(signals: Mapping[str, str]) -> SubjectSystem:
    """STAGIN with squeeze-excitation readouts over windows of a minute.

    Parameters
    ----------
    signals : {"functional": modality}
    """
    windows = DynamicGraph(
        window=60.0, step=60.0, nodes="series", frames=20, sparsify=TopDensity(0.3, signed="positive")
    )
    return SubjectSystem(
        {ROLE: windows},
        STAGINNetwork,
        options={"width": 64, "windows": 3},
        signals=dict(signals),
        learning_rate=1e-3,
        weight_decay=0.0,
        epochs=16,
        patience=6,
        batch_size=16,
    )


SYSTEM = System(
    "stagin",
    stagin,
    "Kim et al. 2021, NeurIPS, arXiv:2105.13495",
    needs={ROLE: ("timeseries",)},
    seconds=True,
    found="positive correlations above the 70th percentile as edges of weight 1, one-hot regions beside a GRU over all "
    "regions' series, 4 GIN layers of two linear layers with batch normalisation, SERO or GARO, one transformer head "
    "without a skip, logits summed over layers with dropout 0.5 on them, orthogonality 1e-5, a random stretch of the "
    "scan at each step (code)",
    inferred="windows of 60 s side by side, 20 points of each, where the release has 50 frames (36 s) every 3; width "
    "64 of 128, runs of 3 windows, 16 epochs of 30, batches of 16 in place of 3, for time on a CPU (128 by "
    "options={'width': 128}); AdamW at 1e-3 in place of Adam whose rate rises from 5e-4 to 1e-3 and falls; early "
    "stopping; the GRU starts anew in each window; the mean over windows; the 30 % are of the pairs of usable regions",
)
