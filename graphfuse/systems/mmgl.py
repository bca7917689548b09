"""MMGL: the modalities of a person attend to each other, and the graph of people is learned from what comes of it.

``q_m, k_m, v_m = W_m x_m + b_m`` of each modality m, ``A = softmax_n(q_m . k_n / sqrt(d))`` among those one has
``u_m = FFN(norm(A v + v))``, ``e = [drop(gelu(W norm([u_1 || .. || u_M]))) || A]``
``S_ij = cos(P e_i, P e_j)`` where that is above a threshold, else 0; ``y = S^ drop(relu(S^ e W_1)) W_2``
loss = cross-entropy of y + cross-entropy of a linear layer on e + graph loss of S over e (smoothness, degree, sparsity)

On purpose unlike the release: a plain softmax, where it rescales the logits; dense weights that send gradients to the
learner of the graph, where its inductive variant cuts them off; a threshold of 0.7 in place of 0.9. At 0.9 fresh
weights join nobody; at 0.5 or less the terms of smoothness and degree soon join everybody with everybody.

References
----------
Zheng et al. (2022). Multi-modal graph learning for disease prediction. IEEE Transactions on Medical Imaging 41,
2207-2216. arXiv:2203.05880
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from graphfuse._check import check_range
from graphfuse.estimators.population_system import PopulationSystem
from graphfuse.estimators.vector_view import VectorView
from graphfuse.estimators.views import PHENOTYPES
from graphfuse.fusion.contract import enter
from graphfuse.kernels.adjacency import Adjacency
from graphfuse.losses.graph import graph_loss
from graphfuse.nn.conv.gcn import GCNConv
from graphfuse.nn.dropout import Dropout
from graphfuse.nn.population import Population
from graphfuse.nn.simplex import softmax_where
from graphfuse.nn.structure.cosine import ProjectedCosine
from graphfuse.systems.system import System


class ModalityAttention(nn.Module):
    """Self-attention over one token a modality, each with its own queries, keys and values, and a feed-forward layer.

    A missing modality is no key to any other and its own token and row of the map are 0.

    Parameters
    ----------
    in_channels : dict of int
        Width of each modality.
    width, heads : int
        Of a head, d, and how many, H.
    """

    def __init__(self, in_channels: Mapping[str, int], width: int = 24, heads: int = 4):
        super().__init__()
        self.in_channels, self.heads = dict(in_channels), check_range("heads", heads, 1)
        self.out_channels = heads * width
        self.project = nn.ModuleList(
            nn.Linear(in_channels[name], 3 * self.out_channels) for name in sorted(in_channels)
        )
        self.norm, self.norm_feed = nn.LayerNorm(self.out_channels), nn.LayerNorm(self.out_channels)
        self.feed = nn.Sequential(
            nn.Linear(self.out_channels, 2 * self.out_channels),
            nn.ReLU(),
            nn.Linear(2 * self.out_channels, self.out_channels),
        )

    def forward(self, embeddings: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Return tokens (N, M, H d) and the map, mean over heads, (N, M, M).

        See `graphfuse.fusion.contract.enter` for the arguments and errors.
        """
        values, mask = enter(embeddings, present, self.in_channels)
        projected = torch.stack([project(x) for project, x in zip(self.project, values, strict=True)], 1)
        q, k, v = projected.unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)  # 3 times (N, H, M, d)
        share = softmax_where(q @ k.mT / q.shape[-1] ** 0.5, mask[:, None, None])  # (N, H, M, M)
        token = self.norm((share @ v + v).transpose(1, 2).flatten(2))  # the values are the residual
        token = self.norm_feed(token + self.feed(token))
        return torch.where(mask[..., None], token, 0.0), share.mean(1) * mask[..., None]


class Learned(NamedTuple):
    """What one pass gives.

    Parameters
    ----------
    embedding : tensor (N, D)
    attention : tensor (N, M, M)
    weight : tensor (1, N, N)
        Of the learned graph.
    logits : tensor (N, C)
    """

    embedding: Tensor
    attention: Tensor
    weight: Tensor
    logits: Tensor


class MMGLNetwork(nn.Module):
    """Attention over modalities, a learned graph of people, two graph convolutions.

    Parameters
    ----------
    shapes : dict of str to (P,)
    n_classes : int
    width, heads : int
        Of the attention.
    hidden : int
        Of the joint embedding, of the rows of P and of the graph convolution.
    dropout : float
    threshold : float
        Of the cosine of two people who are joined.
    smooth, degree, sparse, auxiliary : float
        Weights in the loss: three of the graph, one of the classifier without graph.
    """

    def __init__(
        self,
        shapes: Mapping[str, tuple],
        n_classes: int,
        width: int = 24,
        heads: int = 4,
        hidden: int = 64,
        dropout: float = 0.35,
        threshold: float = 0.7,
        smooth: float = 1.0,
        degree: float = 0.5,
        sparse: float = 0.0,
        auxiliary: float = 1.0,
    ):
        super().__init__()
        widths = {role: shape[0] for role, shape in shapes.items() if role != PHENOTYPES}
        self.terms, self.auxiliary = {"smooth": smooth, "degree": degree, "sparse": sparse}, auxiliary
        self.attention = ModalityAttention(widths, width, heads)
        joint = len(widths) * self.attention.out_channels
        self.join = nn.Sequential(nn.LayerNorm(joint), nn.Linear(joint, hidden), nn.GELU(), Dropout(dropout))
        self.out_channels = hidden + len(widths) ** 2
        self.classify = nn.Linear(self.out_channels, n_classes)
        self.learner = ProjectedCosine(self.out_channels, hidden, threshold)
        self.dropout = Dropout(dropout)
        self.convs = nn.ModuleList([GCNConv(self.out_channels, hidden), GCNConv(hidden, n_classes)])

    def forward(self, population: Population) -> Tensor:
        """Return logits (N, C)."""
        return self.run(population).logits

    def loss(self, population: Population, rows: Tensor, codes: Tensor) -> Tensor:
        """Return the loss of some rows (B,) with codes (B,), and of the graph of the fitted people."""
        learned = self.run(population)
        n = population.fitted
        task = cross_entropy(learned.logits[rows], codes)
        alone = cross_entropy(self.classify(learned.embedding)[rows], codes)
        graph = graph_loss(learned.embedding[None, :n], learned.weight[:, :n, :n], **self.terms)
        return task + self.auxiliary * alone + graph

    def run(self, population: Population) -> Learned:
        """Return what the network makes of a population."""
        inputs = population.inputs
        token, attention = self.attention(
            {role: rows.x.flatten(1) for role, rows in inputs.items()},
            {role: rows.present for role, rows in inputs.items()},
        )
        embedding = torch.cat([self.join(token.flatten(1)), attention.flatten(1)], 1)  # (N, D + M^2)
        weight = self.learner(embedding[None], population.candidates)
        first, second = self.convs
        adjacency = Adjacency.from_dense(weight)
        hidden = first(embedding[None], adjacency).relu()
        return Learned(embedding, attention, weight, second(self.dropout(hidden), adjacency)[0])

    @torch.no_grad()
    def weights(self, population: Population) -> dict[str, Tensor]:
        """Return the map between sorted modalities, "modalities" (N, M, M), and the learned graph, "edges" (N, N)."""
        learned = self.run(population)
        return {"modalities": learned.attention, "edges": learned.weight[0]}


def mmgl(signals: Mapping[str, str]) -> PopulationSystem:
    """MMGL over 256 components of every modality.

    Parameters
    ----------
    signals : dict of str to str
        Role -> modality; any roles.
    """
    return PopulationSystem(
        {role: VectorView(components=256) for role in signals},
        MMGLNetwork,
        same=(),
        signals=dict(signals),
        learning_rate=1.7e-3,
        weight_decay=0.22,
        epochs=200,
        patience=30,
    )


SYSTEM = System(
    "mmgl",
    mmgl,
    "Zheng et al. 2022, IEEE Transactions on Medical Imaging 41:2207, arXiv:2203.05880",
    takes=("timeseries", "connectivity", "measures", "vector"),
    transductive=True,
    found="attention with queries, keys and values of each modality (4 heads of 24), its map beside the embedding, "
    "auxiliary classifier, cosine graph learner, graph loss weights 1, 0.5, 0, two graph convolutions, dropout 0.35, "
    "learning rate 1.7e-3, weight decay 0.22",
    inferred="threshold 0.7 of the cosine, where the release has 0.9: of fresh weights nobody but oneself reaches 0.9, "
    "and the learner of the graph hears no gradient; node features (256 components a modality); width 64 of embedding "
    "and graph; feed-forward layer; weight 1 of the auxiliary cross-entropy; AdamW, whose weight decay is not Adam's; "
    "200 epochs with early stopping on an inner split",
)
