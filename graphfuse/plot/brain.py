"""Region importance on the brain."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize, to_hex
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from graphfuse._check import check_option, check_range
from graphfuse.errors import InvalidOption
from graphfuse.plot.style import MAGNITUDE, bare, blank_figure, percent

LISTED = 10  # regions named beside the brain
LONGEST = 36  # letters of a name that fit there


def plot_importance(importance: pd.DataFrame, top: int = 20, modality: str | None = None):
    """Draw the leading regions of each modality on a glass brain, and name the first ten beside it.

    Parameters
    ----------
    importance : DataFrame
        From `graphfuse.region_importance`.
    top : int
        Regions on the brain, a modality. Those without coordinates are in the list only.
    modality : str or None
        None = all, a row each.

    Returns
    -------
    matplotlib Figure

    Raises
    ------
    InvalidOption
    """
    check_range("top", top, 1)
    parts = _by_modality(importance, modality)
    height = 3.6 * len(parts) + 0.5  # [inch]
    figure = blank_figure(13, height)
    figure.set_layout_engine("none")  # nilearn places its brains before a layout engine could move them
    figure.suptitle(_title(importance), fontsize=12, y=1 - 0.2 / height)
    for i, (name, part) in enumerate(parts.items()):
        low, unit = (height - 0.5 - 3.6 * (i + 1)) / height, 3.6 / height  # of this row [figure]
        norm = Normalize(0, part["mean"].max() or 1.0)
        _draw_brain(figure, (low, unit), _placed(part, top), norm)
        _draw_list(figure.add_axes((0.80, low + 0.17 * unit, 0.185, 0.70 * unit)), name, part, norm)
    return figure


def view_importance(importance: pd.DataFrame, top: int = 20, modality: str | None = None):
    """Show the leading regions as markers on a brain that turns in the browser.

    Parameters
    ----------
    importance, top, modality
        As in `plot_importance`; None = the modality of the first region.

    Returns
    -------
    nilearn HTMLView
        Shown by a notebook; ``.save_as_html(path)`` writes it.

    Raises
    ------
    InvalidOption
        No region has coordinates.
    """
    from nilearn.plotting import view_markers

    modality = modality or importance["modality"].iloc[0]
    part = _placed(_by_modality(importance, modality)[modality], top)
    if part.empty:
        raise InvalidOption(
            f"No region of {modality!r} has coordinates; give the atlas x, y, z, or use plot_importance."
        )
    share = part["mean"].to_numpy() / (part["mean"].max() or 1.0)
    labels = [_short(region) if i < LISTED else "" for i, region in enumerate(part["region"])]  # more would overlap
    return view_markers(
        part[["x", "y", "z"]].to_numpy(),
        marker_color=_colours(share),
        marker_size=list(4 + 10 * share),
        marker_labels=labels,
        title=f"The {len(part)} leading regions of {modality}, the first {min(LISTED, len(part))} by name",
        title_fontsize=14,
    )


def _by_modality(importance: pd.DataFrame, modality: str | None) -> dict[str, pd.DataFrame]:
    if importance.empty:
        raise InvalidOption("importance has no rows; compute it with graphfuse.region_importance(result).")
    names = list(importance["modality"].unique())
    names = names if modality is None else [check_option("modality", modality, names)]
    ordered = importance.sort_values("mean", ascending=False, kind="stable")
    return {name: ordered[ordered["modality"] == name] for name in names}


def _title(importance: pd.DataFrame) -> str:
    return f"Where the held-out scores of {importance['model'].iloc[0]} come from (share of a fold's importance)"


def _placed(part: pd.DataFrame, top: int) -> pd.DataFrame:
    """The first `top` regions, less those without coordinates."""
    leading = part.head(top)
    return leading[leading[["x", "y", "z"]].notna().all(axis=1)]


def _draw_brain(figure: Figure, row: tuple[float, float], placed: pd.DataFrame, norm: Normalize) -> None:
    """Markers on four glass brains with a colour bar; `row` is (bottom, height) as shares of the figure."""
    from nilearn.plotting import plot_markers

    low, unit = row
    axes = figure.add_axes((0.005, low + 0.24 * unit, 0.575, 0.68 * unit))
    axes.set_axis_off()
    if placed.empty:
        axes.text(0.5, 0.5, "no coordinates in this atlas", ha="center", va="center", color="0.4")
        return
    values = placed["mean"].to_numpy()
    plot_markers(
        values,
        placed[["x", "y", "z"]].to_numpy(),
        node_size=list(20 + 160 * np.clip(norm(values), 0, 1)),
        node_cmap=MAGNITUDE,
        node_vmin=norm.vmin,
        node_vmax=norm.vmax,
        node_kwargs={"edgecolors": "black", "linewidths": 0.5},
        display_mode="lyrz",
        figure=figure,
        axes=axes,
        colorbar=False,
    )
    _draw_colour_bar(figure.add_axes((0.17, low + 0.165 * unit, 0.25, 0.03 * unit)), norm)


def _draw_colour_bar(axes: Axes, norm: Normalize) -> None:
    bar = axes.figure.colorbar(ScalarMappable(norm, MAGNITUDE), cax=axes, orientation="horizontal", format=percent)
    bar.locator = MaxNLocator(5)
    bar.set_label("importance, mean over folds", fontsize=9)
    bar.ax.tick_params(labelsize=8)


def _draw_list(axes: Axes, name: str, part: pd.DataFrame, norm: Normalize) -> None:
    """Bars of the first ten regions, with their standard deviation over folds."""
    first = part.head(LISTED).iloc[::-1]
    rows = np.arange(len(first))
    bars = {"color": colormaps[MAGNITUDE](norm(first["mean"].to_numpy())), "ecolor": "0.4", "capsize": 2}
    bare(axes).barh(rows, first["mean"], xerr=first["sd"], **bars)
    axes.set_yticks(rows, [_short(region) for region in first["region"]])
    axes.set_xlim(left=0)
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.xaxis.set_major_formatter(percent)
    axes.tick_params(labelsize=8)
    axes.set_title(f"{name}: first {len(first)} of {len(part)} regions", fontsize=10, loc="right")
    axes.set_xlabel("importance, mean and sd over folds", fontsize=9)


def _short(region: str) -> str:
    """The end of a long name, where atlases tell their regions apart."""
    return region if len(region) <= LONGEST else f"…{region[1 - LONGEST :]}"


def _colours(share: np.ndarray) -> list[str]:
    return [to_hex(colour) for colour in colormaps[MAGNITUDE](share)]
