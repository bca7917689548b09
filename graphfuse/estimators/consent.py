"""Parts of models that cannot answer without their training subjects, and what a file may hold of those."""

from __future__ import annotations

from graphfuse.errors import LeakageError
from graphfuse.estimators.imputation import FeaturePropagation, NearestImputation
from graphfuse.estimators.mkl.multiple_kernel import MultipleKernel
from graphfuse.estimators.population_classifier import PopulationClassifier
from graphfuse.estimators.population_system import PopulationSystem
from graphfuse.estimators.prototypes import is_anonymous, prototypes

KEEPERS = (FeaturePropagation, MultipleKernel, NearestImputation, PopulationClassifier, PopulationSystem)


def as_agreed(part, include_cohort: bool, prototype_size: int | None):
    """A model, or a part of one, as it may be written: unchanged unless it keeps its training subjects.

    Parameters
    ----------
    part : object
    include_cohort : bool
        The features of training subjects may be written.
    prototype_size : int or None
        Means of at least so many people take the place of people, where the part can answer from means.

    Raises
    ------
    LeakageError
        Neither was agreed to, or the part also keeps the people whom it was to predict.
    """
    if not isinstance(part, KEEPERS) or not any(name.endswith("_") for name in vars(part)):
        return part  # keeps nobody, or has seen nobody yet
    if getattr(part, "unlabelled_", ()):
        raise LeakageError("A transductive model knows only the people in its graph; fit it inductively to save it.")
    averages = isinstance(part, PopulationClassifier)  # a system's network may read more than averages can give
    if prototype_size is not None and averages:
        return prototypes(part, prototype_size)
    if include_cohort or (averages and is_anonymous(part)):
        return part
    means = "prototype_size=10 to write means of at least 10 people in their place, or " if averages else ""
    raise LeakageError(
        f"A {type(part).__name__} answers from its training subjects' features, which the file would hold. Pass {means}"
        "include_cohort=True if their consent allows it, or save a model that keeps no subjects."
    )
