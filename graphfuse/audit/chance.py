"""Label permutation: with labels that mean nothing, a score must be that of a coin, from above and from below."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from graphfuse.audit.finding import Finding
from graphfuse.audit.pipeline import Pipeline, Split, altered_outcome, with_labels
from graphfuse.cohort import Cohort
from graphfuse.evaluate.metrics import auc
from graphfuse.evaluate.permutation import permuted_labels

CHECK = "label permutation"


def label_permutation(
    pipeline: Pipeline, cohort: Cohort, splits: Sequence[Split], permutations: int = 10, seed: int = 0
) -> Finding:
    """Permute the labels of everybody within each site, families whole, and score one fold, `permutations` times.

    The mean AUC is held against .5 with the error of a coin, ``sqrt((n + 1) / (12 n1 n0) / m)`` over m permutations of
    n1 and n0 test subjects: more than four such errors and .03 off is a leak when it lies above. Below chance, as
    after a harmonisation of all subjects together, it is one too.

    Parameters
    ----------
    pipeline, cohort, splits
        As in `label_flip`; each permutation is judged on another fold.
    permutations : int
    seed : int

    References
    ----------
    Hanley & McNeil 1982, doi:10.1148/radiology.143.1.7063747
    """
    scores, errors = [], []
    for m, y in enumerate(permuted_labels(cohort, "site" if cohort.site else None, permutations, seed)):
        folds = splits[: m % len(splits) + 1]
        shuffled = with_labels(cohort, np.arange(len(cohort)), y)
        if any(len(np.unique(shuffled.y[train])) < len(cohort.classes) for train, _ in folds):
            continue
        test = folds[-1][1]
        score = auc(shuffled.y[test], altered_outcome(pipeline, shuffled, folds).probabilities)
        if np.isfinite(score):
            scores.append(score)
            errors.append(_coin_error(shuffled.y[test]))
    if not scores:
        return Finding(CHECK, pipeline.name, "doubt", "no permuted fold held both classes", "Use fewer, larger folds.")
    mean, error = float(np.mean(scores)), float(np.sqrt(np.mean(np.square(errors)) / len(scores)))
    text = f"mean AUC of {len(scores)} permutations {mean:.3f}, a coin's {0.5:.1f} +- {error:.3f}"
    if abs(mean - 0.5) > max(4 * error, 0.03):
        return Finding(
            CHECK, pipeline.name, "leak", text, "Labels without meaning are predicted: find where they come in."
        )
    return Finding(CHECK, pipeline.name, "pass", text)


def _coin_error(y: np.ndarray) -> float:
    """Standard deviation of the AUC of a score that knows nothing, of the rarest class against the rest."""
    n1 = np.bincount(y)[np.bincount(y) > 0].min()
    n0 = len(y) - n1
    return float(np.sqrt((len(y) + 1) / (12 * n1 * n0)))
