"""MultipleKernel: a kernel for each modality, one support vector machine on their weighted mean."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from graphfuse._check import check_option, check_range
from graphfuse.cohort import Cohort
from graphfuse.estimators.adjusting import scope_of
from graphfuse.estimators.base import CohortClassifier
from graphfuse.estimators.calibration import fit_temperature, probabilities
from graphfuse.estimators.dealing import inner_folds
from graphfuse.estimators.mkl.bank import KernelBank, Kernels
from graphfuse.estimators.mkl.machines import WEIGHTS, Machines, fit_machines, score


class MultipleKernel(CohortClassifier):
    """Multiple-kernel learning: ``K = sum_m eta_m K_m``, eta on the simplex, and a support vector machine on K.

    Each class is told from the rest with weights of its own. Two people are compared by the kernels that both have,
    with weights that sum to 1 again; what is then not positive semi-definite has its negative eigenvalues clipped, and
    the row of a new person is projected as those of the training people are. A person without any modality of a weight
    above 0 gets the intercept. Weights are learned as if who lacks a modality were its training mean. The paper below
    has no formula for missing modalities: this one is ours, the repair is that of Chen et al. 2009. Probabilities come
    from the scores of five inner folds of the training people, in which weights are learned again.

    The fitted model holds the features of its training people, as any kernel machine does.

    Parameters
    ----------
    signals, features, adjust
        As in `Ridge`; `features` may be a dict by modality.
    kernel : str, sequence of str, or dict of modality to these
        ``linear``, ``rbf``, ``log-euclidean`` (time series) or ``weisfeiler-lehman`` (time series, connectivity).
    combination : str
        A key of `WEIGHTS`: ``average``, ``cka`` (centred alignment with the labels), ``easy`` (EasyMKL), ``lp``
        (lp-norm), ``simple`` (SimpleMKL).
    terms : str
        ``each`` kernel alone; ``pairs``: products of two modalities too, for what only their combination carries;
        ``product``: the product of all, which needs people who have everything.
    normalise : str
        ``cosine`` or ``variance``.
    C : float
        Penalty.
    options : dict or None
        Of the combination: ``lam`` of ``easy``, ``p`` of ``lp``, ``tolerance`` and ``steps`` of ``simple`` and ``lp``.
    random_state : int
        Of the inner folds.

    Attributes
    ----------
    weights_ : DataFrame
        Weight of each term (modality, kernel) for each class.

    Raises
    ------
    InvalidOption, MissingModality, ClassTooSmall

    References
    ----------
    Goenen & Alpaydin 2011, Multiple kernel learning algorithms, JMLR 12:2211-2268
    """

    uses_y = True

    def __init__(
        self,
        signals=None,
        kernel="linear",
        combination="average",
        terms="each",
        features="auto",
        normalise="cosine",
        C=1.0,
        options=None,
        random_state=0,
        adjust=None,
    ):
        self.signals = signals
        self.kernel = kernel
        self.combination = combination
        self.terms = terms
        self.features = features
        self.normalise = normalise
        self.C = C
        self.options = options
        self.random_state = random_state
        self.adjust = adjust

    @property
    def scope(self) -> str:
        """``features`` when a step of `adjust` reads the features of new subjects together, else ``training``."""
        return scope_of(self.adjust)

    def _fit(self, cohort: Cohort, codes: np.ndarray) -> None:
        check_option("combination", self.combination, WEIGHTS)
        check_range("C", self.C, 0, open_low=True)
        self.bank_ = KernelBank(self.signals, self.kernel, self.terms, self.features, self.normalise, self.adjust)
        kernels = self.bank_.fit_transform(cohort, codes)
        self.has_ = kernels.has  # (K, N)
        self.eta_, self.duals_, self.intercept_ = self._machines(kernels, codes)
        self.slope_ = fit_temperature(self._inner_scores(kernels, codes, cohort.groups), codes)

    def _machines(self, kernels: Kernels, codes: np.ndarray) -> Machines:
        return fit_machines(kernels, codes, self.combination, self.C, self.options)

    def _inner_scores(self, kernels: Kernels, codes: np.ndarray, groups: np.ndarray) -> np.ndarray:
        """Scores (N, C) of each training subject from weights and machines that have not seen its group."""
        scores = np.zeros((len(codes), len(self.classes_)))
        fold_of = inner_folds(codes, groups, 5, self.random_state)
        for fold in range(fold_of.max() + 1):
            train, test = np.flatnonzero(fold_of != fold), np.flatnonzero(fold_of == fold)
            machines = self._machines(_between(kernels, train, train), codes[train])
            scores[test] = score(machines, _between(kernels, test, train), kernels.has[:, train])
        return scores

    @property
    def weights_(self) -> pd.DataFrame:
        """Weight of each term for each class, (K, C); every column sums to 1."""
        terms = pd.MultiIndex.from_tuples([tuple(name) for name in self.bank_.names_], names=["modality", "kernel"])
        return pd.DataFrame(self.eta_.T, index=terms, columns=self.classes_)

    def _modalities(self, cohort: Cohort) -> Iterable[str]:
        return dict.fromkeys(kernel.signal for kernel in self.bank_.kernels_)

    def decision_function(self, cohort: Cohort) -> np.ndarray:
        """Signed distances to the margins, (N, C)."""
        return self._scores(self._admitted(cohort))

    def _scores(self, cohort: Cohort) -> np.ndarray:
        machines = Machines(self.eta_, self.duals_, self.intercept_)
        return score(machines, self.bank_.transform(cohort), self.has_)

    def _predict_proba(self, cohort: Cohort) -> np.ndarray:
        return probabilities(self._scores(cohort), self.slope_)


def _between(kernels: Kernels, rows: np.ndarray, columns: np.ndarray) -> Kernels:
    """The kernels of some training people towards others."""
    return Kernels(kernels.rows[:, rows[:, None], columns], kernels.has[:, rows])
