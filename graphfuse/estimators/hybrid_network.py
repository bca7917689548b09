"""A network with a head for the fused features and one for each modality, whose answers are fused."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from graphfuse._check import check_option, check_range
from graphfuse.fusion import make_fusion
from graphfuse.fusion.output import output_rule
from graphfuse.graph.graphs import Graphs
from graphfuse.graph.rows import Rows
from graphfuse.losses.contract import nothing
from graphfuse.nn.dropout import Dropout
from graphfuse.nn.encoder import GraphEncoder, VectorEncoder
from graphfuse.nn.windows import window_mean

CLIP = 1e-6  # of fused probabilities before their logarithm


class RoleEncoder(nn.Module):
    """One embedding a person: of graphs by a `GraphEncoder`, meaned over windows; of vectors by ``relu(W x + b)``.

    Parameters
    ----------
    shape : tuple
        (R, F) of graphs, (P,) of vectors.
    width : int
        Of the embedding of vectors.
    conv, hidden, readout, dropout
        As in `GraphEncoder`.

    Attributes
    ----------
    out_channels : int
    """

    def __init__(
        self, shape: Sequence[int], width=32, conv="gcn", hidden: Sequence[int] = (32,), readout="flatten", dropout=0.3
    ):
        super().__init__()
        if len(shape) == 2:
            self.module = GraphEncoder(shape[1], hidden, conv, readout, dropout, num_nodes=shape[0])
            self.out_channels = self.module.out_channels
        else:
            self.module = VectorEncoder(shape[0], width)
            self.out_channels = width

    def forward(self, part: Graphs | Rows) -> Tensor:
        """Return embeddings (B, out_channels)."""
        if isinstance(part, Rows):
            return self.module(part.x)
        return window_mean(self.module(part.x, part.adjacency, part.nodes), part.offsets)


class HybridNetwork(nn.Module):
    """``p_0 = head(fusion(z))``, ``p_m = head_m(z_m)``, then an output rule over ``{p_0, p_1, .., p_M}``.

    The loss is ``CE(p_0) + lambda sum_m CE(p_m)``, each a mean over those who have what the head reads.

    Parameters
    ----------
    shapes : dict of str to (R, F) or (P,)
        By role.
    n_classes : int
    fusion : str or callable
        As `graphfuse.fusion.make_fusion` takes it.
    output : str or callable
        A rule of `graphfuse.fusion.output.OUTPUTS`; the fused head comes first, then the roles by name.
    output_options : dict or None
        Of the rule, such as ``{"weights": (2, 1, 1)}``.
    together : sequence of str or None
        Roles whose features are fused; the others join at the output only. None: all.
    head_weight : float
        lambda; 0.3 is ours.
    width : int
        Width D of the fused embedding.
    dropout : float
        In the encoders and before every head.
    encoder
        Options of `RoleEncoder`.
    """

    def __init__(
        self,
        shapes: Mapping[str, tuple],
        n_classes: int,
        fusion: str | Callable = "gated",
        output: str | Callable = "mean",
        output_options: Mapping | None = None,
        together: Sequence[str] | None = None,
        head_weight: float = 0.3,
        width: int = 32,
        dropout: float = 0.3,
        **encoder,
    ):
        super().__init__()
        self.roles, self.n_classes = sorted(shapes), n_classes
        self.together = sorted({check_option("a role of together", r, self.roles) for r in together or self.roles})
        self.rule, self.output_options = output_rule(output), dict(output_options or {})
        self.head_weight = check_range("head_weight", head_weight, 0)
        encoders = {role: RoleEncoder(shapes[role], width, dropout=dropout, **encoder) for role in self.roles}
        widths = {role: part.out_channels for role, part in encoders.items()}
        self.encoders = nn.ModuleList(encoders.values())
        self.fusion = make_fusion(fusion, {role: widths[role] for role in self.together}, width)
        self.fused_head = _head(width, n_classes, dropout)
        self.heads = nn.ModuleList(_head(widths[role], n_classes, dropout) for role in self.roles)

    def forward(self, inputs: Mapping[str, Graphs | Rows]) -> Tensor:
        """Return the logarithm of the fused probabilities, (B, C), at least log 1e-6: logits whose softmax they are."""
        logits, present = self.opinions(inputs)
        return self.rule(logits.softmax(-1), present, **self.output_options).clamp(min=CLIP).log()

    def loss(self, inputs: Mapping[str, Graphs | Rows], codes: Tensor) -> Tensor:
        """Return ``CE(p_0) + lambda sum_m CE(p_m)`` for the classes codes (B,)."""
        logits, present = self.opinions(inputs)
        first, *others = [_mean_loss(logits[own, k], codes[own]) for k, own in enumerate(present.T)]
        return first + self.head_weight * sum(others)

    def opinions(self, inputs: Mapping[str, Graphs | Rows]) -> tuple[Tensor, Tensor]:
        """Return the logits of the fused head and of each role's, (B, 1 + M, C), and who has them, bool (B, 1 + M)."""
        embeddings = {role: encode(inputs[role]) for role, encode in zip(self.roles, self.encoders, strict=True)}
        present = {role: inputs[role].present for role in self.roles}
        fused, has_fused = self._fused(embeddings, present)
        single = [head(embeddings[role]) for role, head in zip(self.roles, self.heads, strict=True)]
        return torch.stack([fused, *single], 1), torch.stack([has_fused, *present.values()], 1)

    def _fused(self, embeddings: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Return the fused head's logits (B, C), zeros for who has no role that is fused, and who has one."""
        able = torch.stack([present[role] for role in self.together]).any(0)
        logits = embeddings[self.roles[0]].new_zeros(len(able), self.n_classes)
        if able.any():
            parts = {role: embeddings[role][able] for role in self.together}
            z, _ = self.fusion(parts, {role: present[role][able] for role in self.together})
            logits[able] = self.fused_head(z)
        return logits, able


def _head(width: int, n_classes: int, dropout: float) -> nn.Module:
    return nn.Sequential(Dropout(dropout), nn.Linear(width, n_classes))


def _mean_loss(logits: Tensor, codes: Tensor) -> Tensor:
    """Cross-entropy of those who have the head, 0 if nobody has."""
    return cross_entropy(logits, codes) if len(codes) else nothing(logits)
