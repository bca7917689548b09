"""Weights by the order of the models."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from graphfuse.fusion.output.contract import by_modality, enter, shares


def rank(probabilities: Tensor, present: Tensor, area: Tensor | Sequence[float] | None = None) -> Tensor:
    """Return ``sum_m w_m p_m / sum_m w_m`` with rank-sum weights ``w_m = M' + 1 - r_m`` over who is there, (B, C).

    r_m is the place of model m among the M' that a person has, 1 for the largest area; tied models share a place. Only
    the order of the areas counts, which is what few people can tell.

    Parameters
    ----------
    probabilities, present
        See `graphfuse.fusion.output.contract.enter`, for the errors too.
    area : tensor or sequence (M,)
        Areas under the curve, or another score at least 0, larger is better; needed.

    References
    ----------
    Stillwell, Seaver and Edwards (1981). A comparison of weight approximation techniques in multiattribute utility
    decision making. Organizational Behavior and Human Performance 28:62-77.
    """
    p, mask = enter(probabilities, present)
    score = by_modality("area", area, p, mask)
    beaten = (score[:, :, None] > score[:, None]).to(p) + 0.5 * (score[:, :, None] == score[:, None]).to(p)
    weight = (beaten * mask[:, None].to(p)).sum(2) + 0.5  # beats itself by half: M' + 1 - r_m
    return (shares(weight, mask)[..., None] * p).sum(1)
