"""Numbers of every kind, drawn by numpy from a recipe and a seed; and the one property: finite, or refused by name.

Run with ``HYPOTHESIS_RANDOM=1`` to draw other cases than the ones that CI sees.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from functools import wraps

import numpy as np
import pandas as pd
import torch
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sklearn.exceptions import ConvergenceWarning

from graphfuse.errors import GraphFuseError, GraphFuseWarning
from graphfuse.kernels.adjacency import Adjacency
from graphfuse.signal import Signal

how = settings(
    deadline=None,
    database=None,
    derandomize="HYPOTHESIS_RANDOM" not in os.environ,
    phases=[Phase.generate],  # a seed cannot be made simpler
    suppress_health_check=list(HealthCheck),
)


def _with(value: float, share: float = 0.1) -> Callable:
    def make(rng, shape):
        x = rng.standard_normal(shape)
        return np.where(rng.random(shape) < share, value, x)

    return make


def _repeated(rng, shape, flip: bool):
    """Columns that are equal, or equal but for their sign: correlations of 1 and -1."""
    x = np.broadcast_to(rng.standard_normal((*shape[:-1], 1)), shape).copy()
    return x * (-1.0) ** np.arange(shape[-1]) if flip else x


def _zero_rows(rng, shape):
    return rng.standard_normal(shape) * (rng.random((*shape[:-1], 1)) < 0.6)


CLEAN = {
    "plain": lambda rng, shape: rng.standard_normal(shape),
    "small integers": lambda rng, shape: rng.integers(-2, 3, shape).astype(float),
    "non-negative": lambda rng, shape: np.abs(rng.standard_normal(shape)),
    "huge": lambda rng, shape: 1e30 * rng.standard_normal(shape),
    "tiny": lambda rng, shape: 1e-30 * rng.standard_normal(shape),
    "subnormal": lambda rng, shape: 1e-41 * rng.standard_normal(shape),
    "every magnitude": lambda rng, shape: rng.standard_normal(shape) * 10.0 ** rng.uniform(-30, 30, shape),
    "columns of any size": lambda rng, shape: rng.standard_normal(shape) * 10.0 ** rng.uniform(-30, 30, shape[-1:]),
    "far from zero": lambda rng, shape: 1e8 + rng.standard_normal(shape),
    "constant": lambda rng, shape: np.full(shape, rng.standard_normal() * 10.0 ** rng.uniform(-30, 30)),
    "zero": lambda rng, shape: np.zeros(shape),
    "equal columns": lambda rng, shape: _repeated(rng, shape, flip=False),
    "opposite columns": lambda rng, shape: _repeated(rng, shape, flip=True),
    "zero rows": _zero_rows,
    "largest": lambda rng, shape: np.finfo(np.float32).max * rng.choice([-1.0, -0.5, 0.0, 1.0], shape),
}  # fmt: skip
DIRTY = {"some nan": _with(np.nan), "some inf": _with(np.inf), "some -inf": _with(-np.inf), "all nan": _with(np.nan, 2)}
RECIPES = CLEAN | DIRTY


class Draw:
    """Numbers, masks and sizes of one case; equal recipe and seed, equal case."""

    def __init__(self, recipe: str, seed: int):
        self.recipe, self.seed = recipe, seed
        self.rng = np.random.default_rng(seed)

    @property
    def clean(self) -> bool:
        return self.recipe in CLEAN

    def __repr__(self) -> str:
        return f"Draw({self.recipe!r}, {self.seed})"

    def one(self, *options):
        """One of the options."""
        return options[self.rng.integers(len(options))]

    def array(self, *shape: int, dtype=np.float32) -> np.ndarray:
        with np.errstate(over="ignore", under="ignore"):
            return RECIPES[self.recipe](self.rng, shape).astype(dtype)

    def tensor(self, *shape: int, dtype=torch.float32) -> torch.Tensor:
        return torch.as_tensor(self.array(*shape, dtype=np.float64)).to(dtype)

    def mask(self, *shape: int, share: float = 0.7) -> np.ndarray:
        return self.rng.random(shape) < share


def numbers(value) -> Iterator[np.ndarray]:
    """Every floating number that stands in a result."""
    if isinstance(value, torch.Tensor):
        yield value.detach().numpy()
    elif isinstance(value, pd.DataFrame):
        yield from (value[column].to_numpy() for column in value if value[column].dtype.kind == "f")
    elif isinstance(value, Adjacency):
        yield value.weight.detach().numpy()
    elif isinstance(value, Signal):
        yield value.data
    elif isinstance(value, Mapping):
        yield from (array for part in value.values() for array in numbers(part))
    elif isinstance(value, (tuple, list)):
        yield from (array for part in value for array in numbers(part))
    elif is_dataclass(value):
        yield from (array for part in fields(value) for array in numbers(getattr(value, part.name)))
    elif isinstance(value, (float, np.ndarray, np.floating)):
        yield np.asarray(value)


def is_finite(value) -> bool:
    """Whether every floating number in a result is finite."""
    return all(np.isfinite(array).all() for array in numbers(value) if array.dtype.kind == "f")


def finite_or_refused(function: Callable, *args, **options):
    """Call the function: return what it gives, all finite, or None where it raises a `GraphFuseError`.

    Any other exception is a failure, and so is a warning of a third party (they are errors here).
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", GraphFuseWarning)  # ours, and meant for the user
        warnings.simplefilter("ignore", ConvergenceWarning)
        try:
            result = function(*args, **options)
        except GraphFuseError:
            return None
    assert is_finite(result), "a NaN or an infinity came out"
    return result


def on(count: int) -> Callable:
    """A decorator: run the test on `count` cases `d` or a few more.

    An example of hypothesis is one seed and holds a case of every recipe: an example costs 0.5 ms, most cases less.
    """

    def decorate(test: Callable) -> Callable:
        @settings(how, max_examples=-(-count // len(RECIPES)))
        @given(d=st.integers(0, 2**32 - 1))
        @wraps(test)
        def on_every_recipe(d: int, **given_by_pytest):
            for i, recipe in enumerate(RECIPES):
                case = Draw(recipe, d + i)
                try:
                    test(d=case, **given_by_pytest)
                except BaseException as error:
                    error.add_note(f"The case is {case!r}.")
                    raise

        return on_every_recipe

    return decorate


many, few = on(2000), on(200)  # few: for what takes more than a few milliseconds
