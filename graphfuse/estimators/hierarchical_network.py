"""A network that fuses modalities at every depth of their encoders, with a head at each depth."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

from torch import Tensor, nn

from graphfuse.fusion.hierarchical import HierarchicalFusion, deep_supervision_loss
from graphfuse.graph.graphs import Graphs
from graphfuse.graph.rows import Rows
from graphfuse.nn.dropout import Dropout
from graphfuse.nn.encoder import GraphEncoder, VectorEncoder
from graphfuse.nn.windows import by_subject, window_mean


class LevelEncoder(nn.Module):
    """An encoder that is asked layer by layer, and hears the fused embedding of the layer before.

    Parameters
    ----------
    shape : tuple
        (R, F) of graphs, (P,) of vectors.
    hidden : sequence of int
        Width of each layer; a layer's embedding is the mean over nodes and windows, as wide.
    conv : str
        As in `GraphEncoder`.
    dropout : float
    """

    def __init__(self, shape: Sequence[int], hidden: Sequence[int], conv: str, dropout: float):
        super().__init__()
        kind = VectorEncoder if len(shape) == 1 else _one_layer(conv)
        self.layers = nn.ModuleList(kind(wide, out) for wide, out in pairwise([shape[-1], *hidden]))
        self.dropout = Dropout(dropout)

    def layer(self, level: int, x: Tensor, part: Graphs | Rows, message: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return what leaves a layer, nodes (G, R, D) or rows (B, D), and its embedding (B, D).

        Parameters
        ----------
        level : int
        x : tensor
            What left the layer before; ``part.x`` at the first.
        part : Graphs or Rows
        message : tensor (B, D) or None
            Added to every node of the person.
        """
        if isinstance(part, Rows):
            x = self.layers[level](x)
            x = self.dropout(x if message is None else x + message)
            return x, x
        x = self.layers[level].node_embeddings(x, part.adjacency, part.nodes)
        x = self.dropout(x if message is None else x + _to_graphs(message, part)[:, None])
        return x, window_mean(self.layers[level].readout(x, part.nodes), part.offsets)


class HierarchicalNetwork(nn.Module):
    """``f_l = op_l(z^l)``, ``u_l = relu(W_l [u_(l-1) || f_l] + b_l)``, a head on each u_l, the last one answers.

    The loss is ``CE(last) + weight sum CE(earlier)``, deep supervision.

    Parameters
    ----------
    shapes : dict of str to (R, F) or (P,)
        By role.
    n_classes : int
    fusion : str or callable
        op_l, as `graphfuse.fusion.make_fusion` takes it.
    hidden : sequence of int
        Width of each of the L layers of every encoder.
    width : int
        Width D of f_l and u_l.
    bidirectional : bool
        Let the encoders hear of f_l: ``z_m^(l+1) <- z_m^(l+1) + V_lm f_l``.
    conv : str
        As in `GraphEncoder`.
    dropout : float
    weight : float
        Of the earlier heads.
    """

    def __init__(
        self,
        shapes: Mapping[str, tuple],
        n_classes: int,
        fusion: str | Callable = "gated",
        hidden: Sequence[int] = (32, 32),
        width: int = 32,
        bidirectional: bool = True,
        conv: str = "gcn",
        dropout: float = 0.3,
        weight: float = 0.3,
    ):
        super().__init__()
        self.weight = weight
        self.encoders = nn.ModuleDict(
            {role: LevelEncoder(shapes[role], hidden, conv, dropout) for role in sorted(shapes)}
        )
        self.fusion = HierarchicalFusion([dict.fromkeys(shapes, out) for out in hidden], width, fusion, bidirectional)
        self.heads = nn.ModuleList(nn.Linear(width, n_classes) for _ in hidden)

    def forward(self, inputs: Mapping[str, Graphs | Rows]) -> Tensor:
        """Return the logits of the deepest head, (B, C)."""
        return self.logits(inputs)[-1]

    def loss(self, inputs: Mapping[str, Graphs | Rows], codes: Tensor) -> Tensor:
        """Return the deeply supervised cross-entropy of the classes codes (B,)."""
        return deep_supervision_loss(self.logits(inputs), codes, self.weight)

    def logits(self, inputs: Mapping[str, Graphs | Rows]) -> list[Tensor]:
        """Return the logits of every head, L times (B, C)."""
        present = {role: inputs[role].present for role in self.encoders}
        states, messages, u, answers = {role: inputs[role].x for role in self.encoders}, {}, None, []
        for level, head in enumerate(self.heads):
            embeddings = {}
            for role, encoder in self.encoders.items():
                left = encoder.layer(level, states[role], inputs[role], messages.get(role))
                states[role], embeddings[role] = left
            u, _, messages = self.fusion.step(level, embeddings, present, u)
            answers.append(head(u))
        return answers


def _one_layer(conv: str) -> Callable[[int, int], GraphEncoder]:
    """A convolution, layer norm and relu, whose readout is the mean."""
    return lambda wide, out: GraphEncoder(wide, (out,), conv=conv, readout="mean", dropout=0.0)


def _to_graphs(message: Tensor, part: Graphs) -> Tensor:
    """The message of each person (B, D) to each of his windows, (G, D)."""
    _, present = by_subject(part.x[:, :1, :1], part.offsets)
    return message.repeat_interleave(present.sum(1), 0)
