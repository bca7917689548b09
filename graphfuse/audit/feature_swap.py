"""Feature swap: a test subject's data must not reach the training, nor the prediction of another test subject."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from graphfuse.audit.finding import Finding
from graphfuse.audit.pipeline import Outcome, Pipeline, Split, altered_outcome, columns_shown
from graphfuse.audit.state import state_digest
from graphfuse.cohort import Cohort
from graphfuse.signal import Signal

CHECK = "feature swap"
TOLERANCE = 1e-6  # of a probability: other people's rows change how sums are blocked
SIZE = 1e6


def feature_swap(
    pipeline: Pipeline, cohort: Cohort, splits: Sequence[Split], before: Outcome, seed: int = 0
) -> Finding:
    """Replace the data of every second test subject by 1e6 * noise; the others' predictions and the model must stay.

    Parameters
    ----------
    pipeline, cohort, splits, before
        As in `label_flip`.
    seed : int
        Of the noise.
    """
    train, test = splits[-1]
    swapped = test[::2]
    altered = with_noise(cohort, swapped, seed)
    try:
        after = altered_outcome(pipeline, altered, splits, columns_shown(pipeline, cohort, train))
    except Exception as error:  # the pipeline is the user's: any error, told as a finding
        text = f"stops with {type(error).__name__} when every second test subject's data are noise"
        return Finding(
            CHECK, pipeline.name, "doubt", text, "Check or clip extreme values, so that one bad scan stops nobody."
        )
    shift = float(np.abs(after.probabilities - before.probabilities)[1::2].max(initial=0))
    state = before.fitted is not None and state_digest(after.fitted) != state_digest(before.fitted)
    if pipeline.transductive:
        return Finding(
            CHECK, pipeline.name, "note", "transductive: uses test features, cannot score a new patient without refit"
        )
    if state or shift > TOLERANCE:
        what = "the fitted state changes" if state else f"other subjects' predictions change by up to {shift:.2g}"
        remedy = "Fit scalers, components, references and graphs on the training subjects; attach a new subject alone."
        return Finding(CHECK, pipeline.name, "leak", f"data of test subjects reach the model: {what}", remedy)
    kept = "" if before.fitted is None else "fitted state bit-identical, "
    return Finding(
        CHECK,
        pipeline.name,
        "pass",
        f"noise for half of the test subjects: {kept}others' predictions within {TOLERANCE:g}",
    )


def with_noise(cohort: Cohort, rows: np.ndarray, seed: int) -> Cohort:
    """The cohort with noise of size 1e6 in the signals and the numeric phenotypes of `rows`; labels stay."""
    rng = np.random.default_rng(seed)
    signals = {name: _noisy(signal, rows, rng) for name, signal in cohort.signals.items()}
    table = cohort.phenotypes.copy()
    fixed = {cohort.target, cohort.site, cohort.group}
    for name in table.columns:
        if name not in fixed and pd.api.types.is_float_dtype(table[name]):
            table.loc[table.index[rows], name] = SIZE * rng.standard_normal(len(rows))
    return replace(cohort, phenotypes=table, signals=signals)


def _noisy(signal: Signal, rows: np.ndarray, rng: np.random.Generator) -> Signal:
    arrays = [signal[i] for i in range(len(signal))]
    for i in rows:
        if arrays[i] is not None:
            noise = SIZE * rng.standard_normal(arrays[i].shape)
            arrays[i] = noise + noise.T if signal.kind == "connectivity" else noise
    return Signal.pack(signal.kind, arrays, signal.atlas, signal.columns, signal.t_r)
