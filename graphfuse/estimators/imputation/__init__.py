"""What stands in for the vectors of people who lack a modality, learned from training people."""

from __future__ import annotations

from collections.abc import Callable

from sklearn.base import clone

from graphfuse._check import check_option
from graphfuse.errors import InvalidOption
from graphfuse.estimators.imputation.contract import Imputer
from graphfuse.estimators.imputation.mean import MeanImputation
from graphfuse.estimators.imputation.nearest import NearestImputation
from graphfuse.estimators.imputation.propagation import FeaturePropagation
from graphfuse.estimators.imputation.regression import RidgeImputation

IMPUTERS: dict[str, Callable[[], Imputer]] = {
    "mean": MeanImputation,
    "nearest": NearestImputation,
    "propagation": FeaturePropagation,
    "ridge": RidgeImputation,
}

__all__ = [
    "IMPUTERS",
    "FeaturePropagation",
    "Imputer",
    "MeanImputation",
    "NearestImputation",
    "RidgeImputation",
    "make_imputer",
]


def make_imputer(impute) -> Imputer:
    """An unfitted imputer of an `impute` option: a key of `IMPUTERS`, or an object with fit, transform and both.

    Raises
    ------
    InvalidOption
    """
    if isinstance(impute, str):
        return IMPUTERS[check_option("impute", impute, IMPUTERS)]()
    if isinstance(impute, type) or not (hasattr(impute, "fit_transform") and hasattr(impute, "transform")):
        raise InvalidOption(
            f"impute must be one of {', '.join(sorted(IMPUTERS))} or an imputer such as NearestImputation(k=5); got "
            f"{impute!r:.60}."
        )
    return clone(impute)
