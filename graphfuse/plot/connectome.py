"""Edge importance as a connectome."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize

from graphfuse._check import check_range
from graphfuse.errors import InvalidOption
from graphfuse.plot.style import SIGNED, blank_figure, percent

PLACES = ["xa", "ya", "za", "xb", "yb", "zb"]


def plot_connectome(edges: pd.DataFrame, top: int = 50):
    """Draw the leading edges on a glass brain; red: a stronger edge pushes to the positive class, blue: to the others.

    Parameters
    ----------
    edges : DataFrame
        From `graphfuse.edge_importance`.
    top : int
        Edges to draw.

    Returns
    -------
    matplotlib Figure

    Raises
    ------
    InvalidOption
        No edge has coordinates.
    """
    from nilearn.plotting import plot_connectome as glass_brain

    matrix, places, size = _matrix(edges, top)
    figure = blank_figure(12, 4.2)
    figure.set_layout_engine("none")  # nilearn places its brains before a layout engine could move them
    figure.suptitle(_title(edges, len(edges.head(top))), fontsize=12)
    axes = figure.add_axes((0.01, 0.2, 0.98, 0.7))
    limit = np.abs(matrix).max()
    glass_brain(
        matrix,
        places,
        node_color="0.25",
        node_size=size,
        edge_cmap=SIGNED,
        edge_vmin=-limit,
        edge_vmax=limit,
        edge_kwargs={"linewidth": 1.6},
        display_mode="lyrz",
        figure=figure,
        axes=axes,
        colorbar=False,
    )
    _draw_colour_bar(figure.add_axes((0.3, 0.14, 0.4, 0.03)), limit)
    return figure


def view_connectome(edges: pd.DataFrame, top: int = 50):
    """Show the leading edges on a brain that turns in the browser; arguments and errors of `plot_connectome`.

    Returns
    -------
    nilearn HTMLView
        Shown by a notebook; ``.save_as_html(path)`` writes it.
    """
    from nilearn.plotting import view_connectome as turning_brain

    matrix, places, size = _matrix(edges, top)
    title = _title(edges, len(edges.head(top)))
    text = {"title": title, "title_fontsize": 14, "colorbar_fontsize": 12}
    return turning_brain(matrix, places, edge_cmap=SIGNED, node_color="black", node_size=size / 6, **text)


def _title(edges: pd.DataFrame, n: int) -> str:
    return (
        f"The {n} edges of {edges['modality'].iloc[0]} that move the held-out scores of {edges['model'].iloc[0]} most"
    )


def _matrix(edges: pd.DataFrame, top: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Symmetric matrix (R, R) of the leading edges, the places (R, 3) of their regions, marker sizes (R,)."""
    check_range("top", top, 1)
    order = edges["mean"].abs().sort_values(ascending=False, kind="stable").index
    leading = edges.loc[order].head(top)
    leading = leading[leading[PLACES].notna().all(axis=1) & (leading["mean"] != 0)]
    if leading.empty:
        raise InvalidOption("No edge has coordinates and importance; give the atlas x, y, z and compute it again.")
    a, b = leading[["region_a", "xa", "ya", "za"]], leading[["region_b", "xb", "yb", "zb"]]
    ends = pd.DataFrame(np.concatenate([a, b]), columns=["region", "x", "y", "z"]).drop_duplicates("region")
    row = {region: i for i, region in enumerate(ends["region"])}
    matrix = np.zeros((len(row), len(row)))
    for region_a, region_b, mean in leading[["region_a", "region_b", "mean"]].itertuples(index=False):
        matrix[row[region_a], row[region_b]] = matrix[row[region_b], row[region_a]] = mean
    strength = np.abs(matrix).sum(1)
    return matrix, ends[["x", "y", "z"]].to_numpy(dtype=float), 10 + 60 * strength / strength.max()


def _draw_colour_bar(axes: Axes, limit: float) -> None:
    mappable = ScalarMappable(Normalize(-limit, limit), SIGNED)
    bar = axes.figure.colorbar(mappable, cax=axes, orientation="horizontal", format=percent)
    bar.set_label("importance, mean over folds; positive: a stronger edge pushes to the positive class", fontsize=9)
    bar.ax.tick_params(labelsize=8)
