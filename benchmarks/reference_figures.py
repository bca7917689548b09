"""Reference figures on ABIDE I: do our baselines give what other software gives on the same data?

    python benchmarks/reference_figures.py DIR [--shuffles 10] [--leave-site-out] [--permutations 20] [--jobs 2]

DIR holds ``ABIDE_pcp/`` (the layout of nilearn's ``fetch_abide_pcp``) and ``freesurfer/{desikan,aseg}.csv``.
Prints accuracy and AUC of all out-of-fold predictions together, for each model and protocol: mean and spread over
shuffles of the folds, leave-one-site-out, and with permuted labels.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

import graphfuse as gf
from graphfuse.evaluate.metrics import accuracy, auc

SMRI = ("smri", "aseg")


def models() -> dict:
    """Name -> unfitted model."""
    ridges = {
        "correlation": gf.Ridge(("fmri",), "correlation"),
        "tangent": gf.Ridge(("fmri",), "tangent"),
        "smri": gf.Ridge(SMRI),
    }
    return {
        "svm correlation": gf.LinearSVM(("fmri",), "correlation", C=1.0),
        "svm smri": gf.LinearSVM(SMRI, C=0.1),
        **{f"ridge {name}": ridge for name, ridge in ridges.items()},
        "mean of ridges": gf.MeanOfRidges(ridges),
        "mlp": gf.MLP(),
        "fusion": gf.FusionClassifier(),
        "population": gf.PopulationClassifier(),
        "population transductive": gf.PopulationClassifier(transductive=True),
    }


def score(model, cohort: gf.Cohort, splits: gf.Splits) -> tuple[float, float]:
    """Accuracy and AUC of all out-of-fold predictions of one shuffle."""
    y, blind = cohort.y, cohort.blind()
    p = np.zeros((len(y), 2))
    for train, test in splits.split(cohort):
        options = {"unlabelled": blind[test]} if getattr(model, "transductive", False) else {}
        p[test] = model.fit(blind[train], y[train], **options).predict_proba(blind[test])
    return accuracy(y, p), auc(y, p)


def permuted(cohort: gf.Cohort, seed: int) -> gf.Cohort:
    """The cohort with its labels dealt anew."""
    labels = np.random.default_rng(seed).permutation(cohort.phenotypes[cohort.target].to_numpy())
    return replace(cohort, phenotypes=cohort.phenotypes.assign(**{cohort.target: labels}))


def summary(found: dict[str, list]) -> pd.DataFrame:
    """Mean, spread and range of (accuracy, AUC) by protocol."""
    columns = {}
    for name, pairs in found.items():
        values = np.array(pairs)  # (runs, 2)
        columns[name] = values.mean(0)
        if len(values) > 1:
            columns[f"{name} sd"], columns[f"{name} min"], columns[f"{name} max"] = (
                values.std(0, ddof=1), values.min(0), values.max(0),
            )  # fmt: skip
    return pd.DataFrame(columns, index=["accuracy", "auc"]).round(3).T


def main() -> None:
    cli = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument("dir")
    cli.add_argument("--shuffles", type=int, default=10)
    cli.add_argument("--leave-site-out", action="store_true")
    cli.add_argument("--permutations", type=int, default=0)
    cli.add_argument("--folds", type=int, default=10)
    cli.add_argument("--jobs", type=int, default=2)
    cli.add_argument("--models", default="", help="names, comma-separated; default: all")
    args = cli.parse_args()
    root = args.dir
    cohort = gf.load_abide(root, smri=f"{root}/freesurfer/desikan.csv", aseg=f"{root}/freesurfer/aseg.csv")
    print(cohort, flush=True)
    known = models()
    for name in args.models.split(",") if args.models else known:
        began = time.time()
        runs = [("folds", cohort, gf.Splits(args.folds, random_state=seed)) for seed in range(args.shuffles)]
        runs += [("leave-site-out", cohort, gf.Splits(leave_site_out=True))] * args.leave_site_out
        runs += [
            ("permuted", permuted(cohort, seed), gf.Splits(args.folds, random_state=seed))
            for seed in range(args.permutations)
        ]
        scores = Parallel(args.jobs)(delayed(score)(known[name], *run) for _, *run in runs)
        found: dict[str, list] = {}
        for (protocol, *_), pair in zip(runs, scores, strict=True):
            found.setdefault(protocol, []).append(pair)
        print(f"\n{name} ({time.time() - began:.0f} s)\n{summary(found).to_string()}", flush=True)


if __name__ == "__main__":
    main()
