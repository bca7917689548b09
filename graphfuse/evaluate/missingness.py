"""Who lacked what: scores by pattern of missing modalities, and whether the pattern itself tells class or site."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.stats import MonteCarloMethod, chi2_contingency

from graphfuse._check import check_option
from graphfuse.cohort import Cohort
from graphfuse.evaluate.metrics import METRICS, SMALLER_IS_BETTER, fold_scores

NOTHING = "nothing"
SPARSE = 5  # expected people in a cell, below which the chi-square distribution is a poor guide
DRAWS = 9999


def patterns(cohort: Cohort) -> pd.Series:
    """Which modalities each subject has, ``fmri + smri``, in the order of the cohort; (N,) by subject.

    Who has none is called ``nothing``.
    """
    names = list(cohort.signals)
    has = np.array([cohort.has(name) for name in names], dtype=bool).reshape(len(names), len(cohort))
    texts = [" + ".join(name for name, there in zip(names, row, strict=True) if there) or NOTHING for row in has.T]
    return pd.Series(texts, index=cohort.subjects, name="pattern", dtype=object)


def complete(cohort: Cohort) -> str:
    """The pattern of those who have everything."""
    return " + ".join(cohort.signals) or NOTHING


def pattern_names(cohort: Cohort) -> list[str]:
    """The patterns that occur, everything first, then by number of people; equal ones by name."""
    counts = patterns(cohort).value_counts()
    return sorted(counts.index, key=lambda name: (name != complete(cohort), -counts[name], name))


def scores_by_pattern(result, metric: str = "auc") -> pd.DataFrame:
    """Each model's score on the test subjects of each pattern of modalities, and what they lose.

    The test subjects of all folds of a repeat are taken together, repeats are averaged. The loss compares different
    people, those with this pattern and those with everything, who may be easier to tell for another reason (a site, an
    age). Of somebody who lacks all that it reads a model says what its training shares say; these differ from fold to
    fold, so that its AUC, folds together, may lie beside one half.

    Parameters
    ----------
    result : CrossValidation
    metric : str
        A key of `METRICS`.

    Returns
    -------
    DataFrame
        model, pattern, n (people), score, loss: how much worse than the people with everything, positive for worse,
        whichever way the metric points. NaN where the score is not defined or nobody has everything.

    Raises
    ------
    InvalidOption
        An unknown metric.
    """
    check_option("metric", metric, METRICS)
    pattern = result.predictions["subject"].map(patterns(result.cohort))
    pooled = fold_scores(result.predictions.assign(fold=pattern.to_numpy()), result.cohort.classes)
    part = pooled[pooled["metric"] == metric]
    score = part.groupby(["model", "fold"])["value"].mean()
    people = result.predictions.assign(pattern=pattern).groupby("pattern")["subject"].nunique()
    whole, sign = complete(result.cohort), -1 if metric in SMALLER_IS_BETTER else 1
    rows = [
        (
            model,
            name,
            int(people[name]),
            score[model, name],
            sign * (score.get((model, whole), np.nan) - score[model, name]),
        )
        for model in result.model_names
        for name in pattern_names(result.cohort)
        if (model, name) in score.index
    ]
    return pd.DataFrame(rows, columns=["model", "pattern", "n", "score", "loss"])


def missingness_tests(cohort: Cohort, random_state: int = 0) -> pd.DataFrame:
    """Does it tell the class, or the site, which modalities somebody has? Pearson's chi-square of the two tables.

    ``chi2 = sum (n - e)^2 / e`` and Cramer's ``v = sqrt(chi2 / (N min(rows - 1, columns - 1)))``. Where a cell expects
    fewer than 5 people, p comes from 9999 tables drawn with the same margins. People of one family count as
    independent. A description of all labelled people, nothing that a model sees.

    Parameters
    ----------
    cohort : Cohort
        With labels.
    random_state : int
        Of the drawn tables.

    Returns
    -------
    DataFrame
        against (class, site), n, chi2, p, v. Empty where everybody has the same pattern; no row for site where there is
        one site only. People without a site take no part in its row.

    Raises
    ------
    LabelLeakageError
        A cohort without labels.

    References
    ----------
    Pearson 1900, doi:10.1080/14786440009463897; Cramer 1946, Mathematical Methods of Statistics
    """
    pattern = patterns(cohort)
    sides = {"class": pd.Series(cohort.y, index=cohort.subjects), "site": cohort.sites}
    rows = [(name, *_association(pattern, side, random_state)) for name, side in sides.items()]
    return pd.DataFrame([row for row in rows if row[1]], columns=["against", "n", "chi2", "p", "v"])


def _association(pattern: pd.Series, side: pd.Series, seed: int) -> Sequence[float]:
    """n, chi-square, p and Cramer's v; n = 0 where one of the two is the same for all."""
    table = pd.crosstab(pattern, side).to_numpy()
    if min(table.shape) < 2:
        return 0, np.nan, np.nan, np.nan
    test = chi2_contingency(table, correction=False)
    p = test.pvalue
    if test.expected_freq.min() < SPARSE:
        method = MonteCarloMethod(n_resamples=DRAWS, rng=np.random.default_rng(seed))
        p = chi2_contingency(table, correction=False, method=method).pvalue
    n = int(table.sum())
    return n, float(test.statistic), float(p), float(np.sqrt(test.statistic / (n * (min(table.shape) - 1))))
