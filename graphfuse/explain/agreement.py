"""Would the importance come out alike with other people, other seeds, other splits?"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from graphfuse.evaluate.result import CrossValidation
from graphfuse.explain.held_out import explained_model, held_out
from graphfuse.explain.importance import FoldShares, explained_folds, stacked
from graphfuse.explain.stability import UNSTABLE, fold_agreement

COLUMNS = ["over", "n", "icc", "rank_stability"]


def importance_stability(
    result: CrossValidation, model: str | None = None, steps: int = 16, seed_steps: int = 8
) -> pd.DataFrame:
    """Say how well the importances of regions agree over folds, over seeds and over repeats.

    ``folds``: models of different training subjects explain different test subjects. ``seeds``: in a fold, the members
    of the ensemble, which differ in weights, batches and inner split, explain the same test subjects one by one; the
    mean over folds. One member is less stable than the ensemble, so this is a careful figure. ``repeats``: the mean
    importances of whole repeats of the cross-validation, each with folds of its own.

    Parameters
    ----------
    result : CrossValidation
        With fitted `FusionClassifier`.
    model : str or None
        As in `region_importance`.
    steps, seed_steps : int
        Of `integrated_gradients`; the second for single members.

    Returns
    -------
    DataFrame
        over, n (how many agree or not), icc (`fold_icc`), rank_stability, stable (icc of at least 0.4); a row for
        each source of which there are two at least.

    Raises
    ------
    InvalidOption

    References
    ----------
    Cicchetti (1994), Psychol Assess 6:284: agreement below .40 is poor.
    Chen et al. (2023). Relationship between prediction accuracy and feature importance reliability. NeuroImage 274.
    """
    model = explained_model(result, model)
    folds = explained_folds(result, model, steps)
    rows = [("folds", len(folds), fold_agreement(*stacked(folds)))]
    seeds = list(_over_members(result, model, seed_steps))
    if seeds:
        rows.append(("seeds", len(seeds[0]), _mean([fold_agreement(*stacked(members)) for members in seeds])))
    repeats = sorted({fold.repeat for fold in folds})
    rows.append(("repeats", len(repeats), fold_agreement(*_by_repeat(folds, repeats))))
    table = pd.DataFrame([(*row, *found.values()) for *row, found in rows], columns=COLUMNS)
    table = table[table["n"] > 1].reset_index(drop=True)
    return table.assign(stable=table["icc"] >= UNSTABLE)


def _over_members(result: CrossValidation, model: str, steps: int) -> Iterator[list[FoldShares]]:
    """In each fold, what each member of the ensemble found by itself; nothing where there is one member only."""
    for fold in held_out(result, model, "Explaining members"):
        members = fold.fitted.network_.members
        if len(members) > 1:
            yield [FoldShares(fold.repeat, fold.explain(member, steps)) for member in members]


def _by_repeat(folds, repeats: list[int]) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Mean shares (repeats, R) and weights (repeats,) of each repeat, by modality."""
    parts = [stacked([fold for fold in folds if fold.repeat == repeat]) for repeat in repeats]
    return tuple({name: np.stack([part[i][name].mean(0) for part in parts]) for name in parts[0][i]} for i in (0, 1))


def _mean(found: list[dict[str, float]]) -> dict[str, float]:
    return {key: float(np.mean([one[key] for one in found])) for key in found[0]}
