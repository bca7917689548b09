"""A small cohort that has every kind of modality, with a planted effect in each."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from graphfuse.atlas import Atlas
from graphfuse.cohort import Cohort
from graphfuse.signal import Signal

N, R, T, PLANTED = 48, 12, 80, 4  # the first PLANTED regions carry the class


def make_cohort(n: int = N, effect: float = 1.0, seed: int = 0, missing: float = 0.0) -> Cohort:
    """`n` people of two classes; fmri (time series), dti (connectivity), smri and pet (measures), aseg (vector).

    fmri, dti, smri and pet lie over the same R regions. In the second class the planted regions share a signal, are
    joined by stronger fibres, and have larger measures. `missing` is the share of people who lack smri.
    """
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    atlas = _atlas()
    lacks = rng.random(n) < missing
    lacks[:4] = False  # somebody of each class has it
    signals = {
        "fmri": Signal.pack("timeseries", [_series(label, effect, rng) for label in y], atlas, t_r=np.full(n, 2.0)),
        "dti": Signal.pack("connectivity", [_fibres(label, effect, rng) for label in y], atlas),
        "smri": Signal.pack(
            "measures",
            [None if out else _measures(label, effect, 3, rng) for label, out in zip(y, lacks, strict=True)],
            atlas,
            columns=("area", "thickness", "volume"),
        ),
        "pet": Signal.pack("measures", [_measures(label, effect, 1, rng) for label in y], atlas, columns=("suvr",)),
        "aseg": Signal.pack("vector", [rng.normal(effect * label, 1, 6) for label in y], columns=tuple("abcdef")),
    }
    people = pd.DataFrame(
        {
            "diagnosis": np.array(["control", "patient"])[y],
            "site": np.array(["here", "there"])[rng.integers(0, 2, n)],
            "sex": np.array(["F", "M"])[rng.integers(0, 2, n)],
            "age": rng.normal(40, 10, n),
        },
        index=pd.Index([f"person {i:03d}" for i in range(n)], name="subject"),
    )
    return Cohort(
        people,
        signals,
        target="diagnosis",
        classes=("control", "patient"),
        site="site",
        confounds=("sex", "age"),
    )


def _atlas() -> Atlas:
    """R regions in three networks, left and right of the midline."""
    xyz = np.random.default_rng(7).normal(0, 30, (R, 3))
    table = pd.DataFrame(xyz, columns=["x", "y", "z"], index=[f"region {r}" for r in range(R)])
    return Atlas("twelve", table.assign(network=["a", "b", "c"] * (R // 3)))


def _series(label: int, effect: float, rng) -> np.ndarray:
    """(T, R): a signal that all regions share, one of the planted regions of the second class, and noise."""
    x = rng.normal(size=(T, R)) + 0.5 * rng.normal(size=(T, 1))
    x[:, :PLANTED] += effect * label * rng.normal(size=(T, 1))
    return x.astype(np.float32)


def _fibres(label: int, effect: float, rng) -> np.ndarray:
    """(R, R): symmetric, non-negative, without a diagonal."""
    w = rng.gamma(1.0, size=(R, R))
    w[:PLANTED, :PLANTED] += effect * label
    w = np.triu(w, 1)
    return (w + w.T).astype(np.float32)


def _measures(label: int, effect: float, count: int, rng) -> np.ndarray:
    """(R, M)."""
    x = rng.normal(size=(R, count))
    x[:PLANTED] += effect * label
    return x.astype(np.float32)


@pytest.fixture(scope="session")
def cohort() -> Cohort:
    return make_cohort()


@pytest.fixture(scope="session")
def train(cohort) -> Cohort:
    return cohort[np.arange(36)]


@pytest.fixture(scope="session")
def test(cohort) -> Cohort:
    return cohort[np.arange(36, N)]


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)
