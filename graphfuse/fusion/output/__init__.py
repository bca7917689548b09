"""Fusions of outputs: ``rule(probabilities (B, M, C), present bool (B, M), **options) -> (B, C)``, rows summing to 1.

A missing modality drops out and its values change no bit; who has one modality gets that one's answer.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from graphfuse._check import check_option
from graphfuse.errors import InvalidOption
from graphfuse.fusion.output.auc import area_under_curve, auc
from graphfuse.fusion.output.bayes import bayes
from graphfuse.fusion.output.dempster_shafer import combine_evidence, combine_opinions, dempster_shafer
from graphfuse.fusion.output.maximum import maximum
from graphfuse.fusion.output.mean import mean
from graphfuse.fusion.output.precision import precision
from graphfuse.fusion.output.rank import rank
from graphfuse.fusion.output.vote import vote
from graphfuse.fusion.output.weighted import softmax_weights, weighted

OUTPUTS: dict[str, Callable[..., Tensor]] = {
    "auc": auc,
    "bayes": bayes,
    "dempster-shafer": dempster_shafer,
    "max": maximum,
    "mean": mean,
    "precision": precision,
    "rank": rank,
    "vote": vote,
    "weighted": weighted,
}

__all__ = [
    "OUTPUTS",
    "area_under_curve",
    "combine_evidence",
    "combine_opinions",
    "output_rule",
    "softmax_weights",
]


def output_rule(rule: str | Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Return the rule of this name in `OUTPUTS`, or `rule` itself where it can be called; else `InvalidOption`."""
    if isinstance(rule, str):
        return OUTPUTS[check_option("rule", rule, OUTPUTS)]
    if not callable(rule):
        raise InvalidOption(
            f"rule must be one of {', '.join(sorted(OUTPUTS))}, or callable as (probabilities, present, **options); "
            f"got a {type(rule).__name__}."
        )
    return rule
