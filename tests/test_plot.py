from __future__ import annotations

from dataclasses import replace
from io import BytesIO

import numpy as np
import pandas as pd
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import roc_auc_score

import graphfuse as gf
from graphfuse import plot
from graphfuse.errors import InvalidOption
from graphfuse.plot.calibration import reliability
from graphfuse.plot.roc import GRID, mean_roc

MODELS = {
    "majority": gf.Majority(),
    "mlp": gf.MLP(),
    "fusion": gf.FusionClassifier(),
    "fusion-no-edges": gf.FusionClassifier(edges="none"),
}


@pytest.fixture(scope="module")
def result() -> gf.CrossValidation:
    rng = np.random.default_rng(0)
    n = 120
    y, site = np.arange(n) % 2, np.array(["north", "south", "east"], object)[np.arange(n) // 2 % 3]
    table = pd.DataFrame({"dx": np.array(["control", "patient"], object)[y], "site": site})
    table.index = [f"s{i:03d}" for i in range(n)]
    cohort = gf.Cohort(table, {}, "dx", ("control", "patient"), site="site")
    splits = gf.Splits(folds=4)
    folds = splits.table(cohort)
    test = folds[folds["role"] == "test"].drop(columns="role")
    parts = []
    for strength, model in enumerate(MODELS):
        code = test["subject"].map(dict(zip(table.index, y, strict=True))).to_numpy()
        p = 1 / (1 + np.exp(-(strength * 0.8 * (code - 0.5) + rng.standard_normal(n) * (strength > 0))))
        truth = np.array(["control", "patient"], object)[code]
        parts.append(test.assign(model=model, y_true=truth, p_control=1 - p, p_patient=p))
    empty = pd.DataFrame(columns=["repeat", "fold", "column"])
    return gf.CrossValidation(cohort, splits, pd.concat(parts, ignore_index=True), folds, empty, empty, MODELS)


@pytest.fixture(scope="module")
def importance() -> pd.DataFrame:
    atlases = {"fmri": gf.load_atlas("schaefer-100"), "smri": gf.load_atlas("desikan-killiany-68")}
    parts = []
    for modality, atlas in atlases.items():
        table = atlas.regions[["network", "hemisphere", "x", "y", "z"]].rename_axis("region").reset_index()
        mean = np.linspace(0.02, 0.001, len(atlas))
        parts.append(table.assign(model="fusion", modality=modality, mean=mean, sd=mean / 4, stability=0.5))
    table = pd.concat(parts).sort_values("mean", ascending=False, kind="stable", ignore_index=True)
    return table.assign(rank=np.arange(1, len(table) + 1))


@pytest.fixture(scope="module")
def edges() -> pd.DataFrame:
    atlas = gf.load_atlas("schaefer-100")
    a, b = np.triu_indices(12, 1)
    ends = {f"{axis}{end}": atlas.xyz[rows, i] for end, rows in (("a", a), ("b", b)) for i, axis in enumerate("xyz")}
    names = np.array(atlas.names, object)
    mean = np.linspace(0.01, -0.008, len(a))
    return pd.DataFrame(
        {"model": "fusion", "modality": "fmri", "region_a": names[a], "region_b": names[b], "mean": mean} | ends
    )


def _words(figure) -> str:
    from matplotlib.text import Text

    return " | ".join(text.get_text() for text in figure.findobj(Text))


def _nothing_is_clipped(figure) -> bool:
    """Draw it; every label lies inside the picture."""
    figure.savefig(BytesIO(), format="png")
    renderer, (width, height) = figure.canvas.get_renderer(), figure.canvas.get_width_height()
    for axes in figure.axes:
        labels = [label for axis in (axes.xaxis, axes.yaxis) for label in _drawn_ticks(axis)] if axes.axison else []
        for text in [*labels, axes.title, axes.xaxis.label, axes.yaxis.label]:
            box = text.get_window_extent(renderer)
            inside = box.x0 >= -1 and box.y0 >= -1 and box.x1 <= width + 1 and box.y1 <= height + 1
            if text.get_visible() and text.get_text() and not inside:
                return False
    return True


def _drawn_ticks(axis) -> list:
    low, high = sorted(axis.get_view_interval())
    return [tick.label1 for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]


def test_every_picture_is_drawn_whole_and_leaves_no_window(result, importance, edges):
    from matplotlib import pyplot

    figures = [
        plot.plot_importance(importance),
        plot.plot_connectome(edges),
        plot.plot_roc(result),
        plot.plot_calibration(result),
        plot.plot_scores(result),
        plot.plot_scores(result, "brier"),
        plot.plot_sites(result),
    ]
    assert all(map(_nothing_is_clipped, figures))
    assert pyplot.get_fignums() == []


def test_importance_names_the_first_regions_of_each_modality(importance):
    words = _words(plot.plot_importance(importance))
    for name, part in importance.groupby("modality"):
        assert f"{name}: first 10 of {len(part)} regions" in words
        assert all(region in words for region in part["region"].head(10))
        assert part["region"].iloc[10] not in words.split(" | ")


def test_importance_of_one_modality(importance):
    words = _words(plot.plot_importance(importance, modality="smri"))
    assert "fmri" not in words
    with pytest.raises(InvalidOption, match="modality"):
        plot.plot_importance(importance, modality="pet")
    with pytest.raises(InvalidOption, match="no rows"):
        plot.plot_importance(importance.head(0))


def test_without_coordinates_there_are_bars_only(importance):
    unknown = importance.assign(x=importance["x"].where(importance["modality"] == "smri"))
    figure = plot.plot_importance(unknown)
    assert "no coordinates" in _words(figure)
    assert "fmri: first 10" in _words(figure)
    with pytest.raises(InvalidOption, match="coordinates"):
        plot.view_importance(unknown, modality="fmri")


def test_importance_of_nothing_is_still_a_picture(importance):
    assert _nothing_is_clipped(plot.plot_importance(importance.assign(mean=0.0, sd=0.0)))


def test_long_names_keep_their_ends(importance):
    long = importance.assign(region=["very " * 12 + region for region in importance["region"]])
    figure = plot.plot_importance(long)
    assert _nothing_is_clipped(figure)
    assert importance["region"].iloc[0][-20:] in _words(figure)


def test_connectome_draws_the_leading_edges_only(edges):
    from matplotlib.lines import Line2D

    few, many = plot.plot_connectome(edges, top=3), plot.plot_connectome(edges, top=40)
    assert "The 3 edges of fmri" in _words(few)
    assert len(few.findobj(Line2D)) < len(many.findobj(Line2D))
    with pytest.raises(InvalidOption, match="coordinates"):
        plot.plot_connectome(edges.assign(xa=np.nan))


def test_views_are_pages_of_their_own(importance, edges):
    page = plot.view_importance(importance).get_standalone()
    assert importance["region"].iloc[0] in page
    assert "The 20 leading regions of fmri, the first 10 by name" in page
    assert "50 edges of fmri" in plot.view_connectome(edges).get_standalone()


def test_area_under_the_mean_curve_is_the_mean_auc_of_the_folds(result):
    part = result.predictions[result.predictions["model"] == "fusion"]
    aucs = [roc_auc_score(fold["y_true"] == "patient", fold["p_patient"]) for _, fold in part.groupby("fold")]
    area = np.trapezoid(mean_roc(part, "patient"), GRID)
    assert area == pytest.approx(np.mean(aucs), abs=0.01)
    assert f"fusion  {np.mean(aucs):.3f} [" in _words(plot.plot_roc(result))


def test_folds_of_one_class_have_no_curve(result):
    part = result.predictions[result.predictions["model"] == "fusion"]
    lone = part.assign(y_true=part["y_true"].where(part["fold"] > 0, "patient"))
    np.testing.assert_allclose(mean_roc(lone, "patient"), mean_roc(part[part["fold"] > 0], "patient"))
    assert np.isnan(mean_roc(part.assign(y_true="patient"), "patient")).all()


def test_bins_equal_those_of_scikit_learn(result):
    part = result.predictions[result.predictions["model"] == "fusion"]
    bins = reliability(part, "patient")
    observed, p = calibration_curve(part["y_true"] == "patient", part["p_patient"], n_bins=10)
    np.testing.assert_allclose(bins["observed"], observed)
    np.testing.assert_allclose(bins["p"], p)
    assert sum(bins.attrs["counts"]) == len(part)


def test_default_models_are_the_best_baseline_and_the_graphs(result):
    legend = [text.get_text() for text in plot.plot_calibration(result).axes[0].get_legend().get_texts()]
    assert [text.split()[0] for text in legend] == ["perfect", "mlp", "fusion", "fusion-no-edges"]
    assert "majority" in _words(plot.plot_roc(result, ["majority"]))
    with pytest.raises(InvalidOption, match="Did you mean 'fusion'"):
        plot.plot_roc(result, ["fusio"])


def test_scores_are_sorted_with_the_best_on_top(result):
    for metric, ascending in (("auc", True), ("brier", False)):
        axes = plot.plot_scores(result, metric).axes[0]
        table = result.scores[result.scores["metric"] == metric].sort_values("mean", ascending=ascending)
        assert [label.get_text() for label in axes.get_yticklabels()] == list(table["model"])
    with pytest.raises(InvalidOption, match="metric"):
        plot.plot_scores(result, "f1")


def test_sites_show_their_sizes(result):
    labels = [label.get_text() for label in plot.plot_sites(result).axes[0].get_yticklabels()]
    assert sorted(labels) == ["east  (n = 40)", "north  (n = 40)", "south  (n = 40)"]
    nameless = replace(result, cohort=replace(result.cohort, site=None))
    assert [label.get_text() for label in plot.plot_sites(nameless).axes[0].get_yticklabels()] == ["all  (n = 120)"]
