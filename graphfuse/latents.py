"""Latent scores of simulated people: each modality carries the class, or only their combination does."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.stats import norm, rankdata

DRAWS = 200_000  # people who tell the AUC of a distance between classes


def separate_latents(people: pd.DataFrame, n_modalities: int, auc: float, shared: float, rng) -> np.ndarray:
    """Latents (N, M) ``s_m ~ N(+-delta / 2, 1)`` in a class, with correlation `shared`; their mean has this AUC.

    Scans of one person have the same latents.
    """
    n = people["person"].max() + 1
    common, own = rng.standard_normal((n, 1)), rng.standard_normal((n, n_modalities))
    noise = np.sqrt(shared) * common + np.sqrt(1 - shared) * own
    delta = np.sqrt(2) * norm.ppf(auc) * np.sqrt((1 + (n_modalities - 1) * shared) / n_modalities)
    return noise[people["person"]] + delta * (people["class"].to_numpy()[:, None] - 0.5)


def crossed_latents(people: pd.DataFrame, auc: float, rng) -> np.ndarray:
    """Latents (N, 2) ``s_1 = u d / 2 + e_1``, ``s_2 = c u d / 2 + e_2`` with a sign u that no class has more of.

    c is -1 and 1 for the two classes, so that each latent alone is the same mixture in both: only their combination
    tells the class. `crossed_liability` has this AUC.
    """
    n = people["person"].max() + 1
    sign, noise = rng.choice([-1.0, 1.0], n), rng.standard_normal((n, 2))
    half = crossed_delta(auc) / 2
    label = 2 * people["class"].to_numpy() - 1
    own = people["person"].to_numpy()
    return noise[own] + half * np.stack([sign[own], sign[own] * label], 1)


def crossed_liability(latents: np.ndarray, delta: float) -> np.ndarray:
    """The optimal score (N,) of crossed latents, ``log cosh(d (s_1 + s_2) / 2) - log cosh(d (s_1 - s_2) / 2)``."""
    first, second = latents.T
    return _log_cosh(delta / 2 * (first + second)) - _log_cosh(delta / 2 * (first - second))


@lru_cache(maxsize=8)
def crossed_delta(auc: float) -> float:
    """The delta at which the optimal score of crossed latents has this AUC, to about .002."""
    if auc == 0.5:
        return 0.0
    rng = np.random.default_rng(0)
    noise, label = rng.standard_normal((DRAWS, 2)), np.arange(DRAWS) % 2

    def surplus(delta: float) -> float:
        means = delta / 2 * np.stack([np.ones(DRAWS), 2 * label - 1], 1)
        return area_under_curve(label, crossed_liability(noise + means, delta)) - auc

    return float(brentq(surplus, 1e-3, 20.0, xtol=1e-3))


def area_under_curve(label: np.ndarray, score: np.ndarray) -> float:
    """Share of pairs (one of each class) that the score puts in order."""
    label = np.asarray(label)
    n1 = int(label.sum())
    return float((rankdata(score)[label == 1].sum() - n1 * (n1 + 1) / 2) / (n1 * (len(label) - n1)))


def _log_cosh(x: np.ndarray) -> np.ndarray:
    return np.logaddexp(x, -x) - np.log(2)
