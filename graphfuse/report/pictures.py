"""Pictures and interactive views as text inside the page: nothing is loaded from anywhere."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable
from dataclasses import dataclass

from graphfuse.errors import GraphFuseError

_ICON = re.compile(r"<link\s[^>]*?href=[\"']https?:[^>]*>", re.IGNORECASE)


@dataclass(frozen=True)
class Picture:
    """An image as a data address, what it shows in words, and a line under it."""

    source: str
    alt: str
    caption: str = ""


@dataclass(frozen=True)
class View:
    """A whole HTML page for an ``iframe srcdoc``, and its title."""

    page: str
    title: str


def draw(make: Callable[[], object], alt: str, caption: str = "", kind: str = "svg") -> Picture | str:
    """Draw with `make` and return the picture; the reason as text where it cannot be drawn.

    Parameters
    ----------
    make : callable without arguments
        Returns a matplotlib figure, axes, or a nilearn display.
    alt, caption : str
    kind : {"svg", "png"}
        ``png`` for pictures of thousands of lines.
    """
    import matplotlib
    from matplotlib import pyplot

    try:
        with matplotlib.rc_context({"svg.hashsalt": "graphfuse", "svg.fonttype": "path"}):
            figure = _figure(make())
            data = _render(figure, kind)
    except GraphFuseError as error:
        return str(error)
    finally:
        pyplot.close("all")
    mime = {"svg": "image/svg+xml", "png": "image/png"}[kind]
    return Picture(f"data:{mime};base64,{base64.b64encode(data).decode()}", alt, caption)


def view(make: Callable[[], object], title: str) -> View | str:
    """An interactive nilearn view without the icon that it would load from the network; the reason if there is none."""
    try:
        page = make().html
    except GraphFuseError as error:
        return str(error)
    return View(_ICON.sub("", page), title)


def _figure(drawn):
    """The figure of what a plot function returned."""
    for step in ("frame_axes", "figure"):
        drawn = getattr(drawn, step, drawn)
    return drawn


def _render(figure, kind: str) -> bytes:
    buffer = io.BytesIO()
    blank = {"svg": ("Date", "Creator"), "png": ("Software",)}[kind]
    metadata = dict.fromkeys(blank)
    figure.savefig(buffer, format=kind, dpi=130, bbox_inches="tight", facecolor="white", metadata=metadata)
    return buffer.getvalue()
