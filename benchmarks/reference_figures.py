"""Reference figures on ABIDE I: do our baselines give what other software gives on the same data?

    python benchmarks/reference_figures.py DIR [--shuffles 10] [--permutations 20] [--jobs 2]

DIR holds ``ABIDE_pcp/`` (the layout of nilearn's ``fetch_abide_pcp``) and ``freesurfer/{desikan,aseg}.csv``.
Prints accuracy / AUC, mean over the folds' test subjects taken together, for each model and protocol.
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
    }


def score(model, cohort: gf.Cohort, splits: gf.Splits) -> tuple[float, float]:
    """Accuracy and AUC of all out-of-fold predictions of one shuffle."""
    y, blind = cohort.y, cohort.blind()
    p = np.zeros((len(y), 2))
    for train, test in splits.split(cohort):
        p[test] = model.fit(blind[train], y[train]).predict_proba(blind[test])
    return accuracy(y, p), auc(y, p)


def permuted(cohort: gf.Cohort, seed: int) -> gf.Cohort:
    """The cohort with its labels dealt anew."""
    labels = np.random.default_rng(seed).permutation(cohort.phenotypes[cohort.target].to_numpy())
    return replace(cohort, phenotypes=cohort.phenotypes.assign(**{cohort.target: labels}))


def main() -> None:
    cli = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument("dir")
    cli.add_argument("--shuffles", type=int, default=10)
    cli.add_argument("--permutations", type=int, default=0)
    cli.add_argument("--jobs", type=int, default=2)
    cli.add_argument("--models", default="", help="part of a name; default: all")
    args = cli.parse_args()
    root = args.dir
    cohort = gf.load_abide(root, smri=f"{root}/freesurfer/desikan.csv", aseg=f"{root}/freesurfer/aseg.csv")
    print(cohort, flush=True)
    for name, model in models().items():
        if args.models not in name:
            continue
        began = time.time()
        runs = [(cohort, gf.Splits(random_state=seed)) for seed in range(args.shuffles)]
        runs.append((cohort, gf.Splits(leave_site_out=True)))
        runs += [(permuted(cohort, seed), gf.Splits(random_state=seed)) for seed in range(args.permutations)]
        found = np.array(Parallel(args.jobs)(delayed(score)(model, *run) for run in runs))
        ten, site, null = np.split(found, [args.shuffles, args.shuffles + 1])
        row = {"10-fold": ten.mean(0), "sd": ten.std(0, ddof=1) if len(ten) > 1 else [0, 0], "leave-site-out": site[0]}
        if len(null):
            row |= {"permuted": null.mean(0), "permuted min": null.min(0), "permuted max": null.max(0)}
        table = pd.DataFrame(row, index=["accuracy", "auc"]).round(3)
        print(f"\n{name} ({time.time() - began:.0f} s)\n{table.to_string()}", flush=True)


if __name__ == "__main__":
    main()
