"""LateFusion: a model for each modality, and a rule that makes one answer of theirs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import torch

from graphfuse.cohort import Cohort
from graphfuse.errors import InvalidOption
from graphfuse.estimators.base import CohortClassifier
from graphfuse.estimators.nested import NestedModels
from graphfuse.estimators.panel import Opinions, ask_panel, fit_panel, modalities_read, out_of_fold, scope_of_panel
from graphfuse.fusion.output import area_under_curve, output_rule, softmax_weights


def _areas(p: torch.Tensor, present: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
    return area_under_curve(p, present, codes)


def _variances(p: torch.Tensor, present: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
    """Mean squared error of each model's probabilities, (M,)."""
    error = (p - torch.nn.functional.one_hot(codes, p.shape[2])[:, None]).square().mean(2)
    return _mean_where(error, present)


def _error_rates(p: torch.Tensor, present: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
    """Share of people whose class each model does not put first, (M,), below 1."""
    wrong = (p.argmax(2) != codes[:, None]).double()
    return _mean_where(wrong, present).clamp(max=0.999)


def _mean_where(values: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    return torch.where(mask, values, 0.0).sum(0) / mask.sum(0).clamp(min=1)


# rule -> (its option, how that is learned of out-of-fold opinions)
LEARNED = {
    "auc": ("area", _areas),
    "dempster-shafer": ("uncertainty", _error_rates),
    "precision": ("variance", _variances),
    "rank": ("area", _areas),
    "weighted": ("weights", softmax_weights),
}


class LateFusion(NestedModels, CohortClassifier):
    """Output fusion: each model answers for the people whom it can read, a rule makes one answer of theirs.

    A person who has no modality of a model is left out of its training and out of its answer, and the rule does
    without it; a person who has none of any gets equal shares. What a rule weighs models by is learned on inner folds:
    ``weighted`` (softmax weights of least log loss), ``auc`` and ``rank`` (areas under the curve), ``precision`` (mean
    squared errors), ``dempster-shafer`` (error rates as discounts; the choice is ours). ``bayes`` takes the class
    shares of the training subjects as its prior. What `options` gives is not learned.

    A model learns from the people who have its modality. Where patients lack it more often than others, its answers
    lean towards health; `Stacking` takes that off, the rules here do not.

    Parameters
    ----------
    models : dict of str to classifier of cohorts, or None
        Such as ``{"fmri": Ridge(("fmri",)), "smri": LinearSVM(("smri",))}``; None = a `Ridge` for every modality.
    rule : str or callable
        A key of `OUTPUTS`, or ``(probabilities (B, M, C), present (B, M), **options) -> (B, C)`` of tensors; models in
        the order of their sorted names.
    options : dict or None
        Of the rule. What has one number a model is a sequence in that order, or a dict by model.
    folds : int
        Inner folds, where something is learned on them; groups stay together.
    random_state : int
        Seed of the inner folds.

    Attributes
    ----------
    models_ : dict of fitted models, by sorted name
    options_ : dict
        Options of the rule, given and learned.

    References
    ----------
    Kittler et al. (1998). On combining classifiers. IEEE TPAMI 20:226-239.
    """

    uses_y = True

    def __init__(self, models=None, rule="mean", options=None, folds=5, random_state=0):
        self.models = models
        self.rule = rule
        self.options = options
        self.folds = folds
        self.random_state = random_state

    @property
    def scope(self) -> str:
        """``features`` when a model reads the features of new subjects together, else ``training``."""
        return scope_of_panel(self.models)

    def _fit(self, cohort: Cohort, codes: np.ndarray) -> None:
        output_rule(self.rule)
        self.models_ = fit_panel(self.models, cohort, self.classes_[codes])
        given = {name: self._in_order(name, value) for name, value in (self.options or {}).items()}
        self.options_ = {**self._learned(cohort, codes, given), **given}

    def _learned(self, cohort: Cohort, codes: np.ndarray, given: Mapping) -> dict:
        if self.rule == "bayes":
            return {"prior": np.bincount(codes) / len(codes)}
        option, learn = LEARNED.get(self.rule, (None, None)) if isinstance(self.rule, str) else (None, None)
        if option is None or option in given:
            return {}
        opinions = out_of_fold(self.models_, cohort, codes, self.classes_, self.folds, self.random_state)
        p, present = (torch.as_tensor(part) for part in opinions)
        return {option: learn(p, present, torch.as_tensor(codes)).numpy()}

    def _in_order(self, name: str, value):
        """An option by model as a list in the order of the models; any other as it is."""
        if not isinstance(value, Mapping):
            return value
        if sorted(value) != list(self.models_):
            raise InvalidOption(f"{name} must have one entry a model, {list(self.models_)}; got {sorted(value)}.")
        return [float(value[model]) for model in self.models_]

    def opinions(self, cohort: Cohort) -> Opinions:
        """What each model says of these people and whom it can read: (N, M, C) and (N, M), models by sorted name."""
        return ask_panel(self.models_, self._admitted(cohort), self.classes_)

    def _predict_proba(self, cohort: Cohort) -> np.ndarray:
        p, present = ask_panel(self.models_, cohort, self.classes_)
        rows = present.any(1)
        result = np.full((len(cohort), len(self.classes_)), 1 / len(self.classes_))  # nobody can read them: no opinion
        if rows.any():
            fused = output_rule(self.rule)(torch.as_tensor(p[rows]), torch.as_tensor(present[rows]), **self.options_)
            result[rows] = fused.numpy()
        return result

    def _modalities(self, cohort: Cohort) -> Iterable[str]:
        return dict.fromkeys(name for model in self.models_.values() for name in modalities_read(model))
