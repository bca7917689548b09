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
        Width of each layer and of its embedding: the readout, mapped to that width where it is wider, and its mean
        over windows.
    conv, readout : str
        As in `GraphEncoder`.
    dropout : float
    """

    def __init__(self, shape: Sequence[int], hidden: Sequence[int], conv: str, readout: str, dropout: float):
        super().__init__()
        kind = VectorEncoder if len(shape) == 1 else _one_layer(conv, readout, shape[0])
        self.layers = nn.ModuleList(kind(wide, out) for wide, out in pairwise([shape[-1], *hidden]))
        widths = [(layer.out_channels, out) for layer, out in zip(self.layers, hidden, strict=True)]
        self.maps = nn.ModuleList(nn.Linear(*pair) if pair[0] > pair[1] else nn.Identity() for pair in widths)
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
        embeddings = self.maps[level](self.layers[level].readout(x, part.nodes))  # (G, D)
        return x, window_mean(embeddings, part.offsets)


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
    conv, readout : str
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
        readout: str = "flatten",
        dropout: float = 0.3,
        weight: float = 0.3,
    ):
        super().__init__()
        self.weight = weight
        self.encoders = nn.ModuleDict(
            {role: LevelEncoder(shapes[role], hidden, conv, readout, dropout) for role in sorted(shapes)}
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


def _one_layer(conv: str, readout: str, num_nodes: int) -> Callable[[int, int], GraphEncoder]:
    """A convolution, layer norm and relu, and a readout."""
    return lambda wide, out: GraphEncoder(wide, (out,), conv, readout, num_nodes=num_nodes)


def _to_graphs(message: Tensor, part: Graphs) -> Tensor:
    """The message of each person (B, D) to each of his windows, (G, D)."""
    _, present = by_subject(part.x[:, :1, :1], part.offsets)
    return message.repeat_interleave(present.sum(1), 0)
