"""Does the model lose what it knows when the regions that are called important are taken away?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from graphfuse._check import check_option, check_range
from graphfuse.errors import SingleClassFold
from graphfuse.evaluate.result import CrossValidation
from graphfuse.explain.attribution import scores
from graphfuse.explain.contribution import profiles
from graphfuse.explain.held_out import HeldOut, explained_model, held_out
from graphfuse.explain.importance import importance_table
from graphfuse.explain.removal import (
    Order,
    delong_variance,
    pairs_in_order,
    random_order,
    reverse_order,
    without_regions,
)

BEATEN = 0.95  # of the random orders
LARGEST = 4  # at most a quarter of the regions goes


def faithfulness(
    result: CrossValidation,
    model: str | None = None,
    importance: pd.DataFrame | None = None,
    *,
    steps: int | Sequence[int] = 5,
    draws: int = 20,
    share: float = 1.0,
    random_state: int = 0,
) -> pd.DataFrame:
    """Take the k most important regions from held-out subjects, or k others, and see how far the AUC falls.

    A region that goes takes all its measures and edges in its modality along: its features become 0, the mean training
    subject; it has no edges; and it is masked, which is how a region that a scan does not cover looks in training. No
    model is fitted again. What shifts the scores of all subjects alike, as an emptied region does, leaves an AUC as it
    is; still a brain with holes is not what the network was trained on, so only the difference to `draws` random
    orders of as many regions of each modality counts. Important regions may have more edges than random ones, hence
    shift more; ``share < 1`` takes away a random part of their edges and features only, which stays nearer to whole
    brains (the robust fidelity of Zheng et al.).

    Parameters
    ----------
    result : CrossValidation
        With fitted `FusionClassifier`, and labels of the test subjects, for the AUC only.
    model : str or None
        As in `region_importance`.
    importance : DataFrame or None
        From `region_importance`, for the order of the regions; None = computed here. It uses no labels.
    steps : int or sequence of int
        Numbers of regions k to take away; an int: so many, from 1 to a quarter of all, evenly spaced in log k.
    draws : int
        Random orders, at least 1.
    share : float
        In (0, 1].
    random_state : int

    Returns
    -------
    DataFrame
        k and the mean drop of the AUC over folds: important, random (mean over draws), random_low, random_high (5 and
        95 % of the draws), least (the k least important). With more than two classes, the AUC of the last class.
        ``attrs``: ``auc`` before; ``area``, the mean over k of important less random [AUC], with its 95 % interval
        ``area_low``, ``area_high`` over subjects (DeLong; models fixed); ``beaten``, share of the random orders of
        smaller mean drop; ``draws``; ``faithful``: the interval lies above 0 and 95 % of the random orders are beaten.

    Raises
    ------
    InvalidOption
    SingleClassFold
        No test fold holds both classes.

    References
    ----------
    Samek et al. (2017). Evaluating the visualization of what a deep neural network has learned. IEEE TNNLS 28:2660.
    Zheng et al. (2024). Towards robust fidelity for evaluating explainability of graph neural networks. ICLR.
    """
    check_range("draws", draws, 1)
    check_range("share", share, 0, 1, open_low=True)
    model = explained_model(result, model)
    importance = importance_table(result, model) if importance is None else importance
    order = _order(result, importance, model)
    counts = _counts(steps, len(order))
    orders = _orders(result, order, draws, random_state)
    found = [
        _remove(fold, positive, orders, counts, share, random_state)
        for fold in held_out(result, model, "Removing regions")
        if 0 < (positive := _positive(result, fold)).sum() < len(positive)
    ]
    if not found:
        raise SingleClassFold("Faithfulness needs a test fold with both classes; there is none. Use fewer folds.")
    return _table(found, counts)


@dataclass(frozen=True, eq=False)
class _Removed:
    """One fold: AUC before, AUC (O, K) by order and k, and what the area's variance over subjects is made of."""

    repeat: int
    before: float
    auc: np.ndarray
    variance: float


def _order(result: CrossValidation, importance: pd.DataFrame, model: str) -> Order:
    """(modality, region number), the most important first."""
    rows = importance[importance["model"] == model].sort_values("rank", kind="stable")
    numbers = {name: {region: r for r, region in enumerate(s.names)} for name, s in result.cohort.signals.items()}
    return [
        (name, numbers[check_option("modality", name, list(numbers))][region])
        for name, region in zip(rows["modality"], rows["region"], strict=True)
    ]


def _counts(steps: int | Sequence[int], n: int) -> list[int]:
    if not isinstance(steps, int):
        return [int(check_range("steps", k, 1, n)) for k in steps]
    check_range("steps", steps, 1)
    return np.unique(np.geomspace(1, max(n // LARGEST, 1), steps).round().astype(int)).tolist()


def _orders(result: CrossValidation, order: Order, draws: int, random_state: int) -> list[Order]:
    """Important first, least important first, and random ones."""
    rng = np.random.default_rng(random_state)
    size = {name: result.cohort.signals[name].n_regions for name in dict(order)}
    return [order, reverse_order(order), *(random_order(order, size, rng) for _ in range(draws))]


def _positive(result: CrossValidation, fold: HeldOut) -> np.ndarray:
    return result.cohort.y[fold.test] == len(result.cohort.classes) - 1


def _remove(fold: HeldOut, positive, orders: list[Order], counts: list[int], share: float, seed: int) -> _Removed:
    """Score the test subjects of one fold without the first k regions of each order."""
    rng, own = np.random.default_rng(seed), profiles(fold.fitted)
    auc, contrast = np.zeros((len(orders), len(counts))), 0.0
    for o, order in enumerate(orders):
        sign = {0: -1.0, 1: 0.0}.get(o, 1 / (len(orders) - 2))  # AUC without random less AUC without important ones
        for j, k in enumerate(counts):
            score = scores(fold.fitted.network_, without_regions(fold.graphs, order[:k], own, share, rng))
            pairs = pairs_in_order(score, positive)
            auc[o, j] = pairs.mean()
            contrast = contrast + sign / len(counts) * pairs
    before = pairs_in_order(scores(fold.fitted.network_, fold.graphs), positive).mean()
    return _Removed(fold.repeat, float(before), auc, delong_variance(contrast))


def _table(found: list[_Removed], counts: list[int]) -> pd.DataFrame:
    before = float(np.mean([fold.before for fold in found]))
    drop = before - np.mean([fold.auc for fold in found], axis=0)  # (O, K)
    important, least, random = drop[0], drop[1], drop[2:]
    low, high = np.quantile(random, [0.05, 0.95], axis=0)
    columns = {"k": counts, "important": important, "random": random.mean(0), "random_low": low, "random_high": high}
    table = pd.DataFrame({**columns, "least": least})
    area, error = float((important - random.mean(0)).mean()), 1.96 * _standard_error(found)
    beaten = float((random.mean(1) < important.mean()).mean())
    table.attrs |= {"auc": before, "area": area, "area_low": area - error, "area_high": area + error}
    table.attrs |= {"beaten": beaten, "draws": len(random), "faithful": bool(area - error > 0 and beaten >= BEATEN)}
    return table


def _standard_error(found: list[_Removed]) -> float:
    """Of the mean over folds: test subjects of one repeat differ; repeats share them, so these average no noise out."""
    repeats = pd.Series([fold.variance for fold in found]).groupby([fold.repeat for fold in found])
    return float(np.sqrt(repeats.sum() / repeats.size() ** 2).mean())
