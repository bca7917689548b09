"""Does harmonisation help on a site that was never seen? ABIDE I, leave one site out, ridge on correlations.

    python benchmarks/harmonised.py DIR [--jobs 1] [--features correlation]

DIR holds ``ABIDE_pcp/`` (the layout of nilearn's ``fetch_abide_pcp``) and ``freesurfer/{desikan,aseg}.csv``, as
``examples/abide.toml`` says. Every step is fitted on the training sites of a fold. Prints accuracy and AUC of all
out-of-fold predictions together, their mean over the sites, and the corrected t-test of each against no harmonisation.

What a site that training lacks may give: ``reference`` is inductive, the new site is not corrected. ``features``
reads the unlabelled vectors of the whole new site together, which a single new patient could not offer.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

import graphfuse as gf
from graphfuse.evaluate.metrics import accuracy, auc
from graphfuse.harmonise import ComBat, LocationScale, RegressOut

MANIFEST = Path(__file__).parents[1] / "examples" / "abide.toml"
KEEP = ("AGE_AT_SCAN", "SEX")
MOTION = ("func_mean_fd", "func_perc_fd")


def steps() -> dict:
    """Name -> harmonisation."""
    return {
        "none": None,
        "combat reference": ComBat(KEEP, on_unseen="reference"),
        "combat features": ComBat(KEEP, on_unseen="features"),
        "location-scale reference": LocationScale(KEEP, on_unseen="reference"),
        "location-scale features": LocationScale(KEEP, on_unseen="features"),
        "regress out motion": RegressOut(MOTION),
    }


def pooled(result: gf.CrossValidation) -> pd.DataFrame:
    """Accuracy and AUC of all predictions of a model together."""
    rows, classes = {}, result.cohort.classes
    for name, part in result.predictions.groupby("model", sort=False):
        y = pd.Categorical(part["y_true"], categories=classes).codes.astype(np.int64)
        p = part[[f"p_{c}" for c in classes]].to_numpy(float)
        rows[name] = {"accuracy pooled": accuracy(y, p), "AUC pooled": auc(y, p)}
    return pd.DataFrame(rows).T


def over_sites(result: gf.CrossValidation) -> pd.DataFrame:
    """Mean over the sites, each counting as one."""
    table = result.scores.pivot(index="model", columns="metric", values="mean")
    return table[["accuracy", "auc"]].rename(columns={"accuracy": "accuracy by site", "auc": "AUC by site"})


def main() -> None:
    cli = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument("dir")
    cli.add_argument("--jobs", type=int, default=1)
    cli.add_argument("--features", default="correlation", choices=("correlation", "tangent", "partial"))
    args = cli.parse_args()
    cohort = gf.read_cohort(MANIFEST, root=args.dir)
    print(cohort, flush=True)
    models = {name: gf.Ridge(("fmri",), args.features, adjust=step) for name, step in steps().items()}
    splits = gf.Splits(leave_site_out=True)
    result = gf.cross_validate(models, cohort, splits, baselines="none", n_jobs=args.jobs)
    scope = pd.Series({name: model.scope for name, model in models.items()}, name="scope")
    table = pooled(result).join(over_sites(result)).loc[list(models)].round(3).join(scope)
    print(f"\nridge-{args.features}, leave one site out\n{table.to_string()}")
    print("scope features: reads the unlabelled features of the whole test site; cannot score one new patient alone")
    for metric in ("accuracy", "auc"):
        test = result.comparisons(metric, against="none").drop(columns=["model_b", "metric"]).round(4)
        print(f"\n{metric}: difference to none, corrected t-test, Holm over the steps\n{test.to_string(index=False)}")


if __name__ == "__main__":
    main()
