"""The baselines on all of ABIDE I against figures that scikit-learn gave on the same data."""

import os
import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import graphfuse as gf
from graphfuse.evaluate.metrics import accuracy, auc

SHARED = Path(__file__).parents[2] / "shared" / "abide1"
pytestmark = [pytest.mark.real, pytest.mark.slow]


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    root = os.environ.get("GRAPHFUSE_REAL_DATA")
    if root is None:
        if not (SHARED / "unpack").exists():
            pytest.skip("real ABIDE I data are absent: set GRAPHFUSE_REAL_DATA to the folder that holds ABIDE_pcp")
        root = tmp_path_factory.mktemp("abide")
        subprocess.run([sys.executable, SHARED / "unpack", root], check=True, capture_output=True)
    with warnings.catch_warnings(action="ignore", category=gf.GraphFuseWarning):  # one scan stands under two ids
        return gf.read_cohort(Path(__file__).parents[1] / "examples" / "abide.toml", root=root)


def score(model, cohort, splits):
    """Accuracy and AUC of all out-of-fold predictions."""
    y, blind = cohort.y, cohort.blind()
    p = np.zeros((len(y), 2))
    for train, test in splits.split(cohort):
        p[test] = model.fit(blind[train], y[train]).predict_proba(blind[test])
    return accuracy(y, p), auc(y, p)


def test_1035_of_1112_are_usable(cohort):
    assert len(cohort) == 1035
    assert len(cohort.exclusions) == 77
    assert cohort.signals["fmri"].n_regions == 110
    assert len(set(cohort.groups)) == 1034


# One shuffle has an sd of .005; the tolerances are those of the mean of ten shuffles plus two such sd.
@pytest.mark.parametrize(
    ("model", "figure", "tolerance"),
    [
        (gf.LinearSVM(("fmri",), "correlation", C=1.0), (0.685, 0.751), 0.025),
        (gf.LinearSVM(("smri", "aseg"), C=0.1), (0.558, 0.615), 0.03),
        (gf.Ridge(("fmri",), "correlation"), (0.700, 0.770), 0.025),
    ],
)
def test_a_baseline_gives_the_reference_figure(cohort, model, figure, tolerance):
    np.testing.assert_allclose(score(model, cohort, gf.Splits()), figure, atol=tolerance)


def test_with_permuted_labels_the_baseline_is_at_chance(cohort):
    labels = np.random.default_rng(0).permutation(cohort.phenotypes["DX_GROUP"].to_numpy())
    null = replace(cohort, phenotypes=cohort.phenotypes.assign(DX_GROUP=labels))
    # A single permutation has an sd of .02 to .03.
    np.testing.assert_allclose(score(gf.Ridge(("smri", "aseg")), null, gf.Splits()), (0.5, 0.5), atol=0.075)
