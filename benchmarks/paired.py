"""Paired timings: contestants take turns in one process; medians, ratios, errors and peaks of memory."""

from __future__ import annotations

import ctypes
import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

OURS = "graphfuse"


@dataclass(frozen=True)
class Floor:
    """What a row promises: `ratio` times quicker than `peer` ("best": the quickest of them), or another `promise`.

    Parameters
    ----------
    peer : str
        A contestant, or ``"best"``.
    ratio : float
        Smallest peer's seconds over ours.
    """

    peer: str
    ratio: float


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Parameters
    ----------
    workload : str
    seconds : dict of str to float
        Median of each contestant's turns; ours is called `OURS`.
    peaks : dict of str to float
        Memory [MB] that a turn takes beyond what stood before it.
    error : float or None
        Largest difference of our result from the first peer's, over the largest of the peer's numbers.
    floors : list of Floor
    notes : str
        What a reader must know: threads, which limit binds, where a peer wins.
    checks : dict of str to bool
        Promises that are no ratio, and whether they were kept.
    """

    workload: str
    seconds: dict[str, float]
    peaks: dict[str, float]
    error: float | None = None
    floors: list[Floor] = field(default_factory=list)
    notes: str = ""
    checks: dict[str, bool] = field(default_factory=dict)

    def ratio(self, peer: str) -> float:
        """How many times quicker than `peer` we are; below 1 the peer wins."""
        others = [seconds for name, seconds in self.seconds.items() if name != OURS]
        return (min(others) if peer == "best" else self.seconds[peer]) / self.seconds[OURS]


def compare(
    workload: str,
    contestants: dict[str, Callable[[], object]],
    *,
    repeats: int = 5,
    error: bool | float = True,
    floors: list[Floor] | None = None,
    notes: str = "",
    checks: dict[str, bool] | None = None,
    seconds_a_turn: float = 0.2,
) -> Row:
    """Time contestants in turns: each has one turn to warm up, then `repeats` interleaved ones; take medians.

    A turn repeats a quick contestant until `seconds_a_turn` have gone, and counts the mean.

    Parameters
    ----------
    workload : str
    contestants : dict of str to callable
        `OURS` and the peers. A callable does the whole work once and returns its result (tensor or array) or None.
    repeats : int
        Turns of each.
    error : bool or float
        True: compare our result with the first peer's. A number: it was measured elsewhere. False: there is none.
    floors, notes, checks
        See `Row`.
    """
    results = {name: run() for name, run in contestants.items()}
    if error is True:
        first = next(name for name in contestants if name != OURS)
        error = largest_error(results[OURS], results[first])
    del results
    turns = {name: [] for name in contestants}
    loops = {name: _loops(run, seconds_a_turn) for name, run in contestants.items()}
    for _ in range(repeats):
        for name, run in contestants.items():
            turns[name].append(_mean_seconds(run, loops[name]))
    seconds = {name: statistics.median(times) for name, times in turns.items()}
    peaks = {name: peak_megabytes(run) for name, run in contestants.items()}
    return Row(workload, seconds, peaks, None if error is False else error, floors or [], notes, checks or {})


def largest_error(ours, theirs) -> float:
    """``max |ours - theirs| / max |theirs|``."""
    ours, theirs = (np.asarray(_plain(x), dtype=np.float64) for x in (ours, theirs))
    return float(np.abs(ours - theirs).max() / max(np.abs(theirs).max(), 1e-300))


def peak_megabytes(run: Callable[[], object]) -> float:
    """Resident memory [MB] that one turn takes beyond what stood before it (Linux; NaN elsewhere)."""
    if not Path("/proc/self/clear_refs").exists():
        return float("nan")
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    before = _status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the high-water mark starts anew
    run()
    return max(_status("VmHWM") - before, 0) / 1024


def _status(field_name: str) -> int:
    """A field of this process's status [kB]."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(field_name)).split()[1])


def _loops(run: Callable[[], object], seconds: float) -> int:
    return max(1, int(seconds / max(_mean_seconds(run, 1), 1e-7)))


def _mean_seconds(run: Callable[[], object], loops: int) -> float:
    begin = time.perf_counter()
    for _ in range(loops):
        run()
    return (time.perf_counter() - begin) / loops


def _plain(x):
    return x.detach().cpu().numpy() if isinstance(x, torch.Tensor) else x
