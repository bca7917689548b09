"""The leaderboard: every model in order of its score, with its interval, its test and what it cost."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from graphfuse._check import check_option
from graphfuse.evaluate.metrics import METRICS, SMALLER_IS_BETTER


def leaderboard(result, metric: str = "auc", claims: Mapping[str, str] | None = None) -> pd.DataFrame:
    """One row a model, the best first.

    Parameters
    ----------
    result : CrossValidation
    metric : str
        What the order follows.
    claims : mapping of str to str, or None
        Model -> what its authors published, shown beside what came out here.

    Returns
    -------
    DataFrame
        model, role (see `CrossValidation.role`), the metric's mean with low and high of its corrected 95 % interval,
        accuracy, difference to the best baseline with p (Nadeau and Bengio, Holm over all models), seconds
        to fit and predict one fold (median), parameters, peak_mb (largest of all folds), and claim where there are any.
    """
    check_option("metric", metric, METRICS)
    scores = result.scores.set_index(["metric", "model"])
    table = scores.loc[metric, ["mean", "low", "high"]].reindex(result.model_names).rename(columns={"mean": metric})
    if metric != "accuracy":
        table["accuracy"] = scores.loc["accuracy", "mean"]
    tests = result.comparisons(metric).set_index("model_a").reindex(table.index)
    table = table.assign(difference=tests["difference"], p_holm=tests["p_holm"]).join(_costs(result.seconds))
    table.insert(0, "role", [result.role(name) for name in table.index])
    if claims is not None:
        table["claim"] = [claims.get(name, "") for name in table.index]
    order = table.sort_values(metric, ascending=metric in SMALLER_IS_BETTER, kind="stable", na_position="last")
    return order.rename_axis("model").reset_index()


def _costs(seconds: pd.DataFrame) -> pd.DataFrame:
    """Median seconds, parameters and largest memory of each model; NaN where an older run did not say."""
    whole = seconds.reindex(columns=["model", "seconds", "parameters", "peak_mb"], fill_value=np.nan)
    grouped = whole.groupby("model", sort=False)
    return pd.DataFrame(
        {
            "seconds": grouped["seconds"].median(),
            "parameters": grouped["parameters"].median(),
            "peak_mb": grouped["peak_mb"].max(),
        }
    )
