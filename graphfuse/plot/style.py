"""What all pictures share: colours that colour-blind readers tell apart, names of metrics, a bare figure."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from graphfuse._check import check_option
from graphfuse.evaluate.result import CrossValidation

# Okabe and Ito (2008); black stands for chance and zero.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
ROLE_COLOURS = {
    "graph": "#D55E00",
    "system": "#009E73",
    "fusion": "#CC79A7",
    "control": "#E69F00",
    "baseline": "#0072B2",
}
ROLE_MARKERS = {"graph": "D", "system": "^", "fusion": "v", "control": "s", "baseline": "o"}
ROLE_NAMES = {
    "graph": "graph model",
    "system": "published system",
    "fusion": "fusion of networks",
    "control": "control: edges taken or shuffled",
    "baseline": "baseline",
}
MAGNITUDE, SIGNED = "viridis", "RdBu_r"
METRIC_NAMES = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "auc": "AUC",
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "brier": "Brier score (smaller is better)",
}
MAX_CURVES = 6


def blank_figure(width: float, height: float) -> Figure:
    """A figure [inch] that belongs to no window, so that nobody has to close it."""
    figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def bare(axes: Axes) -> Axes:
    """Take the upper and right spine away."""
    axes.spines[["top", "right"]].set_visible(False)
    return axes


def chosen_models(result: CrossValidation, models: Sequence[str] | None) -> list[str]:
    """The models to draw: those named, else the best baseline and the graph models with their controls, six at most."""
    if models is not None:
        return [check_option("models", name, result.model_names) for name in models]
    names = [name for role in ("graph", "control") for name in result.model_names if result.role(name) == role]
    return [result.best_baseline(), *[name for name in names if name != result.best_baseline()]][:MAX_CURVES]


@FuncFormatter
def percent(value: float, position: int | None = None) -> str:
    """A share as a percentage without idle zeros."""
    return f"{100 * value:.3g} %"
