"""What is lost when sMRI is missing: for half of the people at random, and for one whole site; tables in Markdown.

Every fusion by name (of kernels, answers and embeddings), the mean of ridges, and a ridge with every imputer, on the
same folds three times: with everything, with half of the people's sMRI taken away, and with that of one site. The loss
is that of the same people: their AUC when they had sMRI less their AUC without it, folds together.

    python benchmarks/missing_smri.py [--subjects 300] [--members 1] [--jobs 2] [--out DIR]
    python benchmarks/missing_smri.py examples/abide.toml --root DIR [--site NYU]

Without a manifest the people are simulated. With `--out` a run that was killed goes on where it was.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

import graphfuse as gf
from graphfuse.estimators.imputation import IMPUTERS
from graphfuse.evaluate.fusion_models import fusion_models
from graphfuse.evaluate.missingness import complete, missingness_tests, patterns, scores_by_pattern

KEPT, TAKEN = "fmri", "smri"


def models(cohort: gf.Cohort, members: int) -> dict:
    """Name -> estimator."""
    named = fusion_models(cohort)
    for model in named.values():
        if "members" in model.get_params(deep=False):
            model.set_params(members=members)
    named["fusion-gated, modality dropout"] = gf.FusionClassifier(members=members, modality_dropout=0.3)
    ridges = {f"ridge, imputed: {name}": gf.Ridge(impute=name) for name in IMPUTERS}
    return named | {"mean of ridges": gf.MeanOfRidges()} | ridges


def people(asked: argparse.Namespace) -> gf.Cohort:
    """Those who have both modalities, and nothing else of them."""
    if asked.manifest:
        cohort = gf.read_cohort(asked.manifest, root=asked.root)
    else:
        cohort = gf.simulate_cohort(asked.subjects, missing={}, seed=asked.seed).cohort
    both = replace(cohort, signals={name: cohort.signals[name] for name in (KEPT, TAKEN)})
    return both[np.flatnonzero(both.has(KEPT) & both.has(TAKEN))]


def lacking(cohort: gf.Cohort, site: str | None, seed: int) -> dict[str, gf.Cohort]:
    """Name -> the cohort after a loss of sMRI; the site is the largest unless one is named."""
    site = site or cohort.sites.value_counts().index[0]
    there = (cohort.sites == site).to_numpy()
    if not 0 < there.sum() < len(cohort):
        raise SystemExit(
            f"Expected a site with some of the people; {int(there.sum())} of {len(cohort)} are at {site!r}."
        )
    half = np.random.default_rng(seed).permutation(len(cohort))[: len(cohort) // 2]
    return {"half at random": cohort.without(TAKEN, half), f"all of site {site}": cohort.without(TAKEN, there)}


def losses(before: gf.CrossValidation, after: gf.CrossValidation) -> pd.DataFrame:
    """AUC by pattern of `after`, and what its people had before: one row a model."""
    now = scores_by_pattern(after).pivot(index="model", columns="pattern", values="score")
    then = scores_by_pattern(replace(before, cohort=after.cohort)).pivot(
        index="model", columns="pattern", values="score"
    )
    whole = complete(after.cohort)
    table = pd.DataFrame({"has both": now[whole], "lacks sMRI": now[KEPT], "the same people before": then[KEPT]})
    table["loss"] = table["the same people before"] - table["lacks sMRI"]
    table["loss of those who have both"] = then[whole] - now[whole]
    return table.loc[after.model_names]


def show(table: pd.DataFrame) -> None:
    """Print a table in Markdown."""
    print(f"| model | {' | '.join(table.columns)} |\n|---{'|---' * table.shape[1]}|")
    for row in table.itertuples():
        print(f"| {row.Index} | {' | '.join(f'{value:.3f}' for value in row[1:])} |")


def options() -> argparse.Namespace:
    """What the command line asks for."""
    cli = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument("manifest", nargs="?", help="a cohort.toml with fmri and smri; none: simulated people")
    cli.add_argument("--root", help="folder of the manifest's files")
    cli.add_argument("--site", help="who loses sMRI; none: the largest site")
    cli.add_argument("--subjects", type=int, default=300)
    cli.add_argument("--members", type=int, default=3, help="networks of an ensemble")
    cli.add_argument("--folds", type=int, default=5)
    cli.add_argument("--seed", type=int, default=0)
    cli.add_argument("--jobs", type=int, default=1)
    cli.add_argument("--out", type=Path, help="folder for finished pieces")
    return cli.parse_args()


def main() -> None:
    """Print the tables."""
    asked = options()
    cohort = people(asked)
    print(cohort, flush=True)
    folds = list(gf.Splits(folds=asked.folds, random_state=asked.seed).split(cohort))
    ran = {}
    for name, part in ({"everything": cohort} | lacking(cohort, asked.site, asked.seed)).items():
        out = asked.out and asked.out / name.replace(" ", "-")
        ran[name] = gf.cross_validate(
            models(cohort, asked.members), part, folds, baselines="none", n_jobs=asked.jobs, out=out
        )
        if name == "everything":
            continue
        counts = ", ".join(f"{key} {count}" for key, count in patterns(part).value_counts().items())
        told = ", ".join(f"{row.against} p = {row.p:.3g}" for row in missingness_tests(part).itertuples())
        print(f"\n## sMRI missing: {name}\n\n{counts}. Who lacks it, against {told}. AUC, folds together.\n")
        show(losses(ran["everything"], ran[name]))


if __name__ == "__main__":
    main()
