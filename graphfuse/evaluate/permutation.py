"""Is it more than chance? The whole evaluation again and again, with labels shuffled among people of one site."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from joblib import Parallel, delayed, parallel_config

from graphfuse._check import check_option, check_range
from graphfuse._progress import progress
from graphfuse._threads import one_thread
from graphfuse.cohort import Cohort
from graphfuse.connectome.exchange import strata
from graphfuse.errors import InvalidOption
from graphfuse.evaluate.cross_validation import fit_fold, make_folds
from graphfuse.evaluate.metrics import METRICS, SMALLER_IS_BETTER, check_probabilities
from graphfuse.evaluate.splits import Splits
from graphfuse.evaluate.statistics import permutation_p
from graphfuse.evaluate.vault import Vault, freeze


@dataclass(frozen=True, eq=False)
class PermutationTest:
    """What `permutation_test` found.

    Parameters
    ----------
    metric : str
    within : str or None
        ``site`` when labels stayed at their site.
    observed : float
        Mean over folds with the true labels.
    null : array (m,) float
        The same with each permutation.
    """

    metric: str
    within: str | None
    observed: float
    null: np.ndarray

    @property
    def p(self) -> float:
        """One-sided, ``(b + 1) / (m + 1)``: how rarely chance is as good."""
        sign = -1 if self.metric in SMALLER_IS_BETTER else 1
        return permutation_p(sign * self.observed, sign * self.null)

    @property
    def p_worse(self) -> float:
        """How rarely chance is as bad. Small means worse than chance, which a leak can do too."""
        sign = -1 if self.metric in SMALLER_IS_BETTER else 1
        return permutation_p(-sign * self.observed, -sign * self.null)

    def __repr__(self) -> str:
        low, high = np.quantile(self.null, [0.025, 0.975])
        where = "labels shuffled within site" if self.within else "labels shuffled"
        return (
            f"{self.metric} {self.observed:.3f}; with {where} {self.null.mean():.3f}, 95 % in [{low:.3f}, {high:.3f}]; "
            f"p = {self.p:.3g} ({len(self.null)} permutations)"
        )


def permutation_test(
    model,
    cohort: Cohort,
    splits: Splits | None = None,
    permutations: int = 1000,
    metric: str = "auc",
    within: str | None = "site",
    n_jobs: int = 1,
    random_state: int = 0,
) -> PermutationTest:
    """Score `model` with the true labels and with permuted ones; every fold is dealt, fitted and scored anew.

    Permuted are whole groups (`Cohort.groups`: a person, a family): the labels of one go to another of as many members
    and, with ``within="site"``, of the same sites. So each site keeps its class shares, each family its pattern, and
    what is tested is whether the features tell more than site and family do. A group without an equal keeps its
    labels, which costs power but no validity.

    Parameters
    ----------
    model : estimator
        Classifier of cohorts.
    cohort : Cohort
        With labels.
    splits : Splits or None
        None = ``Splits()``.
    permutations : int
        m; the smallest p is 1 / (m + 1).
    metric : str
        A key of ``METRICS``, averaged over the folds where it is defined.
    within : "site" or None
        Shuffle within site, or among everybody.
    n_jobs : int
        Processes, through joblib.
    random_state : int
        Seed of the permutations.

    Returns
    -------
    PermutationTest

    Raises
    ------
    InvalidOption
        An unknown option, no fold that defines the metric, or labels that cannot be permuted.

    References
    ----------
    Phipson & Smyth 2010, doi:10.2202/1544-6115.1585; Winkler et al. 2015, doi:10.1016/j.neuroimage.2015.05.092
    (whole blocks); Ojala & Garriga 2010, JMLR 11:1833-1863
    """
    check_range("permutations", permutations, 1)
    check_option("metric", metric, METRICS)
    splits = splits or Splits()
    labels = permuted_labels(cohort, within, permutations, random_state)
    observed = _score(model, cohort, cohort.y, splits, metric)
    with parallel_config("loky", inner_max_num_threads=1):
        work = Parallel(n_jobs=n_jobs, return_as="generator")(
            delayed(_score)(model, cohort, y, splits, metric) for y in labels
        )
        null = np.array(list(progress(work, "Permuting labels", total=permutations)))
    return PermutationTest(metric, within, observed, null)


def permuted_labels(cohort: Cohort, within: str | None, permutations: int, random_state: int) -> Iterator[np.ndarray]:
    """Yield label codes (N,), permuted among groups of one size (and, with ``within="site"``, of the same sites)."""
    check_option("within", within, ("site", None))
    site = pd.factorize(cohort.sites, use_na_sentinel=False)[0] if within == "site" else np.zeros(len(cohort), int)
    y, swapping = cohort.y, strata(site, cohort.groups)
    if not any(len(np.unique(y[rows], axis=0)) > 1 for rows in swapping):
        raise InvalidOption(
            "These labels cannot be permuted: groups of one size and site all have the same labels. Use within=None, "
            "or a cohort with both classes at a site."
        )
    return _shuffled(y, swapping, np.random.default_rng(random_state), permutations)


def _shuffled(y: np.ndarray, strata: list[np.ndarray], rng: np.random.Generator, times: int) -> Iterator[np.ndarray]:
    for _ in range(times):
        new = y.copy()
        for rows in strata:
            new[rows] = y[rng.permutation(rows, axis=0)]
        yield new


def _score(model, cohort: Cohort, y: np.ndarray, splits: Splits, metric: str) -> float:
    """Mean of the metric over the folds that define it, with the labels `y` in place of the cohort's own."""
    names = np.array(cohort.classes, dtype=object)[y]
    cohort = replace(cohort, phenotypes=cohort.phenotypes.assign(**{cohort.target: names}))
    blind, vault, values = cohort.blind(), Vault(y), []
    for fold in make_folds(cohort, splits):
        with one_thread():
            p = fit_fold(model, blind, vault.training(fold.train, fold.test), fold)[1]
        values.append(METRICS[metric](vault.open(fold.test, check_probabilities(p), freeze(p)), p))
    if np.isnan(values).all():
        raise InvalidOption(f"No fold defines {metric!r}: every test set holds one class. Use fewer, larger folds.")
    return float(np.nanmean(values))
