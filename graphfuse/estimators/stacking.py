"""Stacking: a logistic regression on what models say of people whom they were not trained on."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression

from graphfuse._check import check_option, check_range
from graphfuse.cohort import Cohort
from graphfuse.estimators.base import CohortClassifier
from graphfuse.estimators.nested import NestedModels
from graphfuse.estimators.panel import Opinions, ask_panel, fit_panel, modalities_read, out_of_fold, scope_of_panel

CLIP = 1e-6  # of probabilities before their logarithm


class Stacking(NestedModels, CohortClassifier):
    """Output fusion that is learned: ``softmax(sum_m W_m l_m + v_m a_m + c)``.

    ``l_mc = log p_mc - log p_m0``, less its mean over the training subjects whom model m can read, is what the model
    says. It is 0 of a person whom it cannot read, and ``a_m`` is 1 then (with ``missing="indicator"``). Without the
    mean, a model that was trained on few patients would say "healthy" of all, and the 0 would tell who has no scan.

    The logistic regression learns from out-of-fold opinions: of each training subject those of models that were trained
    without their fold and their group. Opinions of models about their own training subjects would teach it to trust
    whichever remembers best. The models that predict are then fitted on all. A person whom no model can read teaches
    nothing and gets equal shares.

    Parameters
    ----------
    models : dict of str to classifier of cohorts, or None
        As in `LateFusion`.
    folds : int
        Inner folds; groups stay together.
    missing : {"zero", "indicator"}
        Whether the logistic regression is told who lacks a modality. That may well help on these subjects: who was not
        scanned is often a matter of site, protocol or diagnosis. It is not what a brain says, and does not travel, so
        that "zero", which does without, is the default.
    C : float
        Inverse penalty of the logistic regression.
    random_state : int
        Seed of the inner folds.

    Attributes
    ----------
    models_ : dict of fitted models, by sorted name
    centre_ (M (C - 1),) : mean log ratios, model by model
    coef_ (P, C), intercept_ (C,) : the logistic regression
        P rows: M (C - 1) log ratios, then M indicators.

    References
    ----------
    Wolpert (1992). Stacked generalization. Neural Networks 5:241-259.
    """

    uses_y = True

    def __init__(self, models=None, folds=5, missing="zero", C=1.0, random_state=0):
        self.models = models
        self.folds = folds
        self.missing = missing
        self.C = C
        self.random_state = random_state

    @property
    def scope(self) -> str:
        """``features`` when a model reads the features of new subjects together, else ``training``."""
        return scope_of_panel(self.models)

    def _fit(self, cohort: Cohort, codes: np.ndarray) -> None:
        check_option("missing", self.missing, COLUMNS)
        check_range("C", self.C, 0, open_low=True)
        self.models_ = fit_panel(self.models, cohort, self.classes_[codes])
        opinions = out_of_fold(self.models_, cohort, codes, self.classes_, self.folds, self.random_state)
        heard = opinions.present.any(1)
        self.centre_ = mean_ratios(opinions)
        columns = COLUMNS[self.missing](opinions, self.centre_)[heard]
        self.coef_, self.intercept_ = _by_class(LogisticRegression(C=self.C, max_iter=1000).fit(columns, codes[heard]))

    def opinions(self, cohort: Cohort) -> Opinions:
        """What each model says of these people and whom it can read: (N, M, C) and (N, M), models by sorted name."""
        return ask_panel(self.models_, self._admitted(cohort), self.classes_)

    def decision_function(self, cohort: Cohort) -> np.ndarray:
        """Logits, (N, C)."""
        return self._logits(self._admitted(cohort))

    def _logits(self, cohort: Cohort) -> np.ndarray:
        opinions = ask_panel(self.models_, cohort, self.classes_)
        logits = COLUMNS[self.missing](opinions, self.centre_) @ self.coef_ + self.intercept_
        return np.where(opinions.present.any(1)[:, None], logits, 0)  # nobody can read them: no opinion

    def _predict_proba(self, cohort: Cohort) -> np.ndarray:
        return softmax(self._logits(cohort), axis=1)

    def _modalities(self, cohort: Cohort) -> Iterable[str]:
        return dict.fromkeys(name for model in self.models_.values() for name in modalities_read(model))


def log_ratios(opinions: Opinions, centre: np.ndarray | float = 0.0) -> np.ndarray:
    """``log p_mc - log p_m0 - centre_mc`` for c > 0, (N, M (C - 1)), model by model; 0 of whom a model cannot read."""
    logs = np.log(np.clip(opinions.probabilities, CLIP, None))
    ratios = (logs[..., 1:] - logs[..., :1]).reshape(len(logs), -1) - centre
    return np.where(_by_ratio(opinions), ratios, 0)


def mean_ratios(opinions: Opinions) -> np.ndarray:
    """Mean of the `log_ratios` of each model over the people whom it can read, (M (C - 1),); 0 if there are none."""
    return log_ratios(opinions).sum(0) / _by_ratio(opinions).sum(0).clip(1)


def _by_ratio(opinions: Opinions) -> np.ndarray:
    """Whom the model of each log ratio can read, bool (N, M (C - 1))."""
    return np.repeat(opinions.present, opinions.probabilities.shape[2] - 1, axis=1)


def with_indicators(opinions: Opinions, centre: np.ndarray | float = 0.0) -> np.ndarray:
    """`log_ratios`, then 1 for each model that cannot read somebody, (N, M C)."""
    return np.hstack([log_ratios(opinions, centre), ~opinions.present])


COLUMNS = {"indicator": with_indicators, "zero": log_ratios}


def _by_class(meta: LogisticRegression) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients (P, C) and intercepts (C,) of a softmax; of two classes the first has zeros."""
    coef, intercept = meta.coef_.T, meta.intercept_
    if coef.shape[1] == 1:
        coef, intercept = np.hstack([np.zeros_like(coef), coef]), np.append(0.0, intercept)
    return coef.copy(), intercept.copy()
