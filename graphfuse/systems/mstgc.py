"""MSTGC: windows of a scan over two graphs each, what both modalities share and what each has alone, and their order.

Each window i has one set of features, its series X_i, and two graphs, its functional connections and the structural
ones, which stay. Three channels of three graph convolutions read them, one of each modality and one of both:
``Z <- relu(D^-1/2 (A + I) D^-1/2 Z W)``, ``Z_C = (Z_CF + Z_CD) / 2`` with the same W on either graph; per region
``a = softmax_k(q . tanh(W z_k + b))``, ``Z = a_F Z_F + a_D Z_D + a_C Z_C``; the top half of the regions is read out as
``[max || mean]``, and the windows go through two LSTMs.
``loss = cross-entropy + alpha (InfoMin_F + InfoMin_D) + beta InfoMax``: a modality's own channel shall say what the
common one does not, and the common channel the same of either modality. See the two losses for their signs.

On purpose unlike the source: regions are pooled after the channels were summed, since channels that are pooled one by
one keep different regions and have no sum; information enters the loss with a minus, where the paper prints a plus.

References
----------
Xu et al. (2023). MSTGC. IEEE Transactions on Neural Systems and Rehabilitation Engineering 31, 2359-2369.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from graphfuse._check import check_option, check_range
from graphfuse.estimators.subject_system import SubjectSystem
from graphfuse.graph.dynamic import DynamicGraph
from graphfuse.graph.graphs import Graphs
from graphfuse.graph.subject_graph import SubjectGraph
from graphfuse.kernels.adjacency import Adjacency
from graphfuse.losses.infomax import InfoMaxLoss
from graphfuse.losses.infomin import InfoMinLoss
from graphfuse.nn.deep import DeepStack
from graphfuse.nn.pool.contract import Pooled
from graphfuse.nn.pool.topk import TopKPooling
from graphfuse.nn.readout import mean_max_readout
from graphfuse.nn.simplex import masked_softmax
from graphfuse.nn.temporal import LSTMReadout
from graphfuse.nn.windows import by_subject
from graphfuse.systems.system import System

FUNCTIONAL, STRUCTURAL, COMMON = "functional", "structural", "common"
CHANNELS = (FUNCTIONAL, STRUCTURAL, COMMON)


class WindowMean(nn.Module):
    """Mean over the windows that are present, in place of `LSTMReadout` where their order shall not count.

    Parameters
    ----------
    in_channels : int
    """

    def __init__(self, in_channels: int):
        super().__init__()
        self.out_channels = in_channels

    def forward(self, x: Tensor, present: Tensor) -> Tensor:
        """Return (B, D) of x (B, W, D) and which windows there are, bool (B, W)."""
        return (x * present[..., None]).sum(1) / present.sum(1, keepdim=True)


TEMPORAL = {"lstm": LSTMReadout, "mean": WindowMean}


class Windows(NamedTuple):
    """All windows of all people, G of them, one after the other.

    Parameters
    ----------
    specific, common : dict of str to tensor (G, R, D)
        By modality: its own channel, and the common one on its graph.
    nodes : dict of str to bool tensor (G, R)
        Regions that each modality saw.
    """

    specific: dict[str, Tensor]
    common: dict[str, Tensor]
    nodes: dict[str, Tensor]


class ChannelAttention(nn.Module):
    """``z = sum_k a_k z_k``, ``a = softmax_k(q . tanh(W z_k + b))`` over the channels that a region has.

    Parameters
    ----------
    in_channels, hidden : int
        Width of z, and of q.
    """

    def __init__(self, in_channels: int, hidden: int = 16):
        super().__init__()
        self.score = nn.Sequential(nn.Linear(in_channels, hidden), nn.Tanh(), nn.Linear(hidden, 1, bias=False))

    def forward(self, channels: Tensor, there: Tensor) -> tuple[Tensor, Tensor]:
        """Return z (G, R, D) of channels (G, R, K, D), and a (G, R, K), zero where `there` (G, R, K) is False."""
        share = masked_softmax(self.score(channels)[..., 0], there)
        return (share[..., None] * torch.where(there[..., None], channels, 0.0)).sum(2), share


class MSTGCNetwork(nn.Module):
    """Channels, attention, pooling, windows, one linear layer; options take parts away.

    Parameters
    ----------
    shapes : {"functional": (R, F), "structural": (R, F')}
        Structural features are not read.
    n_classes : int
    hidden, depth : int
        Width D of the graph convolutions, and how many follow each other.
    ratio, dropout : float
        Of the regions that the pooling keeps; before each graph convolution.
    alpha, beta : float
        Weights of InfoMin and InfoMax; 0 leaves one out.
    discriminator : {"bilinear", "dot", "sigmoid_dot"}
        Of InfoMax.
    temperature : float
        Of InfoMin.
    temporal : {"lstm", "mean"}
        "mean" does not hear the order of the windows.
    channels : sequence of str
        Those that the attention chooses from: functional, structural, common.
    """

    def __init__(
        self,
        shapes: Mapping[str, tuple[int, int]],
        n_classes: int,
        hidden: int = 32,
        depth: int = 3,
        ratio: float = 0.5,
        dropout: float = 0.5,
        alpha: float = 0.1,
        beta: float = 0.1,
        discriminator: str = "dot",
        temperature: float = 0.5,
        temporal: str = "lstm",
        channels: Sequence[str] = CHANNELS,
    ):
        super().__init__()
        features = shapes[FUNCTIONAL][1]
        self.alpha, self.beta = check_range("alpha", alpha, 0), check_range("beta", beta, 0)
        self.channels = [check_option("channels", name, CHANNELS) for name in channels]
        self.stacks = nn.ModuleDict(
            {name: DeepStack(features, hidden, depth, "plain", dropout=dropout, norm=None) for name in self.channels}
        )
        self.attention = ChannelAttention(hidden)
        self.pool = TopKPooling(hidden, ratio)
        self.temporal = TEMPORAL[check_option("temporal", temporal, TEMPORAL)](2 * hidden)
        self.head = nn.Linear(self.temporal.out_channels, n_classes)
        self.infomin = InfoMinLoss(hidden, temperature)
        self.infomax = InfoMaxLoss(hidden, discriminator)

    def forward(self, inputs: Mapping[str, Graphs]) -> Tensor:
        """Return logits (B, C)."""
        return self._logits(self._run(inputs), inputs[FUNCTIONAL].offsets)

    def loss(self, inputs: Mapping[str, Graphs], codes: Tensor) -> Tensor:
        """Return the cross-entropy and the terms of contrast; codes (B,) are the classes."""
        windows, offsets = self._run(inputs), inputs[FUNCTIONAL].offsets
        total = cross_entropy(self._logits(windows, offsets), codes)
        if COMMON not in self.channels:
            return total
        for name, own in windows.specific.items() if self.alpha else ():
            total = total + self.alpha * self.infomin(windows.common[name], own, windows.nodes[name])
        return total + self.beta * self._shared(windows, offsets) if self.beta else total

    @torch.no_grad()
    def weights(self, inputs: Mapping[str, Graphs]) -> dict[str, Tensor]:
        """Return ``attention_CHANNEL`` (B, W, R), and the pooling's ``score`` (B, W, R), 0 for a region not kept.

        Xu and others name the regions that recur over folds and do not say how they rank them. Where we planted a
        strong effect, its regions were the most often kept ones after some trainings and the least often kept ones
        after others: which end of the scores stays is the network's choice. Gradient times input has no such choice.
        """
        graphs, windows = inputs[FUNCTIONAL], self._run(inputs)
        z, share = self._fused(windows)
        pooled = self._pooled(z, windows)
        score = torch.zeros_like(z[..., 0]).scatter(1, pooled.kept, pooled.score)
        told = dict(zip((f"attention_{name}" for name in self.channels), share.unbind(-1), strict=True))
        return {name: by_subject(value, graphs.offsets)[0] for name, value in {**told, "score": score}.items()}

    def _run(self, inputs: Mapping[str, Graphs]) -> Windows:
        functional = inputs[FUNCTIONAL]
        owner = np.repeat(np.arange(len(functional)), np.diff(functional.offsets))
        structural = inputs[STRUCTURAL][owner]  # the same graph beside each window, (G, R, R)
        edges = {FUNCTIONAL: functional.adjacency, STRUCTURAL: structural.adjacency}
        nodes = {
            FUNCTIONAL: functional.nodes & functional.present[owner, None],
            STRUCTURAL: structural.nodes & structural.present[:, None],
        }

        def embed(channel: str, modality: str) -> Tensor:
            return self.stacks[channel].node_embeddings(functional.x, edges[modality], nodes[FUNCTIONAL])

        specific = {name: embed(name, name) for name in edges if name in self.channels}
        return Windows(specific, {name: embed(COMMON, name) for name in edges if COMMON in self.channels}, nodes)

    def _fused(self, windows: Windows) -> tuple[Tensor, Tensor]:
        """The channels as one, z (G, R, D), and their shares (G, R, K)."""
        seen = windows.nodes
        values, there = dict(windows.specific), {**seen, COMMON: seen[FUNCTIONAL] | seen[STRUCTURAL]}
        if COMMON in self.channels:
            total = sum(torch.where(seen[name][..., None], z, 0.0) for name, z in windows.common.items())
            count = sum(seen[name].to(total.dtype) for name in windows.common)
            values[COMMON] = total / count.clamp(min=1)[..., None]
        stacked = torch.stack([values[name] for name in self.channels], 2)  # (G, R, K, D)
        return self.attention(stacked, torch.stack([there[name] for name in self.channels], 2))

    def _pooled(self, z: Tensor, windows: Windows) -> Pooled:
        usable = windows.nodes[FUNCTIONAL] | windows.nodes[STRUCTURAL]
        nowhere = Adjacency.from_dense(z.new_zeros(len(z), z.shape[1], z.shape[1]), "sparse")  # no edge is read again
        return self.pool(z, nowhere, usable)

    def _logits(self, windows: Windows, offsets: np.ndarray) -> Tensor:
        pooled = self._pooled(self._fused(windows)[0], windows)
        sequence, present = by_subject(mean_max_readout(pooled.x, pooled.nodes), offsets)  # (B, W, 2 D)
        return self.head(self.temporal(sequence, present))

    def _shared(self, windows: Windows, offsets: np.ndarray) -> Tensor:
        """InfoMax of each window of the scan among people, the mean over windows."""
        first, second = (by_subject(windows.common[name], offsets)[0] for name in (FUNCTIONAL, STRUCTURAL))
        both = by_subject(windows.nodes[FUNCTIONAL] & windows.nodes[STRUCTURAL], offsets)[0]  # (B, W, R)
        each = [self.infomax(first[:, w], second[:, w], both[:, w]) for w in range(both.shape[1])]
        return torch.stack(each).mean()


def mstgc(signals: Mapping[str, str]) -> SubjectSystem:
    """MSTGC over six windows of a scan, half of each shared with the next, beside a structural graph.

    Parameters
    ----------
    signals : {"functional": modality, "structural": modality}
    """
    return SubjectSystem(
        {FUNCTIONAL: DynamicGraph(windows=6, nodes="series"), STRUCTURAL: SubjectGraph(nodes="strength")},
        MSTGCNetwork,
        options={"hidden": 16},
        signals=dict(signals),
        learning_rate=1e-3,
        weight_decay=0.0,
        epochs=13,
        patience=6,
        batch_size=25,
    )


SYSTEM = System(
    "mstgc",
    mstgc,
    "Xu et al. 2023, IEEE TNSRE 31:2359",
    needs={FUNCTIONAL: ("timeseries",), STRUCTURAL: ("connectivity", "measures")},
    same_regions=True,
    found="6 windows, their series as features of both graphs, three channels of 3 graph convolutions, attention, "
    "InfoMin and InfoMax, LSTM 180 and 90 with batch normalisation and tanh, dropout 0.5, learning rate 1e-3, batches "
    "of 25 (paper)",
    inferred="length and overlap of the windows, 32 points of each; pooling after the attention and its ratio; "
    "temperature, alpha = beta = 0.1; last LSTM step; both graphs keep the strongest tenth of their edges, and "
    "regional measures become a graph of how alike regions are; width 16 of the convolutions, and at most 13 "
    "epochs in place of 300, for time on a CPU",
    claim="103 FLE, 89 TLE, 114 controls: accuracy 81.6 % and AUC 0.80 of patients against controls",
)
