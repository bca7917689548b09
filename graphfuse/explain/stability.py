"""Do the folds agree on what matters?"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import numpy as np
from scipy.stats import rankdata

from graphfuse._check import check_finite, check_range, check_shape

UNSTABLE = 0.4  # intraclass correlation; below it is called poor (Cicchetti 1994)


def rank_stability(per_fold: np.ndarray) -> float:
    """Mean Spearman correlation of the importances between folds.

    1 = every fold ranks the regions alike, about 0 = chance (a little above it, because folds share training subjects).

    Parameters
    ----------
    per_fold : array (K, R)
        Importance of each region in each fold. A fold in which all are equal agrees with nobody (0).

    Returns
    -------
    float
        1 for a single fold, with which nobody disagrees.

    References
    ----------
    Nogueira, Sechidis and Brown (2018). On the stability of feature selection algorithms. JMLR 18:174.
    """
    ranks = rankdata(_checked(per_fold), axis=1)  # (K, R)
    centred = ranks - ranks.mean(1, keepdims=True)
    length = np.linalg.norm(centred, axis=1, keepdims=True)
    unit = centred / np.where(length > 0, length, 1)
    pairs = [unit[a] @ unit[b] for a, b in combinations(range(len(unit)), 2)]
    return float(np.mean(pairs)) if pairs else 1.0


def fold_icc(per_fold: np.ndarray) -> float:
    """Intraclass correlation ICC(3,1) over folds: do they agree on how much each region matters?

    ``(MS_r - MS_e) / (MS_r + (K - 1) MS_e)`` with the mean squares of regions and of the rest in a two-way table.
    Unlike ranks, it does not ask the folds to agree on the order of the many regions that do not matter.

    Parameters
    ----------
    per_fold : array (K, R)
        Importance of each of at least two regions in each fold.

    Returns
    -------
    float
        At most 1; 1 for a single fold, 0 where nothing varies.

    References
    ----------
    Shrout and Fleiss (1979). Intraclass correlations: uses in assessing rater reliability. Psychol Bull 86:420.
    """
    values = _checked(per_fold)
    folds, regions = values.shape
    if folds == 1:
        return 1.0
    by_region, by_fold, mean = values.mean(0), values.mean(1, keepdims=True), values.mean()
    region = folds * np.square(by_region - mean).sum() / max(regions - 1, 1)
    rest = np.square(values - by_region - by_fold + mean).sum() / max((regions - 1) * (folds - 1), 1)
    whole = region + (folds - 1) * rest
    return float((region - rest) / whole) if whole > 0 else 0.0


def top_share(per_fold: np.ndarray, k: int = 10) -> np.ndarray:
    """Share of folds (R,) in which a region is among the `k` of the largest importance; chance is ``k / R``.

    Parameters
    ----------
    per_fold : array (K, R)
    k : int
        Ties at the edge go to the earlier region; importances of 0 never count.
    """
    per_fold = _checked(per_fold)
    check_range("k", k, 1)
    place = np.argsort(np.argsort(-per_fold, axis=1, kind="stable"), axis=1, kind="stable")
    return ((place < k) & (per_fold > 0)).mean(0)


def fold_agreement(shares: Mapping[str, np.ndarray], weights: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Both measures over K folds (or seeds, or repeats), a modality counting as much as it contributes.

    Parameters
    ----------
    shares : mapping of modality to array (K, R)
        Importance of each region within its modality.
    weights : mapping of modality to array (K,)
        What the modality contributes.

    Returns
    -------
    dict
        ``icc`` (`fold_icc`) and ``rank_stability``.
    """
    parts = np.array([weight.mean() for weight in weights.values()])
    parts = parts / parts.sum() if parts.sum() > 0 else np.full(len(parts), 1 / len(parts))
    measures = {"icc": fold_icc, "rank_stability": rank_stability}
    return {key: float(parts @ [measure(v) for v in shares.values()]) for key, measure in measures.items()}


def _checked(per_fold: np.ndarray) -> np.ndarray:
    return check_finite("per_fold", check_shape("per_fold", np.asarray(per_fold, dtype=float), (None, None)))
