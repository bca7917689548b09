from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from graphfuse.audit.reachable import reachable_labels

TEST = np.arange(0, 120, 3)


@pytest.mark.parametrize(
    "hold",
    [
        lambda c: c.y,
        lambda c: c.y[TEST],
        lambda c: (1 - c.y).tolist(),
        lambda c: torch.as_tensor(c.y * 2.0 - 1),
        lambda c: np.eye(2)[c.y],
        lambda c: c.phenotypes,
        lambda c: c.phenotypes["dx"],
        lambda c: c.phenotypes["dx"].sample(frac=1, random_state=0),
        lambda c: dict(zip(c.subjects, c.y, strict=True)),
        lambda c: c,
        lambda c: c[TEST],
        lambda c: lambda: c.y,
    ],
)
def test_labels_are_found_in_any_coat(noise, hold):
    assert reachable_labels({"step": hold(noise)}, noise, TEST)


@pytest.mark.parametrize(
    "hold",
    [
        lambda c: c.blind(),
        lambda c: c.blind().phenotypes,
        lambda c: np.delete(c.y, TEST),
        lambda c: pd.Series(c.y, index=c.subjects).drop(c.subjects[TEST]),
        lambda c: np.random.default_rng(0).permutation(c.y),
        lambda c: np.zeros(len(c)),
        lambda c: c[np.delete(np.arange(len(c)), TEST)],
    ],
)
def test_training_labels_and_blind_cohorts_are_no_test_labels(noise, hold):
    assert reachable_labels({"step": hold(noise)}, noise, TEST) == []


def test_a_blind_cohort_keeps_no_view_of_the_labels(noise):
    """A table with a column dropped may share memory with the one that had it."""
    import gc

    whole = noise.phenotypes.assign(code=noise.y.astype(float), other=0.0)
    from dataclasses import replace

    blind = replace(noise, phenotypes=whole).blind(drop=("code",))
    arrays = [block.values for block in blind.phenotypes._mgr.blocks]
    assert all(not np.shares_memory(np.asarray(a), whole["code"].to_numpy()) for a in arrays if a.dtype == float)
    bases = [a.base for a in arrays if isinstance(a, np.ndarray) and a.base is not None]
    assert all(base.shape[-1] != 2 or base.shape[0] <= blind.phenotypes.shape[1] for base in bases)
    gc.collect()
