"""CrossValidation: what an evaluation found, as tables keyed by model and subject."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import pandas as pd

from graphfuse._check import check_option
from graphfuse.cohort import Cohort
from graphfuse.estimators.hierarchical import HierarchicalClassifier
from graphfuse.estimators.hybrid import HybridFusion
from graphfuse.estimators.panel import innermost
from graphfuse.estimators.population_system import PopulationSystem
from graphfuse.estimators.subject_system import SubjectSystem
from graphfuse.evaluate.declaration import COLUMNS
from graphfuse.evaluate.leaderboard import leaderboard
from graphfuse.evaluate.metrics import METRICS, SMALLER_IS_BETTER, calibration_table, fold_scores
from graphfuse.evaluate.missingness import scores_by_pattern
from graphfuse.evaluate.sites import site_table
from graphfuse.evaluate.splits import GivenSplits, Splits
from graphfuse.evaluate.statistics import compare, summarise

STEPS = ("model", *COLUMNS, "tried")


@dataclass(frozen=True, eq=False, repr=False)
class CrossValidation:
    """Predictions, scores, folds and fitted models of one evaluation.

    Parameters
    ----------
    cohort : Cohort
    splits : Splits
    predictions : DataFrame
        model, repeat, fold, subject, y_true, one ``p_CLASS`` a class; one row a test subject.
    folds : DataFrame
        repeat, fold, subject, role.
    leaks : DataFrame
        repeat, fold, column: the phenotypes that no model was shown, because they give the class away.
    seconds : DataFrame
        model, repeat, fold, seconds to fit and predict, parameters, peak_mb.
    estimators : dict of str to estimator
        What was evaluated, unfitted.
    fitted : dict of (model, repeat, fold) to estimator
        The fitted graph models.
    steps : DataFrame
        model, step, kind, data, labels, phenotypes, tried: what each fitted step says it used (`declaration`), and how
        many configurations the model tried inside its training subjects.
    together : bool
        Whether the networks of several folds were trained as one batch.
    """

    cohort: Cohort
    splits: Splits
    predictions: pd.DataFrame
    folds: pd.DataFrame
    leaks: pd.DataFrame
    seconds: pd.DataFrame
    estimators: Mapping = field(default_factory=dict)
    fitted: Mapping = field(default_factory=dict)
    steps: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(STEPS)))
    together: bool = False

    def __repr__(self) -> str:
        return (
            f"CrossValidation({len(self.model_names)} models, {len(self.fold_keys)} folds, {len(self.cohort)} subjects)"
        )

    @property
    def model_names(self) -> list[str]:
        """Names of the models, in the order of evaluation."""
        return list(self.predictions["model"].unique())

    @property
    def fold_keys(self) -> list[tuple[int, int]]:
        """(repeat, fold) of every split."""
        return list(self.predictions.groupby(["repeat", "fold"]).groups)

    @cached_property
    def fold_scores(self) -> pd.DataFrame:
        """Every metric in every fold: model, repeat, fold, n_train, n_test, metric, value."""
        scores = fold_scores(self.predictions, self.cohort.classes)
        if isinstance(self.splits, GivenSplits):  # a fold may leave people out of both sets
            scores["n_train"] = scores["fold"].map(lambda fold: len(self.splits.pairs[fold][0]))
        return scores

    @cached_property
    def scores(self) -> pd.DataFrame:
        """Every metric with its corrected 95 % interval: model, metric, mean, low, high, folds."""
        return summarise(self.fold_scores)

    def comparisons(self, metric: str = "auc", against: str | None = None) -> pd.DataFrame:
        """Corrected t-tests with Holm's adjustment, see `compare`; `against` None = the best baseline."""
        return compare(self.fold_scores, against or self.best_baseline(metric), metric)

    def graph_models(self) -> list[str]:
        """The models under test: everything that reads a graph with its own edges."""
        return [name for name in self.model_names if self.role(name) == "graph"]

    def role(self, name: str) -> str:
        """What a model is here.

        ``graph``; ``system``, a published one; ``fusion``, a network that fuses and has no control of its edges, or a
        panel with a graph model or a system in it; ``control``, a graph model whose edges were taken or shuffled; or
        ``baseline``.
        """
        return _role(self.estimators.get(name))

    def best_baseline(self, metric: str = "auc") -> str:
        """The baseline of the highest mean; the strongest opponent there is on these folds."""
        check_option("metric", metric, METRICS)
        part = self.scores[self.scores["metric"] == metric].set_index("model")["mean"]
        rivals = [name for name in part.index if self.role(name) == "baseline"] or list(part.index)
        defined = part[rivals].dropna()  # the AUC of single-class folds is not
        if not len(defined):
            return rivals[0]
        return str(defined.idxmin() if metric in SMALLER_IS_BETTER else defined.idxmax())

    def table(self, metric: str = "auc") -> pd.DataFrame:
        """One row a model: each metric as ``mean [low, high]``, and the corrected test against the best baseline."""
        text = self.scores.assign(
            text=[_interval_text(*row) for row in self.scores[["mean", "low", "high"]].to_numpy()]
        )
        wide = text.pivot(index="model", columns="metric", values="text").loc[self.model_names, list(METRICS)]
        tests = self.comparisons(metric).set_index("model_a").reindex(wide.index)
        wide.insert(0, "role", [self.role(name) for name in wide.index])
        return wide.assign(difference=tests["difference"].round(3), p_holm=tests["p_holm"].round(4))

    def leaderboard(self, metric: str = "auc", claims: Mapping[str, str] | None = None) -> pd.DataFrame:
        """Every model, the best first, with interval, corrected test, seconds, parameters and memory.

        See `graphfuse.evaluate.leaderboard.leaderboard`.
        """
        return leaderboard(self, metric, claims)

    def by_pattern(self, metric: str = "auc") -> pd.DataFrame:
        """Each model's score by which modalities the test subjects have; see `scores_by_pattern`."""
        return scores_by_pattern(self, metric)

    def by_site(self, metric: str = "auc") -> pd.DataFrame:
        """Each model's score on the test subjects of each site, all folds together; NaN where there is one class."""
        site = self.predictions["subject"].map(self.cohort.sites)
        pooled = self.predictions.assign(fold=site.to_numpy())
        check_option("metric", metric, METRICS)
        scores = fold_scores(pooled, self.cohort.classes)
        part = scores[scores["metric"] == metric]
        table = part.groupby(["fold", "model"])["value"].mean().unstack()[self.model_names].rename_axis("site")
        table.insert(0, "subjects", part[part["model"] == self.model_names[0]].groupby("fold")["n_test"].first())
        return table

    def calibration(self) -> pd.DataFrame:
        """Brier score and expected calibration error of each model, folds together (`calibration_table`)."""
        return calibration_table(self.predictions, self.cohort.classes)

    def site_tests(self) -> pd.DataFrame:
        """Each model at each site, with a rank test against chance adjusted over sites (`site_table`)."""
        return site_table(self.predictions, self.cohort.sites.fillna("not known"), self.cohort.classes)

    def verdict(self, metric: str = "auc") -> str:
        """One plain sentence a graph model: did its graph help? And one on the published systems, if there are any."""
        told = [self._verdict_of(name, metric) for name in self.graph_models()]
        systems = [name for name in self.model_names if self.role(name) == "system"]
        told += [self._verdict_of_systems(systems, metric)] if systems else []
        return " ".join(told) or "No graph model was evaluated."

    def _verdict_of_systems(self, systems: list[str], metric: str) -> str:
        """How many published systems beat the best baseline, all models on one Holm family."""
        best = self.best_baseline(metric)
        if self.role(best) != "baseline":
            return "Published systems were evaluated without a baseline, so nothing can be said about them."
        tests = self.comparisons(metric).set_index("model_a").loc[systems]
        gain = -tests["difference"] if metric in SMALLER_IS_BETTER else tests["difference"]
        sure = tests["p_holm"] < 0.05
        better, worse = list(tests.index[sure & (gain > 0)]), list(tests.index[sure & (gain < 0)])
        named = f" ({', '.join(better)})" if better else ""
        return (
            f"Of {len(systems)} published systems, {len(better)}{named} beat the best baseline, {best}, and "
            f"{len(worse)} did worse ({metric} on the same folds, p adjusted over all models)."
        )

    def _verdict_of(self, name: str, metric: str) -> str:
        rivals = [self.best_baseline(metric), *[f"{name}-{control}-edges" for control in ("no", "shuffled")]]
        part = self.fold_scores[self.fold_scores["model"].isin([name, *rivals])]
        tests = compare(part, against=name, metric=metric).set_index("model_a")
        gain = tests["difference"] if metric in SMALLER_IS_BETTER else -tests["difference"]
        beaten = list(tests.index[(gain > 0) & (tests["p_holm"] < 0.05)])
        worst = list(tests.index[(gain < 0) & (tests["p_holm"] < 0.05)])
        detail = "; ".join(
            f"{-row.difference:+.3f} [{-row.high:+.3f}, {-row.low:+.3f}] against {rival}, p = {row.p_holm:.3g}"
            for rival, row in tests.iterrows()
        )
        if not len(tests):
            return f"{name} was evaluated without a baseline, so nothing can be said about its graph."
        if len(beaten) == len(tests):
            claim = f"The graph helped {name}"
        elif worst:
            claim = f"The graph did not help {name}, which is worse than {', '.join(worst)}"
        elif beaten:
            claim = f"{name} beats {', '.join(beaten)} but not every comparison, so its graph is not shown to help"
        else:
            claim = f"The graph did not demonstrably help {name}"
        return f"{claim} ({metric} {detail})."


def _interval_text(mean: float, low: float, high: float) -> str:
    return "n/a" if pd.isna(mean) else f"{mean:.3f} [{low:.3f}, {high:.3f}]"


def _role(model) -> str:
    model = innermost(model)
    if getattr(model, "edges", "given") != "given":
        return "control"
    if isinstance(model, (SubjectSystem, PopulationSystem)):
        return "fusion" if isinstance(model, (HybridFusion, HierarchicalClassifier)) else "system"
    panel = getattr(model, "models", None)
    if isinstance(panel, Mapping) and any(_role(member) != "baseline" for member in panel.values()):
        return "fusion"
    return "graph" if hasattr(model, "build_network") and hasattr(model, "conv") else "baseline"
