"""Label-flip invariance: what a test subject's label says must change no bit of the model and of its predictions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from graphfuse.audit.finding import Finding
from graphfuse.audit.pipeline import Outcome, Pipeline, Split, altered_outcome, columns_shown, with_labels
from graphfuse.audit.state import state_digest
from graphfuse.cohort import Cohort

CHECK = "label flip"


def label_flip(pipeline: Pipeline, cohort: Cohort, splits: Sequence[Split], before: Outcome, seed: int = 0) -> Finding:
    """Run the last fold again with its test labels flipped, drawn at random and removed; compare bit by bit.

    Parameters
    ----------
    pipeline : Pipeline
    cohort : Cohort
        With labels.
    splits : sequence of (train, test)
        The folds up to the one that is judged. They stay as they are: drawing stratified folds may use labels.
    before : Outcome
        Of the same folds with the true labels.
    seed : int
        Of the random labels.

    Returns
    -------
    Finding
    """
    changed, columns = [], columns_shown(pipeline, cohort, splits[-1][0])
    for how, codes in _variants(cohort.y[splits[-1][1]], len(cohort.classes), seed):
        altered = with_labels(cohort, splits[-1][1], codes)
        changed += [
            f"{how}: {what}"
            for what in _differences(lambda c=altered: altered_outcome(pipeline, c, splits, columns), before)
        ]
    if changed:
        remedy = "Do everything that reads a label (selection, choice of the epoch, scaling by class) inside the fold."
        return Finding(CHECK, pipeline.name, "leak", f"test labels reach the model ({'; '.join(changed)})", remedy)
    kept = "predictions" if before.fitted is None else "predictions and fitted state"
    return Finding(CHECK, pipeline.name, "pass", f"flipped, random and removed test labels: {kept} bit-identical")


def _variants(y: np.ndarray, n_classes: int, seed: int) -> Iterator[tuple[str, np.ndarray | None]]:
    yield "flipped", (y + 1) % n_classes
    yield "random", np.random.default_rng(seed).integers(0, n_classes, len(y))
    yield "removed", None


def _differences(run: Callable[[], Outcome], before: Outcome) -> list[str]:
    """What is not bit for bit as before."""
    try:
        after = run()
    except Exception as error:  # a pipeline that stops for want of a test label has asked for it
        return [f"stops with {type(error).__name__}"]
    found = []
    if after.probabilities.tobytes() != before.probabilities.tobytes():
        found.append(f"predictions differ by up to {np.abs(after.probabilities - before.probabilities).max():.2g}")
    if before.fitted is not None and state_digest(after.fitted) != state_digest(before.fitted):
        found.append("the fitted state differs")
    return found
