"""The loudest opinion."""

from __future__ import annotations

from torch import Tensor

from graphfuse.fusion.output.contract import enter


def maximum(probabilities: Tensor, present: Tensor) -> Tensor:
    """Return ``max_m p_mc / sum_k max_m p_mk``, (B, C): a class is as likely as its strongest advocate says.

    See `graphfuse.fusion.output.contract.enter` for the arguments and errors.

    References
    ----------
    Kittler et al. (1998). On combining classifiers. IEEE TPAMI 20:226-239 (max rule).
    """
    p, _ = enter(probabilities, present)
    loudest = p.amax(1)
    return loudest / loudest.sum(1, keepdim=True)
