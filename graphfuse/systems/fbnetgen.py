"""FBNetGen: series become embeddings of regions, these become the graph that the task wants, and a network reads it.

``h_r = encoder(series of r)``, ``A = softmax(H) softmax(H)^T``: regions are joined as far as they share communities
``X <- BN(MLP(diag(A 1) X))``, three times, of widths R, R and 8, X the profiles of connectivity at first; all regions
side by side into an MLP of widths 256, 32, C
loss = 2 cross-entropy + ``sum_c mean_(i in c) |A_i - M_c|_1 / R^2 + 2 (1 - |M_0 - M_1|_1 / R^2)`` + ``s |A|_1``, M_c
the mean graph of class c; all people are mixed with each other, ``l x_i + (1 - l) x_p``, and so are their labels.

The paper, as we recall it, has ``A X``. The program behind its figures has ``diag(A 1) X``: it multiplies each region
by the sum of its row, and no region hears another. Both are here, the program's by default; the paper's, by
``messages="neighbours"``, learned far more slowly from simulated people, for all weights of A are alike at first. On
purpose unlike the release: the backward half of its encoder reads the last piece of a series only; here both halves
read all of it.

References
----------
Kan et al. (2022). FBNetGen: task-aware GNN-based fMRI analysis via functional brain network generation. MIDL, PMLR 172.
arXiv:2205.12465
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from graphfuse._check import check_option, check_range
from graphfuse.estimators.subject_system import SubjectSystem
from graphfuse.graph.dynamic import DynamicGraph
from graphfuse.graph.graphs import Graphs
from graphfuse.graph.subject import FunctionalGraph
from graphfuse.losses.soft_label import one_hot, soft_cross_entropy
from graphfuse.nn.dropout import Dropout
from graphfuse.nn.masked_norm import MaskedBatchNorm
from graphfuse.nn.mixup import draw_mixing, mix
from graphfuse.nn.readout import mask_nodes
from graphfuse.nn.structure.product import InnerProductGraph
from graphfuse.systems.system import System

ROLE, SERIES, PROFILE = "functional", "series", "profile"
SLOPE = 0.2  # of every LeakyReLU


class RecurrentEncoder(nn.Module):
    """Pieces of a series through a GRU of 4 layers, forwards and backwards; both last states, through a linear layer.

    The release takes what comes out at the last piece, where the backward half has seen that piece alone.

    Parameters
    ----------
    frames, window : int
        Points of a series and of a piece; what is left over at the end is not read.
    """

    def __init__(self, frames: int, window: int, layers: int = 4, dropout: float = 0.5):
        super().__init__()
        check_range("window", window, 1, frames)
        self.window, self.out_channels = window, window
        self.gru = nn.GRU(window, window, layers, bidirectional=True, batch_first=True)
        self.out = nn.Sequential(Dropout(dropout), nn.Linear(2 * window, window), nn.LeakyReLU(SLOPE))

    def forward(self, x: Tensor) -> Tensor:
        """Return (n, window) of series x (n, L)."""
        pieces = x[:, : x.shape[1] // self.window * self.window].unflatten(1, (-1, self.window))
        forwards, backwards = self.gru(pieces)[1][-2:]  # of the last layer, each (n, window)
        return self.out(torch.cat([forwards, backwards], 1))


class ConvolutionalEncoder(nn.Module):
    """Three convolutions over time, each with batch normalisation, the largest of 16 neighbours, one linear layer.

    Parameters
    ----------
    frames, window : int
        Points of a series, and of the first filter.

    Raises
    ------
    InvalidOption
        Too few frames for the filters.
    """

    def __init__(self, frames: int, window: int):
        super().__init__()
        left = (frames - window) // 2 + 1 - 2 * 7
        check_range("frames", frames, window + 58)  # from which 16 places are left
        self.out_channels = 32
        first, second, third = nn.Conv1d(1, 32, window, stride=2), nn.Conv1d(32, 32, 8), nn.Conv1d(32, 16, 8)
        norms = [nn.BatchNorm1d(channels) for channels in (32, 32, 16)]
        self.convs = nn.Sequential(first, norms[0], second, norms[1], third, norms[2], nn.MaxPool1d(16), nn.Flatten())
        self.out = nn.Sequential(nn.Linear(left // 16 * 16, self.out_channels), nn.LeakyReLU(SLOPE))

    def forward(self, x: Tensor) -> Tensor:
        """Return (n, 32) of series x (n, L)."""
        return self.out(self.convs(x[:, None]))


ENCODERS = {"cnn": ConvolutionalEncoder, "gru": RecurrentEncoder}
# What a region hears through A (B, R, R) of x (B, R, D): the others, or only how strongly it is joined to them.
MESSAGES = {"degrees": lambda weight, x: weight.sum(2, keepdim=True) * x, "neighbours": torch.bmm}


class GraphPredictor(nn.Module):
    """Three layers ``BN(MLP(diag(A 1) X))``, or ``BN(MLP(A X))``, and an MLP over all regions.

    Parameters
    ----------
    regions, features, n_classes : int
    messages : {"degrees", "neighbours"}
        "degrees": ``diag(A 1) X``, of the release; "neighbours": ``A X``, of the paper.
    """

    def __init__(self, regions: int, features: int, n_classes: int, messages: str = "degrees"):
        super().__init__()
        self.messages = check_option("messages", messages, MESSAGES)
        self.first = nn.Sequential(nn.Linear(features, regions), nn.LeakyReLU(SLOPE), nn.Linear(regions, regions))
        self.second = _dense((regions, regions))
        self.third = _dense((regions, 64, 8))
        self.norms = nn.ModuleList([MaskedBatchNorm(regions), MaskedBatchNorm(regions), nn.BatchNorm1d(regions)])
        self.head = nn.Sequential(*_dense((8 * regions, 256, 32)), nn.Linear(32, n_classes))

    def forward(self, x: Tensor, weight: Tensor, nodes: Tensor) -> Tensor:
        """Return logits (B, C) of x (B, R, F), A (B, R, R) and usable nodes (B, R)."""
        hear = MESSAGES[self.messages]
        x = self.norms[0](self.first(hear(weight, mask_nodes(x, nodes))), nodes)
        x = self.norms[1](self.second(hear(weight, x)), nodes)
        x = self.norms[2](self.third(hear(weight, x)))  # one mean and deviation a region, as published
        return self.head(mask_nodes(x, nodes).flatten(1))


class FBNetGenNetwork(nn.Module):
    """An encoder of series, a graph made of what it says, and a network over that graph.

    Parameters
    ----------
    shapes : {"series": (R, L), "profile": (R, F)}
    n_classes : int
    encoder : {"cnn", "gru"}
    window : int
        Points of a piece, or of the first filter.
    communities : int
        Width of an embedding.
    messages : {"degrees", "neighbours"}
        See `GraphPredictor`.
    group, sparse : float
        Weights of the loss on the classes' graphs, and s.
    """

    def __init__(
        self,
        shapes: Mapping[str, tuple[int, int]],
        n_classes: int,
        encoder: str = "gru",
        window: int = 4,
        communities: int = 8,
        messages: str = "degrees",
        group: float = 1.0,
        sparse: float = 16e-4,
    ):
        super().__init__()
        (regions, frames), (_, features) = shapes[SERIES], shapes[PROFILE]
        self.n_classes, self.group, self.sparse = n_classes, group, sparse
        self.encoder = ENCODERS[check_option("encoder", encoder, ENCODERS)](frames, window)
        self.generator = InnerProductGraph(self.encoder.out_channels, communities, "softmax")
        self.predictor = GraphPredictor(regions, features, n_classes, messages)

    def forward(self, inputs: Mapping[str, Graphs]) -> Tensor:
        """Return logits (B, C)."""
        series, profile = inputs[SERIES], inputs[PROFILE]
        return self.predictor(profile.x, self.graph(series.x, series.nodes), profile.nodes)

    def loss(self, inputs: Mapping[str, Graphs], codes: Tensor) -> Tensor:
        """Return the loss of people mixed with each other; codes (B,) are the classes."""
        series, profile, mixing = inputs[SERIES], inputs[PROFILE], draw_mixing(len(codes), device=codes.device)
        nodes = series.nodes & series.nodes[mixing.partner]
        weight, target = self.graph(mix(series.x, mixing), nodes), mix(one_hot(codes, self.n_classes), mixing)
        classified = soft_cross_entropy(self.predictor(mix(profile.x, mixing), weight, nodes), target).mean()
        sparse = weight.sum((1, 2)).mean()  # A is nowhere negative
        return 2 * classified + self.group * group_loss(weight, target) + self.sparse * sparse

    def graph(self, x: Tensor, nodes: Tensor) -> Tensor:
        """Return A (B, R, R) of series x (B, R, L), zeros at regions that are not usable."""
        return self.generator(self.embed(x, nodes), nodes[:, None] & nodes[..., None])

    def embed(self, x: Tensor, nodes: Tensor) -> Tensor:
        """Return what the encoder says of series x (B, R, L), before the graph's own linear layer."""
        return self.encoder(mask_nodes(x, nodes).flatten(0, 1)).unflatten(0, nodes.shape)

    @torch.no_grad()
    def weights(self, inputs: Mapping[str, Graphs]) -> dict[str, Tensor]:
        """Return the graph of each person, (B, R, R), and the share of each region in each community, (B, R, D)."""
        series = inputs[SERIES]
        shares = self.generator.lin(self.embed(series.x, series.nodes)).softmax(-1)
        return {"graph": self.graph(series.x, series.nodes), "communities": mask_nodes(shares, series.nodes)}


def group_loss(weight: Tensor, target: Tensor, between: float = 2.0) -> Tensor:
    """Return ``sum_c mean_(i in c) |A_i - M_c|_1 / R^2 + b mean_(c < d) (1 - |M_c - M_d|_1 / R^2)``.

    People count in a class by their share of it, and so they do in its mean graph M_c; a class of which the batch holds
    nobody does not take part. For two classes it is the published one.

    Parameters
    ----------
    weight : tensor (B, R, R)
    target : tensor (B, C)
        Shares, rows that sum to 1.
    between : float
        b.
    """
    there = target.sum(0) > 0
    share = target[:, there] / target[:, there].sum(0)  # (B, C')
    centre = torch.einsum("bc,brs->crs", share, weight)
    within = (share * (weight[:, None] - centre).abs().mean((2, 3))).sum()
    first, second = torch.triu_indices(len(centre), len(centre), 1)
    return within + between * (1 - (centre[first] - centre[second]).abs().mean((1, 2))).sum() / max(len(first), 1)


def _dense(widths: Sequence[int]) -> nn.Sequential:
    layers = [(nn.Linear(a, b), nn.LeakyReLU(SLOPE)) for a, b in pairwise(widths)]
    return nn.Sequential(*(layer for block in layers for layer in block))


def fbnetgen(signals: Mapping[str, str]) -> SubjectSystem:
    """FBNetGen over 100 points of each series and the standardised connectome.

    Parameters
    ----------
    signals : {"functional": modality}
    """
    return SubjectSystem(
        {SERIES: DynamicGraph(windows=1, nodes="series", frames=100), PROFILE: FunctionalGraph(nodes="profile")},
        FBNetGenNetwork,
        signals={SERIES: signals[ROLE], PROFILE: signals[ROLE]},
        learning_rate=5e-4,
        weight_decay=1e-4,
        epochs=14,
        patience=6,
        batch_size=16,
    )


SYSTEM = System(
    "fbnetgen",
    fbnetgen,
    "Kan et al. 2022, MIDL, PMLR 172:618, arXiv:2205.12465",
    needs={ROLE: ("timeseries",)},
    found="bidirectional GRU of 4 layers over pieces of 4 points, or three convolutions; 8 communities, softmax, "
    "product; three layers of widths R, R, 64-8, batch normalisation, head 256-32; mixup with Beta(1, 1), twice the "
    "cross-entropy, loss on the classes' graphs, 1e-4 |A|_1 of a batch of 16, weight decay 1e-4, batch 16 (code)",
    inferred="the paper's A X (from memory; options={'messages': 'neighbours'}), where the code, as here, multiplies "
    "regions by the sums of A's rows; both directions of the GRU read the whole series; 100 points drawn from the "
    "whole scan, each series standardised, where the release takes the first 100 frames; profiles are Fisher z and "
    "standardised; no instance normalisation over regions before the convolutions; more than two classes; AdamW at "
    "5e-4 for 14 epochs in place of Adam at 1e-4 for 500, for time on a CPU; early stopping",
    claim="ABIDE: AUC 72.7 (4.3) %, accuracy 66.3 (3.7) %; sex in PNC and ABCD: AUC 80.8 and 94.5 % (their program)",
)
