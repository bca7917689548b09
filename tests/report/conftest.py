from dataclasses import replace

import pandas as pd
import pytest

from graphfuse.estimators.baselines import Confounds, Majority
from graphfuse.estimators.fusion_classifier import FusionClassifier
from graphfuse.estimators.population_classifier import PopulationClassifier
from graphfuse.estimators.ridge import Ridge
from graphfuse.evaluate.cross_validation import cross_validate
from graphfuse.evaluate.models import controls
from graphfuse.evaluate.splits import Splits
from graphfuse.simulate import simulate_cohort


@pytest.fixture(scope="session")
def cohort():
    """Simulated people whose ids, families and reasons for exclusion are canaries; one site's name is hostile."""
    cohort = simulate_cohort(60, n_sites=3, n_frames=(40, 50), repeats=0.1, leak_column=True, seed=1).cohort
    table = cohort.phenotypes.set_axis([f"canary{i:03d}" for i in range(len(cohort))], axis=0)
    table = table.assign(
        person="canary-" + table["person"],
        family="canary-" + table["family"],
        site=table["site"].replace("site-1", "<script>alert(1)</script>"),
    )
    reasons = [("canary-x", "fmri: 12 frames; 30 are needed"), ("canary-y", "fmri: 17 frames; 30 are needed")]
    reasons.append(("canary-z", "no site in /home/jane/canary-z.tsv"))
    exclusions = pd.DataFrame(reasons, columns=["subject", "reason"])
    usable = cohort.signals["fmri"].usable.copy()
    usable[:2, 4] = usable[0, 5] = False
    fmri = replace(cohort.signals["fmri"], usable=usable)
    return replace(cohort, phenotypes=table, exclusions=exclusions, signals={**cohort.signals, "fmri": fmri})


@pytest.fixture(scope="session")
def result(cohort):
    fusion = FusionClassifier(epochs=2, hidden=(4,), width=4)
    models = {"majority": Majority(), "confounds": Confounds(), "ridge": Ridge(("fmri",), "correlation")}
    models |= {"fusion": fusion, **controls("fusion", fusion)}
    models["population-transductive"] = PopulationClassifier(epochs=2, transductive=True)
    return cross_validate(models, cohort, Splits(folds=3), baselines="none")


@pytest.fixture(scope="session")
def importance(cohort):
    """Two regions of what `region_importance` returns."""
    atlas = cohort.signals["fmri"].atlas
    table = atlas.regions.iloc[:2][["network", "hemisphere", "x", "y", "z"]].reset_index(names="region")
    first = table.assign(model="fusion", modality="fmri", mean=[0.2, 0.1], sd=0.05, rank=[1, 2], stability=[1.0, 0.5])
    first.attrs["rank_stability"] = 0.6
    return first
