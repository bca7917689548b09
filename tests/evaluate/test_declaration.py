from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression

import graphfuse as gf
from graphfuse.estimators.saving import CLASSES
from graphfuse.evaluate.declaration import declaration
from graphfuse.evaluate.models import models_by_name


@pytest.fixture(scope="module")
def cohort():
    return gf.simulate_cohort(48, n_frames=(60, 70), atlas_fmri="schaefer-100", seed=3).cohort


def test_every_step_of_every_default_model_declares_what_it_used(cohort):
    for name, model in models_by_name(cohort, ["all"]).items():
        if "epochs" in model.get_params():
            model.set_params(epochs=1)
        options = {"unlabelled": cohort[40:].blind()} if getattr(model, "transductive", False) else {}
        table = declaration(model.fit(cohort[:40], **options))
        assert len(table), name
        assert "not declared" not in table.to_numpy(), (name, table)
        assert table["labels"].iloc[0] == "training subjects", name
        assert ("unlabelled" in " ".join(table["data"])) == (name == "population-transductive")


def test_phenotypes_that_are_read_are_named(cohort):
    table = declaration(gf.Confounds(("age",)).fit(cohort))
    assert table["phenotypes"].iloc[0] == "age"
    graph = gf.PopulationClassifier(("smri",), graph=gf.PopulationGraph(same=("site",)), epochs=1).fit(cohort)
    told = declaration(graph).set_index("kind")
    assert told.loc["PopulationGraph", "phenotypes"] == "site"


def test_steps_of_scikit_learn_are_known_by_their_tags_and_strangers_are_named():
    class Mine(BaseEstimator):
        def fit(self, X, y):
            self.parts_ = [PCA(1).fit(X), {"head": LogisticRegression().fit(X, y)}]
            return self

    X, y = np.random.default_rng(0).random((9, 2)), np.arange(9) % 2
    told = declaration(Mine().fit(X, y)).set_index("kind")
    assert told["labels"].to_dict() == {
        "Mine": "not declared",
        "PCA": "none",
        "LogisticRegression": "training subjects",
    }
    assert told.loc["PCA", "step"] == "model.parts_.0"


def test_a_result_holds_the_declarations_and_how_many_settings_were_tried(cohort):
    models = {"r": gf.Ridge(("smri",)), "m": gf.Majority()}
    result = gf.cross_validate(models, cohort, gf.Splits(folds=3), baselines="none")
    assert list(result.steps.columns) == ["model", "step", "kind", "data", "labels", "phenotypes", "tried"]
    assert result.steps.groupby("model")["tried"].max().to_dict() == {"r": 9, "m": 1}


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_every_part_of_a_model_says_what_it_uses(name):
    """A part that is silent would stop the evaluation of the model that holds it."""
    cls = CLASSES[name]
    if issubclass(cls, BaseEstimator):
        assert hasattr(cls, "uses_y")
        assert hasattr(cls, "scope")
