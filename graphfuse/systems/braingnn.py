"""BrainGNN: a graph network that knows its regions, and keeps half of them twice.

A region's matrix is a mixture of the matrices of 8 communities, learned. After each convolution the half of the regions
with the largest scores stays, multiplied by its score; the first two readouts join the two halves of the answer.

``x_i' = W_i x_i + sum_j softmax_j(e_ij) W_j x_j + b``, ``W_i = Theta_2 relu(Theta_1 r_i) + W``
``s = sigmoid(X' w / |w|)``, ``X'' = (s * X')[top half]``, ``A'' = (A[top half] + I)^2`` after the first pooling
``z = [max X_1 || mean X_1 || max X_2 || mean X_2]``, then an MLP
loss = cross-entropy + a (|w| - 1)^2 + b (scores of kept and dropped regions apart) + c (a class agrees on its regions)

On purpose unlike the release: one sigmoid a score where it has up to three, losses on the scores of all regions where
it has those of the kept ones, the convolution of the paper's equation.

References
----------
Li et al. (2021). BrainGNN: interpretable brain graph neural network for fMRI analysis. Medical Image Analysis 74.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from graphfuse.estimators.subject_system import SubjectSystem
from graphfuse.graph.graphs import Graphs
from graphfuse.graph.subject import FunctionalGraph
from graphfuse.kernels.adjacency import Adjacency
from graphfuse.losses.pooling import group_consistency, top_k_loss, unit_loss
from graphfuse.nn.conv.roi_aware import ROIAwareConv
from graphfuse.nn.dropout import Dropout
from graphfuse.nn.masked_norm import MaskedBatchNorm
from graphfuse.nn.pool.contract import Pooled
from graphfuse.nn.pool.keep import take_nodes, two_hops
from graphfuse.nn.pool.topk import TopKPooling
from graphfuse.nn.readout import mean_max_readout
from graphfuse.systems.system import System

ROLE = "functional"


class Level(NamedTuple):
    """What one convolution and its pooling give.

    Parameters
    ----------
    pooled : Pooled
    kept : int tensor (B, r)
        Regions that the pooling kept, best first.
    roi : int tensor (B, R')
        Regions that came.
    score : tensor (B, R')
        s of each that came, 0 where it was not usable.
    nodes : bool tensor (B, R')
        Which of those were usable.
    """

    pooled: Pooled
    kept: Tensor
    roi: Tensor
    score: Tensor
    nodes: Tensor


class RegionLevel(nn.Module):
    """An ROI-aware convolution and the pooling after it.

    Parameters
    ----------
    in_channels, out_channels, num_rois, num_communities : int
    ratio : float
        Of the nodes that are kept.
    """

    def __init__(self, in_channels: int, out_channels: int, num_rois: int, num_communities: int, ratio: float):
        super().__init__()
        self.conv = ROIAwareConv(in_channels, out_channels, num_rois, num_communities)
        self.pool = TopKPooling(out_channels, ratio, "sigmoid")

    def forward(self, x: Tensor, adjacency: Adjacency, nodes: Tensor, roi: Tensor) -> Level:
        """Return the `Level` of x (B, R', D), usable nodes (B, R') and the region of each, int (B, R')."""
        x = self.conv(x, adjacency, roi)
        pooled = self.pool(x, adjacency, nodes)
        return Level(pooled, take_nodes(roi, pooled.kept), roi, self.pool.scores(x, nodes), nodes)


class BrainGNNNetwork(nn.Module):
    """Two levels, the readouts of both, and an MLP of widths D, 512, C.

    Parameters
    ----------
    shapes : {"functional": (R, F)}
    n_classes : int
    width, communities : int
    ratio, dropout : float
    unit, separation, consistency : float
        Weights a, b and c in the loss.
    """

    def __init__(
        self,
        shapes: Mapping[str, tuple[int, int]],
        n_classes: int,
        width: int = 32,
        communities: int = 8,
        ratio: float = 0.5,
        dropout: float = 0.5,
        unit: float = 0.0,
        separation: float = 0.1,
        consistency: float = 0.1,
    ):
        super().__init__()
        regions, features = shapes[ROLE]
        self.ratio, self.unit, self.separation, self.consistency = ratio, unit, separation, consistency
        self.levels = nn.ModuleList(
            RegionLevel(channels, width, regions, communities, ratio) for channels in (features, width)
        )
        self.head = nn.Sequential(
            *_dense(4 * width, width, dropout), *_dense(width, 512, dropout), nn.Linear(512, n_classes)
        )

    def forward(self, inputs: Mapping[str, Graphs]) -> Tensor:
        """Return logits (B, C)."""
        return self._logits(self.run(inputs[ROLE]))

    def loss(self, inputs: Mapping[str, Graphs], codes: Tensor) -> Tensor:
        """Return the cross-entropy and the three losses on scores; codes (B,) are the classes."""
        levels = self.run(inputs[ROLE])
        unit = sum(unit_loss(level.pool.select["weight"]) for level in self.levels)
        apart = sum(top_k_loss(level.score, self.ratio, level.nodes) for level in levels)
        alike = group_consistency(levels[0].score, codes, levels[0].nodes)  # later nodes differ between people
        scores = self.unit * unit + self.separation * apart + self.consistency * alike
        return cross_entropy(self._logits(levels), codes) + scores

    @torch.no_grad()
    def weights(self, inputs: Mapping[str, Graphs]) -> dict[str, Tensor]:
        """Return, by level, the kept regions, the score of every region, and the communities of every region.

        ``kept_1`` (B, r), best first, -1 where no usable region was left; ``score_1`` (B, R), 0 for a region that had
        gone; ``communities_1`` (R, K), how far a region belongs to each. Regions kept in one class and not in the
        other are what the network tells of the classes.
        """
        told = {}
        for number, (module, level) in enumerate(zip(self.levels, self.run(inputs[ROLE]), strict=True), 1):
            told[f"kept_{number}"] = torch.where(level.pooled.nodes, level.kept, -1)
            told[f"score_{number}"] = torch.zeros_like(inputs[ROLE].x[..., 0]).scatter(1, level.roi, level.score)
            told[f"communities_{number}"] = module.conv.membership()
        return told

    def run(self, graphs: Graphs) -> tuple[Level, Level]:
        """Return both levels of graphs (B, R, F)."""
        first, second = self.levels
        roi = torch.arange(graphs.x.shape[1], device=graphs.x.device).expand(len(graphs), -1)
        one = first(graphs.x, graphs.adjacency, graphs.nodes, roi)
        two = second(one.pooled.x, two_hops(one.pooled.adjacency), one.pooled.nodes, one.kept)
        return one, two

    def _logits(self, levels: tuple[Level, Level]) -> Tensor:
        return self.head(torch.cat([mean_max_readout(level.pooled.x, level.pooled.nodes) for level in levels], -1))


def _dense(channels: int, width: int, dropout: float) -> list[nn.Module]:
    return [nn.Linear(channels, width), nn.ReLU(), MaskedBatchNorm(width), Dropout(dropout)]


def braingnn(signals: Mapping[str, str]) -> SubjectSystem:
    """BrainGNN over functional graphs whose nodes are their rows of the connectome.

    Parameters
    ----------
    signals : {"functional": modality}
    """
    return SubjectSystem(
        {ROLE: FunctionalGraph(nodes="profile")},
        BrainGNNNetwork,
        signals=dict(signals),
        learning_rate=0.01,
        weight_decay=5e-3,
        epochs=100,
        patience=20,
        batch_size=100,
    )


SYSTEM = System(
    "braingnn",
    braingnn,
    "Li et al. 2021, Medical Image Analysis 74:102233",
    needs={ROLE: ("timeseries", "connectivity")},
    found="both levels, widths 32, 8 communities, half of the nodes kept, two hops, readouts, head 32-512, dropout "
    "0.5, losses and their weights (0, 0.1, 0.1), learning rate 0.01, weight decay 5e-3, batch 100, 100 epochs",
    inferred="edges are the strongest tenth of |correlation| where the release takes |partial correlation|; node "
    "features are standardised; AdamW at one learning rate in place of Adam that halves it every 20 epochs; early "
    "stopping on an inner split, patience 20; start values of the convolution",
)
