"""Weights by precision."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from graphfuse._check import check_range
from graphfuse.fusion.output.contract import by_modality, enter, shares


def precision(
    probabilities: Tensor,
    present: Tensor,
    variance: Tensor | Sequence[float] | None = None,
    floor: float = 1e-6,
) -> Tensor:
    """Return ``sum_m w_m p_m / sum_m w_m`` with ``w_m = 1 / (s_m^2 + floor)`` over who is there, (B, C).

    Parameters
    ----------
    probabilities, present
        See `graphfuse.fusion.output.contract.enter`, for the errors too.
    variance : tensor or sequence (M,), or (B, M)
        s_m^2, at least 0, of the models' errors; needed. Of each person, if a model says how sure it is of each.
    floor : float
        Above 0, so that a model without an error seen does not silence the rest.

    References
    ----------
    Bates and Granger (1969). The combination of forecasts. Operational Research Quarterly 20:451-468.
    """
    check_range("floor", floor, 0, open_low=True)
    p, mask = enter(probabilities, present)
    variance = by_modality("variance", variance, p, mask)
    return (shares(1 / (variance + floor), mask)[..., None] * p).sum(1)
