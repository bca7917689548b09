"""Region importance of a linear baseline: its activation pattern, not its weights."""

from __future__ import annotations

import numpy as np
import pandas as pd

from graphfuse.cohort import Cohort
from graphfuse.errors import InvalidOption, NotFitted
from graphfuse.estimators.features import EdgeVector
from graphfuse.estimators.ridge import Ridge
from graphfuse.explain.importance import PLACE, places_of, ranked


def linear_importance(ridge: Ridge, cohort: Cohort) -> pd.DataFrame:
    """Rank the regions by the Haufe pattern of a fitted `Ridge`.

    ``a = Cov(X) w / Var(s) = Cov(X, s) / Var(s)`` with the weights w and the scores ``s = X w`` of these subjects: how
    each edge or measure goes along with the score. A weight alone may be large only because it cancels noise, and is
    unreliable even with thousands of people (Chen et al.). ``I_r`` is the sum of ``|a|`` over the measures of region r
    and half of that of its edges, as a share of its modality, times ``w_m = sum_j w_j a_j`` over the modality, the
    share of the variance of the scores (negative ones counted as 0, summing to 1).

    `CrossValidation` keeps graph models only; for folds, fit along its splits::

        splits = gf.Splits(folds=5).split(cohort)
        tables = [linear_importance(gf.Ridge().fit(cohort[train]), cohort[test]) for train, test in splits]
        pd.concat(tables).groupby(["modality", "region"])["mean"].agg(["mean", "std"])

    Parameters
    ----------
    ridge : Ridge
        Fitted, on signals that have regions.
    cohort : Cohort
        N subjects, at least 2; those the ridge was fitted on or, better, others. Labels are not looked at.

    Returns
    -------
    DataFrame
        model, region, modality, mean, rank, network, hemisphere, x, y, z [MNI mm], as `region_importance` has them;
        all means are 0 where everybody has the same score.

    Raises
    ------
    InvalidOption
        Not a Ridge, or a modality without regions.
    NotFitted

    References
    ----------
    Haufe et al. (2014). On the interpretation of weight vectors of linear models in multivariate neuroimaging.
    NeuroImage 87:96.
    Chen et al. (2023). Relationship between prediction accuracy and feature importance reliability. NeuroImage 274.
    """
    if not isinstance(ridge, Ridge):
        raise InvalidOption(f"Haufe patterns need a linear model, gf.Ridge; got {type(ridge).__name__}.")
    if not hasattr(ridge, "coef_"):
        raise NotFitted("Haufe patterns need a fitted model; call fit(cohort) first.")
    pattern, weight = _pattern(ridge, cohort)
    tables, begin = [], 0
    for name, part in ridge.vector_.parts_.items():
        here = slice(begin, begin := begin + len(part.mean_))
        signal = cohort.signals[name]
        credit = _by_region(part, signal, np.abs(pattern[here]))
        share = max(float(weight[here] @ pattern[here]), 0.0)
        columns = {"region": signal.names, "modality": name, "mean": _normed(credit) * share}
        tables.append(pd.DataFrame(columns).join(places_of(signal)))
    table = pd.concat(tables, ignore_index=True)
    table = ranked(table.assign(mean=_normed(table["mean"].to_numpy())), "ridge")
    return table[["model", "region", "modality", "mean", "rank", *PLACE]]


def _pattern(ridge: Ridge, cohort: Cohort) -> tuple[np.ndarray, np.ndarray]:
    """Pattern a (P,) and weights w (P,) of the score of the last class less the mean of the others."""
    ridge.decision_function(cohort)  # raises when the cohort does not fit
    X = ridge.vector_.transform(cohort.blind()).astype(np.float64)  # (N, P)
    weight = ridge.coef_[:, -1] - ridge.coef_[:, :-1].mean(1)
    X -= X.mean(0)
    score = X @ weight
    energy = float(score @ score)
    return (score @ X / energy if energy > 0 else np.zeros(len(weight))), weight


def _by_region(part, signal, size: np.ndarray) -> np.ndarray:
    """Sizes (P,) credited to the R regions: an edge gives one half to either end."""
    n = signal.n_regions
    if signal.kind == "vector":
        raise InvalidOption("A vector signal has no regions to rank; give Ridge the signals that have some.")
    if not isinstance(part, EdgeVector):
        return size.reshape(n, -1).sum(1)
    credit = np.zeros(n)
    for ends in np.triu_indices(n, 0 if part.kind == "tangent" else 1):
        np.add.at(credit, ends, size / 2)
    return credit


def _normed(values: np.ndarray) -> np.ndarray:
    total = values.sum()
    return values / total if total > 0 else np.zeros(len(values))
