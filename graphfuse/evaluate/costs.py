"""What a model costs: seconds, memory, numbers that it learned."""

from __future__ import annotations

import ctypes
import gc
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.base import BaseEstimator
from torch import nn

WEIGHTS = ("coef_", "intercept_", "dual_coef_")
PROCESS = Path("/proc/self")  # Linux; elsewhere memory is not known


@dataclass
class Cost:
    """Seconds and memory of a stretch of work, known when it is over.

    Parameters
    ----------
    seconds : float
    peak_mb : float
        Largest resident memory of the process beyond what stood before [MB]; NaN where the system does not say.
    """

    seconds: float = float("nan")
    peak_mb: float = float("nan")


@contextmanager
def measured() -> Iterator[Cost]:
    """Measure what runs inside; the high-water mark of the process starts anew."""
    _start_anew()
    cost, before, began = Cost(), _resident("VmRSS"), time.perf_counter()
    yield cost
    cost.seconds = time.perf_counter() - began
    cost.peak_mb = max(_resident("VmHWM") - before, 0.0)


def parameter_count(fitted) -> int:
    """Numbers that a fitted estimator learned as weights: of its networks, else coefficients, in all its parts."""
    if isinstance(fitted, nn.Module):
        return sum(parameter.numel() for parameter in fitted.parameters())
    if isinstance(fitted, Mapping):
        return sum(map(parameter_count, fitted.values()))
    if isinstance(fitted, (list, tuple)):
        return sum(map(parameter_count, fitted))
    if not isinstance(fitted, BaseEstimator):
        return 0
    state = vars(fitted)
    own = sum(np.size(state[name]) for name in WEIGHTS if name in state)
    parts = [value for name, value in state.items() if name == "steps" or (name.endswith("_") and name not in WEIGHTS)]
    return int(own) + parameter_count(parts)


def _start_anew() -> None:
    gc.collect()
    with suppress(AttributeError, OSError):  # glibc alone gives back what it holds in reserve
        ctypes.CDLL(None).malloc_trim(0)
    try:
        (PROCESS / "clear_refs").write_text("5")
    except OSError:
        return


def _resident(field: str) -> float:
    """A field of this process's status [MB]."""
    try:
        lines = (PROCESS / "status").read_text().splitlines()
    except OSError:
        return float("nan")
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith(field)), float("nan"))
