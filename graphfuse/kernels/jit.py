"""How CPU kernels are compiled and run: numba without the interpreter lock, rows shared out over torch's threads."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

import numba
import torch

from graphfuse._threads import thread_pool

# Sums may be reordered and products fused, so that loops vectorise; NaN and infinity keep their meaning.
FAST = {"contract", "reassoc", "nsz", "arcp"}
ROWS_A_THREAD = 64  # below this a thread costs more than it saves


def jit(function: Callable, flags: set[str] = FAST) -> Callable:
    """Compile a kernel ``(begin, end, ...)`` for the types it is called with, and keep it on disk where that works."""
    try:
        return _fresh(_forgiving(numba.njit(nogil=True, fastmath=flags, cache=True)(function)))
    except RuntimeError:  # neither the package's folder nor a home can be written
        return numba.njit(nogil=True, fastmath=flags)(function)


def _forgiving(kernel: Callable) -> Callable:
    """Let a disk that is full cost the next process a compilation, not this one its run."""
    save = kernel._cache.save_overload

    def save_if_there_is_room(*overload) -> None:
        with suppress(OSError):
            save(*overload)

    kernel._cache.save_overload = save_if_there_is_room
    return kernel


def _fresh(kernel: Callable) -> Callable:
    """Let a kernel on disk be forgotten when any file of this room changes: numba looks only at the kernel's own."""
    file = kernel._cache._cache_file
    file._source_stamp = file._source_stamp, _room()
    return kernel


@lru_cache(maxsize=1)
def _room() -> str:
    files = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def jit_in_order(function: Callable) -> Callable:
    """Compile as `jit` does, but in the order that is written: ``(a b) c`` does not become ``a (b c)``."""
    return jit(function, FAST - {"reassoc"})


def over_rows(kernel: Callable, rows: int, *arguments, least: int = ROWS_A_THREAD) -> None:
    """Call ``kernel(begin, end, *arguments)`` on shares of ``0 .. rows``, one for each of torch's CPU threads.

    A kernel writes the rows it owns and nothing else, so the result does not depend on the number of threads.

    Parameters
    ----------
    kernel : callable
        Made by `jit`.
    rows : int
    arguments
        Tensors become numpy arrays over the same memory; all else is passed on.
    least : int
        Rows below which a share is not split off.
    """
    arguments = [_array(argument) for argument in arguments]
    shares = max(1, min(torch.get_num_threads(), rows // least))
    if shares == 1:
        kernel(0, rows, *arguments)
        return
    edges = [rows * i // shares for i in range(shares + 1)]
    pool = thread_pool(shares - 1)
    others = [pool.submit(kernel, edges[i], edges[i + 1], *arguments) for i in range(1, shares)]
    kernel(edges[0], edges[1], *arguments)
    for other in others:
        other.result()


def _array(argument):
    return argument.detach().numpy() if isinstance(argument, torch.Tensor) else argument
