"""Small simulated cohorts, and one small model of every kind."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import graphfuse as gf
from graphfuse.estimators.baselines import Confounds, Majority
from graphfuse.estimators.vector_view import VectorView

MODELS = {
    "majority": Majority(),
    "confounds": Confounds(),
    "ridge": gf.Ridge(),
    "ridge-tangent": gf.Ridge(("fmri",), "tangent"),
    "mean-of-ridges": gf.MeanOfRidges(),
    "svm": gf.LinearSVM(),
    "mlp": gf.MLP(epochs=3, hidden=4),
    "fusion": gf.FusionClassifier(epochs=3, hidden=(4,), width=4),
    "population": gf.PopulationClassifier(epochs=4, hidden=(4,), components=8),
    "mkl": gf.MultipleKernel(combination="cka"),
    "late": gf.LateFusion(rule="weighted", folds=3),
    "stacking": gf.Stacking(folds=3),
    "hybrid": gf.HybridFusion(
        {"fmri": VectorView(components=8), "smri": gf.MorphometricGraph()}, epochs=3, hidden=(4,), width=4
    ),
}


@pytest.fixture(scope="session")
def cohort() -> gf.Cohort:
    """Sixty people with both modalities; a tenth lacks smri."""
    return gf.simulate_cohort(60, n_frames=(60, 80), atlas_fmri="schaefer-100", seed=3).cohort


@pytest.fixture(scope="session")
def train(cohort) -> gf.Cohort:
    return cohort[:44]


@pytest.fixture(scope="session")
def test(cohort) -> gf.Cohort:
    return cohort[44:]


@pytest.fixture(scope="session")
def three(cohort) -> gf.Cohort:
    """The same people in three classes."""
    table = cohort.phenotypes.assign(diagnosis=np.array(["a", "b", "c"], object)[np.arange(len(cohort)) % 3])
    return replace(cohort, phenotypes=table, classes=("a", "b", "c"))


@pytest.fixture(params=list(MODELS))
def model(request):
    """Each kind of classifier, unfitted."""
    from sklearn.base import clone

    return clone(MODELS[request.param])


@pytest.fixture(scope="session")
def fitted(train) -> dict:
    """Each kind of classifier, fitted once on `train`; no test may change it."""
    from sklearn.base import clone

    return {name: clone(model).fit(train.blind(), train.y) for name, model in MODELS.items()}


@pytest.fixture(params=list(MODELS))
def classifier(request, fitted):
    return fitted[request.param]
