"""What every learned graph keeps to: ``learner(x (G, R, F), candidates bool (G, R, R) or None) -> weight (G, R, R)``.

Row i says whom node i hears. It is made of x_i, of row i of the candidates and of the features of those candidates, so
that somebody attached later, who is a candidate of nobody, changes nobody's row. Without candidates everybody hears
everybody, himself too. The weights are dense, R x R numbers a graph: right for regions and for a few thousand people.
"""

from __future__ import annotations

import torch
from torch import Tensor

from graphfuse._check import check_shape
from graphfuse._memory import check_memory
from graphfuse.errors import InvalidOption
from graphfuse.kernels.finite import LIMIT, check_finite
from graphfuse.nn.simplex import softmax_where

ASK_FROM = 2**24  # weights from which memory is asked for first: one graph of 4096 nodes
COPIES = 6  # of the weights: scores, weights, what a backward keeps of both, and two gradients


def enter(x: Tensor, candidates: Tensor | None, in_channels: int | None = None) -> None:
    """Check what comes to a learned graph.

    Parameters
    ----------
    x : tensor (G, R, F)
    candidates : bool tensor (G, R, R) or None
    in_channels : int or None
        The width F that the learner was made for; None takes any.

    Raises
    ------
    ShapeMismatch
    InvalidOption
        Candidates that are not bool.
    NonFinite
        A NaN, or a number beyond `LIMIT`.
    MemoryBudget
        More nodes than there is memory for their pairs.
    """
    graphs, nodes, _ = check_shape("x", x, (None, None, in_channels)).shape
    check_pairs(graphs, nodes, nodes, x.element_size())
    check_finite("x", x, LIMIT)
    if candidates is not None:
        check_bool("candidates", check_shape("candidates", candidates, (graphs, nodes, nodes)))


def check_bool(name: str, mask: Tensor) -> Tensor:
    """Return `mask` if it is bool, else raise `InvalidOption`."""
    if mask.dtype != torch.bool:
        raise InvalidOption(f"{name} must be bool; got {mask.dtype}. Use {name} != 0.")
    return mask


def check_pairs(graphs: int, targets: int, sources: int, bytes_each: int) -> None:
    """Raise `MemoryBudget` if weights of all pairs, with what training adds, would not fit."""
    if graphs * targets * sources >= ASK_FROM:
        remedy = "Learn a graph of fewer nodes, or build a sparse one."
        size = COPIES * bytes_each * graphs * targets * sources
        check_memory(f"A learned graph of {graphs} x {targets} x {sources}", size, remedy)


def among(weight: Tensor, candidates: Tensor | None) -> Tensor:
    """Return the weights with 0 where there is no candidate, after a check that they are finite."""
    check_finite("Learned weights", weight)
    return weight if candidates is None else torch.where(candidates, weight, 0.0)


def softmax_among(score: Tensor, candidates: Tensor | None) -> Tensor:
    """Return the softmax of the last dimension over the candidates; a row without any is 0."""
    check_finite("Scores of pairs", score)
    return score.softmax(-1) if candidates is None else softmax_where(score, candidates)


def attach_candidates(candidates: Tensor, rows: Tensor) -> Tensor:
    """Return candidates (G, N + n, N + n) in which n new nodes hear some of the N fitted ones, and nobody hears them.

    Parameters
    ----------
    candidates : bool tensor (G, N, N)
    rows : bool tensor (G, n, N)
        Whom of the fitted nodes each new one may hear.

    Raises
    ------
    ShapeMismatch
    InvalidOption
        A tensor that is not bool.
    """
    graphs, nodes, _ = check_bool("candidates", check_shape("candidates", candidates, (None, None, None))).shape
    check_shape("candidates", candidates, (graphs, nodes, nodes))
    check_bool("rows", check_shape("rows", rows, (graphs, None, nodes)))
    nobody = candidates.new_zeros(graphs, nodes + rows.shape[1], rows.shape[1])
    return torch.cat([torch.cat([candidates, rows], 1), nobody], 2)
