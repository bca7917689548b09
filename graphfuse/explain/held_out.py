"""Each fold of an evaluation with what explaining it needs: its fitted model and the graphs of its test subjects."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from graphfuse._check import check_option
from graphfuse._progress import progress
from graphfuse.errors import InvalidOption
from graphfuse.estimators.fusion_classifier import FusionClassifier
from graphfuse.evaluate.result import CrossValidation
from graphfuse.explain.attribution import explained_network
from graphfuse.explain.contribution import Contribution, profiles, shared_variance
from graphfuse.graph.graphs import Graphs


@dataclass(frozen=True, eq=False)
class HeldOut:
    """One fold.

    Parameters
    ----------
    repeat, fold : int
    fitted : FusionClassifier
        Fitted on the other folds.
    train, test : array of int
        Rows of the cohort.
    graphs : dict of str to Graphs
        Of the n test subjects, who are blind.
    """

    repeat: int
    fold: int
    fitted: FusionClassifier
    train: np.ndarray
    test: np.ndarray
    graphs: dict[str, Graphs]

    def explain(self, network, steps: int) -> dict[str, Contribution]:
        """What each unit contributes to the scores that `network` gives the test subjects, by modality."""
        return shared_variance(network.eval(), self.graphs, profiles(self.fitted), steps)


def held_out(result: CrossValidation, model: str, description: str = "Explaining") -> Iterator[HeldOut]:
    """Yield the folds whose fitted model is kept; one at a time, because graphs are large."""
    cohort = result.cohort.blind()
    roles = {key: part["subject"] for key, part in result.folds.groupby(["repeat", "fold", "role"])}
    keys = [key for key in result.fold_keys if (model, *key) in result.fitted]
    for key in progress(keys, description):
        fitted = result.fitted[(model, *key)]
        explained_network(fitted)  # raises what a reader understands
        train, test = (cohort.subjects.get_indexer(roles[(*key, role)]) for role in ("train", "test"))
        yield HeldOut(*key, fitted, train, test, fitted.graphs(cohort[test]))


def explained_model(result: CrossValidation, model: str | None) -> str:
    """The name of the model to explain; None = the first fitted graph model.

    Raises
    ------
    InvalidOption
        There is none, or `model` is not one.
    """
    able = [name for name in result.model_names if _explainable(_any_fitted(result, name))]
    if not able:
        raise InvalidOption(
            "No fitted FusionClassifier of graphs in this result; run cross_validate with one, its models are kept."
        )
    if model is not None:
        return check_option("model", model, able)
    return next((name for name in able if result.role(name) == "graph"), able[0])


def _explainable(fitted) -> bool:
    return isinstance(fitted, FusionClassifier) and fitted.reads_graphs


def _any_fitted(result: CrossValidation, name: str):
    return next((fitted for (owner, _, _), fitted in result.fitted.items() if owner == name), None)
