"""Site by site: how well a model tells the classes apart there, and whether that could be chance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.stats import mannwhitneyu

from graphfuse.errors import InvalidOption
from graphfuse.evaluate.metrics import check_predictions
from graphfuse.evaluate.statistics import benjamini_hochberg

FEW_AT_SITE = 10


def site_table(predictions: pd.DataFrame, sites: pd.Series, classes: Sequence[str]) -> pd.DataFrame:
    """AUC of the positive class at each site, with a rank test against chance, adjusted over the sites of a model.

    ``AUC = U / (n_1 n_0)`` with the two-sided p of Mann and Whitney's U, then Benjamini-Hochberg. A subject's
    predictions over repeats are averaged first, so that nobody counts twice. Folds are taken together; the test is
    exact for leave-one-site-out, where one model judged the whole site, and otherwise treats the models of all folds
    as one.

    Parameters
    ----------
    predictions : DataFrame
        One row a test subject: model, repeat, fold, subject, y_true (class name), ``p_CLASS`` for each class.
    sites : Series (N,)
        Site of each subject, indexed by subject id (`Cohort.sites`).
    classes : sequence of str
        The class coding; the last is the positive one, all others are its rest.

    Returns
    -------
    DataFrame
        model, site, n, positive (how many), auc, p, p_fdr, note. A site with one class has no AUC and no p, one of
        fewer than 10 subjects no p; `note` says so, and neither enters the adjustment.

    Raises
    ------
    InvalidOption
        A subject without a site, a column that is missing, a name that is not a class, or a p outside [0, 1].
    NonFinite
        A probability that is NaN or infinite.

    References
    ----------
    Mann & Whitney 1947, doi:10.1214/aoms/1177730491; Benjamini & Hochberg 1995
    """
    score = check_predictions(predictions, classes, ("model", "subject", "y_true"))[-1]
    people = predictions.groupby(["model", "subject"], sort=False).agg(y=("y_true", "first"), p=(score, "mean"))
    people["site"] = people.index.get_level_values("subject").map(sites)
    if people["site"].isna().any():
        raise InvalidOption(f"Every subject needs a site; {int(people['site'].isna().sum())} predictions have none.")
    groups = people.groupby(["model", "site"], sort=False)
    rows = [(model, site, *_tested(part, classes[-1])) for (model, site), part in groups]
    table = pd.DataFrame(rows, columns=["model", "site", "n", "positive", "auc", "p", "note"])
    table.insert(6, "p_fdr", table.groupby("model")["p"].transform(_adjusted))
    order = {model: i for i, model in enumerate(predictions["model"].unique())}
    return table.sort_values(["model", "site"], key=lambda c: c.map(order) if c.name == "model" else c).reset_index(
        drop=True
    )


def _tested(part: pd.DataFrame, positive: str) -> tuple[int, int, float, float, str]:
    """n, positives, AUC, p and note of one site."""
    member, p = (part["y"] == positive).to_numpy(), part["p"].to_numpy(float)
    n, n1 = len(member), int(member.sum())
    if n1 in (0, n):
        return n, n1, np.nan, np.nan, "one class"
    test = mannwhitneyu(p[member], p[~member], alternative="two-sided")
    auc = float(test.statistic / (n1 * (n - n1)))
    if n < FEW_AT_SITE:
        return n, n1, auc, np.nan, f"n < {FEW_AT_SITE}"
    return n, n1, auc, float(test.pvalue), ""


def _adjusted(p: pd.Series) -> pd.Series:
    """Benjamini-Hochberg over the sites that were tested."""
    known = p.notna()
    return p.mask(known, pd.Series(benjamini_hochberg(p[known]), index=p.index[known]))
