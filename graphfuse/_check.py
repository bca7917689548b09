"""Checks at the door: each says what was expected, what came, and what to do."""

from __future__ import annotations

from collections.abc import Collection
from difflib import get_close_matches

import numpy as np

from graphfuse.errors import InvalidOption, NonFinite, ShapeMismatch

MANY, FEW = 40, 5  # options that a message lists, and of how many where there are more


def check_option(name: str, value, allowed: Collection[str]) -> str:
    """Return `value` if it is one of `allowed`, else raise `InvalidOption` that lists them, or the nearest."""
    if value in allowed:
        return value
    options = sorted(map(str, allowed))
    near = get_close_matches(str(value), options, n=FEW, cutoff=0.4)
    hint = f" Did you mean {near[0]!r}?" if get_close_matches(str(value), near, n=1) else ""
    listed = ", ".join(options if len(options) <= MANY else near or options[:FEW])
    more = "" if len(options) <= MANY else f", ... ({len(options)} in all)"
    raise InvalidOption(f"{name} must be one of {listed}{more}; got {value!r}.{hint}")


def check_range(name: str, value, low=-np.inf, high=np.inf, *, open_low: bool = False):
    """Return `value` if ``low <= value <= high`` (``low < value`` when `open_low`), else raise `InvalidOption`."""
    inside = low < value <= high if open_low else low <= value <= high
    if not inside:
        raise InvalidOption(f"{name} must lie in {'(' if open_low else '['}{low}, {high}]; got {value!r}.")
    return value


def check_shape(name: str, array, shape: tuple[int | None, ...]):
    """Return `array` if its shape equals `shape` (None matches any length), else raise `ShapeMismatch`."""
    got = tuple(array.shape)
    if len(got) != len(shape) or any(want is not None and want != have for want, have in zip(shape, got, strict=True)):
        wanted = ", ".join("any" if want is None else str(want) for want in shape)
        raise ShapeMismatch(f"{name} must have shape ({wanted}); got {got}.")
    return array


def check_finite(name: str, array):
    """Return `array` if every entry is finite, else raise `NonFinite` that counts the others."""
    bad = ~np.isfinite(np.asarray(array))
    if bad.any():
        raise NonFinite(f"{name} must be finite; {int(bad.sum())} of {bad.size} entries are NaN or infinite.")
    return array
