"""A small cohort in which one edge, one counter-edge and one region carry the class."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import graphfuse as gf

REGIONS = [f"r{i}" for i in range(8)]
EFFECT = 1.5


def toy_cohort(n: int = 120, effect: float = EFFECT, seed: int = 0) -> gf.Cohort:
    """Edge (1, 2) is stronger and edge (4, 5) weaker in patients, measures of region 3 are larger; some lack smri."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    shift = effect * (y - 0.5)
    half = rng.standard_normal((n, 8, 8))
    fmri = (half + half.transpose(0, 2, 1)) / 2
    for (a, b), sign in {(1, 2): 1, (4, 5): -1}.items():
        fmri[:, a, b] = fmri[:, b, a] = fmri[:, a, b] + sign * shift
    smri = rng.standard_normal((n, 6, 5))
    smri[:, 3] += shift[:, None] / 2
    place = pd.DataFrame({"x": np.arange(8.0), "y": 0.0, "z": 1.0, "network": ["A", "B"] * 4}, index=REGIONS)
    place.index.name = "region"
    signals = {
        "fmri": gf.Signal.pack("connectivity", list(np.tanh(fmri / 2)), gf.Atlas("toy", place)),
        "smri": gf.Signal.pack(
            "measures", [None if i % 10 == 0 else a for i, a in enumerate(smri)], columns=list("abcde")
        ),
    }
    labels = pd.DataFrame({"dx": np.array(["control", "patient"], object)[y]}, index=[f"s{i:03d}" for i in range(n)])
    return gf.Cohort(labels, signals, "dx", ("control", "patient"))


def toy_model(**options) -> gf.FusionClassifier:
    views = {"fmri": gf.FunctionalGraph(sparsify=gf.TopDensity(0.4)), "smri": gf.MorphometricGraph()}
    return gf.FusionClassifier(**({"views": views, "hidden": (8,), "width": 8, "learning_rate": 1e-2} | options))


@pytest.fixture(scope="session")
def cohort() -> gf.Cohort:
    return toy_cohort()


@pytest.fixture(scope="session")
def fitted(cohort) -> gf.FusionClassifier:
    return toy_model().fit(cohort[:90])


@pytest.fixture(scope="session")
def result(cohort) -> gf.CrossValidation:
    return gf.cross_validate({"toy": toy_model()}, cohort, gf.Splits(folds=4), baselines="none")


def wide_cohort(n: int = 120, effect: float = 1.5, seed: int = 0) -> gf.Cohort:
    """Thirty regions, so that random ones say something; the ten edges among the first five carry the class."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    half = rng.standard_normal((n, 30, 30))
    fmri = (half + half.transpose(0, 2, 1)) / 2
    fmri[:, :5, :5] += effect * (y - 0.5)[:, None, None]
    labels = pd.DataFrame({"dx": np.array(["control", "patient"], object)[y]}, index=[f"s{i:03d}" for i in range(n)])
    signals = {"fmri": gf.Signal.pack("connectivity", list(np.tanh(fmri / 2)))}
    return gf.Cohort(labels, signals, "dx", ("control", "patient"))


def wide_result(cohort: gf.Cohort) -> gf.CrossValidation:
    model = gf.FusionClassifier(hidden=(8,), width=8, learning_rate=1e-2, members=2)
    return gf.cross_validate({"wide": model}, cohort, gf.Splits(folds=3), baselines="none")


@pytest.fixture(scope="session")
def wide() -> gf.CrossValidation:
    return wide_result(wide_cohort())


@pytest.fixture(scope="session")
def wide_nothing() -> gf.CrossValidation:
    """The same people with permuted labels."""
    cohort = wide_cohort()
    labels = np.random.default_rng(1).permutation(cohort.phenotypes["dx"])
    return wide_result(replace(cohort, phenotypes=cohort.phenotypes.assign(dx=labels)))
