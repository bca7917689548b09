"""Do the tests and intervals of evaluate/statistics.py keep their word? Simulations in which the truth is known.

    python benchmarks/honest_statistics.py [--comparisons 2000] [--intervals 500] [--permutation-tests 200]

1. ``compare``: how often it calls two equal models different at p < .05 (the naive t-test beside it). Two ridge
   classifiers on disjoint, equally informative features, n = 120, 10-fold once and ten times.
2. ``interval``: how often the 95 % interval of the AUC holds the expected AUC of models trained on n (1 - 1/K)
   subjects, n = 150. That number is known: the AUC of linear weights among Gaussian classes has a closed form.
3. ``permutation_test``: share of p < .05 among pure-noise cohorts, and how uniform the p-values are.

One process; with OMP_NUM_THREADS=1 about half an hour on a shared core, nearly all of it the third part.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import pandas as pd
from scipy import stats

import graphfuse as gf
from graphfuse.estimators.base import CohortClassifier
from graphfuse.estimators.calibration import probabilities
from graphfuse.estimators.dealing import deal
from graphfuse.evaluate.metrics import rank_auc
from graphfuse.evaluate.permutation import permutation_test
from graphfuse.evaluate.statistics import compare, interval

FEATURES, SHIFT, PENALTY = 8, 0.2, 1.0  # an ideal AUC of .79


def draw(rng: np.random.Generator, models: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Codes (n,) and features (models, n, FEATURES): classes at -SHIFT and SHIFT in each, unit noise."""
    codes = np.arange(n) % 2
    return codes, rng.standard_normal((models, n, FEATURES)) + SHIFT * (2 * codes - 1)[:, None]


def ridge(x: np.ndarray, y: np.ndarray, train: np.ndarray) -> np.ndarray:
    """Weights (J, models, FEATURES) of features x (models, n, F) and labels y (n,) of -1 and 1 in J training sets."""
    gram = np.einsum("jn,mnp,mnq->jmpq", train, x, x, optimize=True) + PENALTY * np.eye(x.shape[2])
    return np.linalg.solve(gram, np.einsum("jn,mnp,n->jmp", train, x, y, optimize=True)[..., None])[..., 0]


def fold_aucs(rng: np.random.Generator, models: int, n: int, folds: int, repeats: int) -> pd.DataFrame:
    """Scores of one simulated study in the form of `fold_scores`: stratified folds as `Splits` deals them."""
    codes, x = draw(rng, models, n)
    fold_of = np.stack([deal(codes, np.arange(n), None, rng) % folds for _ in range(repeats)])  # (repeats, n)
    train = (fold_of[:, None] != np.arange(folds)[:, None]).reshape(-1, n)  # (J, n)
    scores = np.einsum("jmp,mnp->mjn", ridge(x, 2.0 * codes - 1, train.astype(float)), x)
    rows = [
        (m, j // folds, j % folds, inside.sum(), n - inside.sum(), "auc", rank_auc(codes[~inside] == 1, s[~inside]))
        for m in range(models)
        for j, (inside, s) in enumerate(zip(train, scores[m], strict=True))
    ]
    return pd.DataFrame(rows, columns=["model", "repeat", "fold", "n_train", "n_test", "metric", "value"])


def type_one_error(rng: np.random.Generator, runs: int, repeats: int, n: int = 120, folds: int = 10) -> pd.DataFrame:
    """p of `compare` and of the naive paired t-test, (runs, 2), for two equal models."""
    rows = []
    for _ in range(runs):
        scores = fold_aucs(rng, 2, n, folds, repeats)
        a, b = (scores.loc[scores["model"] == m, "value"].to_numpy() for m in (0, 1))
        rows.append((compare(scores)["p"].item(), stats.ttest_rel(a, b).pvalue))
    return pd.DataFrame(rows, columns=["corrected", "naive"])


def expected_auc(rng: np.random.Generator, n_train: int, draws: int = 20_000) -> float:
    """Mean over training sets of the AUC in the population, ``Phi(sqrt(2) w.m / |w|)`` for classes at -m and m."""
    codes, x = draw(rng, draws, n_train)
    w = ridge(x, 2.0 * codes - 1, np.ones((1, n_train)))[0]  # (draws, F)
    return float(stats.norm.cdf(np.sqrt(2) * SHIFT * w.sum(1) / np.linalg.norm(w, axis=1)).mean())


def coverage(rng: np.random.Generator, runs: int, repeats: int, n: int = 150, folds: int = 10) -> tuple[int, float]:
    """How many of the intervals hold the expected AUC, and their mean width."""
    truth, hits, width = expected_auc(rng, n * (folds - 1) // folds), 0, 0.0
    for _ in range(runs):
        scores = fold_aucs(rng, 1, n, folds, repeats)
        _, low, high = interval(scores["value"], scores["n_train"], scores["n_test"])
        hits += low <= truth <= high
        width += (high - low) / runs
    return hits, width


class MeanDifference(CohortClassifier):
    """The difference of the class means as weights: the quickest classifier of vectors there is."""

    uses_y, scope = True, "training"

    def _fit(self, cohort, codes):
        x = cohort.signals["noise"].stack()
        self.weight_ = x[codes == 1].mean(0) - x[codes == 0].mean(0)
        self.centre_ = (x[codes == 1].mean(0) + x[codes == 0].mean(0)) / 2

    def _predict_proba(self, cohort):
        score = (cohort.signals["noise"].stack() - self.centre_) @ self.weight_
        return probabilities(np.stack([-score, score], 1), 0.5)


def noise_cohort(rng: np.random.Generator, n: int = 60, sites: int = 3) -> gf.Cohort:
    """Features with a site effect, labels without any; class shares differ from site to site by chance."""
    site = np.arange(n) % sites
    x = rng.standard_normal((n, 5)) + rng.standard_normal((sites, 5))[site]
    label = np.array(["control", "patient"])[rng.permutation(np.arange(n) % 2)]
    table = pd.DataFrame({"dx": label, "site": [f"site {s}" for s in site]}, index=[f"s{i}" for i in range(n)])
    signals = {"noise": gf.Signal.pack("vector", list(x))}
    return gf.Cohort(table, signals, target="dx", classes=("control", "patient"), site="site")


def permutation_ps(rng: np.random.Generator, runs: int, permutations: int = 99) -> np.ndarray:
    """p-values (runs,) of `permutation_test` on cohorts of noise, 2-fold."""
    ps = []
    for run in range(runs):
        test = permutation_test(MeanDifference(), noise_cohort(rng), gf.Splits(folds=2), permutations, random_state=run)
        ps.append(test.p)
        if run % 20 == 19:
            print(f"  {run + 1} permutation tests", flush=True)
    return np.array(ps)


def share(hits: int, runs: int) -> str:
    """A share with its 95 % Wilson interval."""
    low, high = stats.binomtest(int(hits), runs).proportion_ci(method="wilson")
    return f"{hits / runs:.4f} [{low:.4f}, {high:.4f}] ({int(hits)} of {runs})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--comparisons", type=int, default=2000)
    parser.add_argument("--intervals", type=int, default=500)
    parser.add_argument("--permutation-tests", type=int, default=200)
    options, began = parser.parse_args(), time.perf_counter()
    for repeats in (1, 10):
        p = type_one_error(np.random.default_rng(repeats), options.comparisons, repeats)
        for name in p:
            hits = (p[name] < 0.05).sum()
            print(f"type-I error, {name} test, {repeats} x 10-fold: {share(hits, len(p))}", flush=True)
    for repeats in (1, 10):
        hits, width = coverage(np.random.default_rng(100 + repeats), options.intervals, repeats)
        print(f"coverage, {repeats} x 10-fold: {share(hits, options.intervals)}, mean width {width:.3f}", flush=True)
    p = permutation_ps(np.random.default_rng(1000), options.permutation_tests)
    # p is a multiple of 1/100: spread it over its step, as Phipson and Smyth's p is uniform on the steps
    spread = p - np.random.default_rng(0).random(len(p)) / 100
    uniform = stats.kstest(spread, "uniform")
    print(f"permutation p < .05: {share((p < 0.05).sum(), len(p))}")
    print(f"permutation p <= .05: {share((p <= 0.05).sum(), len(p))}")
    print(f"permutation p uniform: Kolmogorov-Smirnov D {uniform.statistic:.3f}, p {uniform.pvalue:.3f}")
    print(f"{time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
