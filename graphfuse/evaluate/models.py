"""The models that every evaluation carries, by name: what a graph has to beat, and the graph's own controls."""

from __future__ import annotations

from collections.abc import Mapping

from sklearn.base import clone

from graphfuse._check import check_option
from graphfuse.cohort import Cohort
from graphfuse.errors import InvalidOption, MissingModality
from graphfuse.estimators.baselines import Confounds, Majority
from graphfuse.estimators.fusion_classifier import DEFAULT_VIEWS, FusionClassifier
from graphfuse.estimators.mlp import MLP
from graphfuse.estimators.population_classifier import PopulationClassifier
from graphfuse.estimators.ridge import MeanOfRidges, default_ridges
from graphfuse.estimators.svm import LinearSVM
from graphfuse.evaluate.fusion_models import LEADING, fusion_models


def baselines(cohort: Cohort) -> dict:
    """Name -> estimator of everything that is no graph: majority, confounds, ridges, their mean, SVM, MLP."""
    models = {"majority": Majority()}
    if cohort.confounds or cohort.site:
        models["confounds"] = Confounds()
    ridges = default_ridges(cohort)
    models |= ridges
    if len(ridges) > 1:
        models["mean-of-ridges"] = MeanOfRidges()
    for name, signal in cohort.signals.items():
        if signal.kind == "timeseries":
            models[f"svm-correlation-{name}"] = LinearSVM((name,), "correlation")
    if ridges:
        models["mlp"] = MLP()
    return models


def controls(name: str, model) -> dict:
    """The same graph network with no edges and with shuffled edges; nothing for models without an ``edges`` option."""
    key = next((key for key in EDGES_KEYS if key in getattr(model, "get_params", dict)()), None)
    return {f"{name}-{word}-edges": clone(model).set_params(**{key: edges}) for word, edges in CONTROLS if key}


EDGES_KEYS = ("edges", "estimator__edges", "model__edges")  # of a network, of a search over one, of a wrapper of one
CONTROLS = (("no", "none"), ("shuffled", "shuffled"))


def graph_models(cohort: Cohort) -> dict:
    """Name -> estimator of graphfuse's own models with their default settings, controls included."""
    models = {}
    if any(signal.kind in DEFAULT_VIEWS for signal in cohort.signals.values()):
        models["fusion"] = FusionClassifier()
        models |= controls("fusion", models["fusion"])
    if default_ridges(cohort):
        models["population"] = PopulationClassifier()
        models["population-transductive"] = PopulationClassifier(transductive=True)
    return models


def models_by_name(cohort: Cohort, names: list[str], systems: Mapping | None = None) -> dict:
    """The estimators called `names`.

    Of the groups, ``default`` is every built-in model, ``fusions`` every fusion by name (`fusion_models`), ``all`` the
    built-in models, the leading fusions and the published systems.

    Parameters
    ----------
    cohort : Cohort
        What it cannot feed is left out of the groups, and is an error by name.
    names : list of str
    systems : mapping of str to callable, or None
        Name -> what makes the estimator of a published system, or raises what the cohort lacks.

    Raises
    ------
    InvalidOption
        An unknown name, or none.
    MissingModality
        A system by name that the cohort cannot feed.
    """
    own, fusions, systems = baselines(cohort) | graph_models(cohort), fusion_models(cohort), systems or {}
    leading = {name: fusions[name] for name in LEADING if name in fusions}
    groups = {"default": own, "fusions": fusions, "all": own | leading}
    chosen = {}
    for name in names:
        if name in groups:
            chosen |= groups[name]
        elif name in systems:
            chosen[name] = systems[name]()
        else:
            known = own | fusions
            chosen[name] = known[check_option("--models", name, [*known, *systems])]
        if name == "all":
            chosen |= {name: made for name, make in systems.items() if (made := _fed(make)) is not None}
    if not chosen:
        raise InvalidOption(f"No model was named. Choose from {', '.join([*groups, *own, *fusions, *systems])}.")
    return chosen


def _fed(make):
    """The estimator, or None where the cohort lacks what it needs."""
    try:
        return make()
    except MissingModality:
        return None
