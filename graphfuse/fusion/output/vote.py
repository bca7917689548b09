"""One model, one vote."""

from __future__ import annotations

import torch
from torch import Tensor

from graphfuse._check import check_option
from graphfuse.fusion.output.contract import enter, shares


def _hard(p: Tensor, share: Tensor) -> Tensor:
    votes = (share[..., None] * _ballots(p)).sum(1)  # (B, C)
    return _dealt(votes, (share[..., None] * p).sum(1))


def _soft(p: Tensor, share: Tensor) -> Tensor:
    return (share[..., None] * p).sum(1)


KINDS = {"hard": _hard, "soft": _soft}  # (p (B, M, C), equal shares (B, M)) -> (B, C)


def vote(probabilities: Tensor, present: Tensor, kind: str = "hard") -> Tensor:
    """Return the share of votes of each class, (B, C); everybody who is there has one.

    A hard vote goes to the model's most probable class; a model that has several parts its vote among them. Where the
    leading classes have equally many votes, their votes are dealt out anew in proportion to their mean probabilities
    (two models that disagree thus end at these means); where these are equal as well the tie stays, and ``argmax``
    takes the first class. The treatment of ties is ours. A soft vote is the model's probabilities: the mean rule.

    Parameters
    ----------
    probabilities, present
        See `graphfuse.fusion.output.contract.enter`, for the errors too.
    kind : {"hard", "soft"}
        A hard vote has no gradient but at ties.

    References
    ----------
    Kittler et al. (1998). On combining classifiers. IEEE TPAMI 20:226-239 (majority vote rule).
    """
    check_option("kind", kind, KINDS)
    p, mask = enter(probabilities, present)
    return KINDS[kind](p, shares(torch.ones_like(p[..., 0]), mask))


def _ballots(p: Tensor) -> Tensor:
    """Return where each model's vote goes, (B, M, C), rows summing to 1."""
    top = (p == p.amax(-1, keepdim=True)).to(p)
    return top / top.sum(-1, keepdim=True)


def _dealt(votes: Tensor, mean: Tensor) -> Tensor:
    """Deal the votes (B, C) of tied leaders out by their mean probabilities (B, C)."""
    room = 8 * torch.finfo(votes.dtype).eps  # shares of thirds and sevenths are rounded
    leading = votes >= votes.amax(1, keepdim=True) - room
    stake = torch.where(leading, votes, 0.0).sum(1, keepdim=True)
    mean = torch.where(leading, mean, 0.0)
    dealt = torch.where(leading, stake * mean / mean.sum(1, keepdim=True), votes)
    return torch.where(leading.sum(1, keepdim=True) > 1, dealt, votes)
