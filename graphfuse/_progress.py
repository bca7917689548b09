"""A progress bar on a terminal, silence in a pipe."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sized


def progress(items: Iterable, description: str, total: int | None = None) -> Iterator:
    """Yield from `items` while a bar runs on stderr, if stderr is a terminal; the bar leaves no trace.

    Parameters
    ----------
    items : iterable
    description : str
        What is being done, for example ``reading fmri``.
    total : int or None
        How many items there are; taken from ``len(items)`` where it has one.
    """
    if not sys.stderr.isatty():
        yield from items
        return
    from rich.console import Console
    from rich.progress import track

    total = len(items) if total is None and isinstance(items, Sized) else total
    yield from track(items, description, total=total, transient=True, console=Console(stderr=True))
