"""Work on many subjects, shared out over CPU threads: one thread a piece, so the bits depend on no other piece."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from threading import Lock

import torch
from threadpoolctl import ThreadpoolController

from graphfuse._threads import thread_pool

WIDE = 1024  # regions above which one matrix keeps every thread busy by itself


def share_out(work: Callable, pieces: Sequence, *, device="cpu", width: int = 0) -> list:
    """Return ``[work(piece) for piece in pieces]``, with as many pieces at a time as torch has CPU threads.

    A BLAS that shares one small matrix between threads waits more than it works; here each piece has one thread, which
    also makes its bits the same whatever the number of threads and of pieces.

    Parameters
    ----------
    work : callable
        Must leave the interpreter lock for most of its time, as torch, numpy and their BLAS do.
    pieces : sequence
    device
        Anything but a CPU takes the pieces one after another.
    width : int
        Regions of the matrices; beyond `WIDE` the pieces come one after another too, each on all threads.
    """
    threads = torch.get_num_threads()
    if torch.device(device).type != "cpu" or width > WIDE:
        return [work(piece) for piece in pieces]

    def alone(piece):
        torch.set_num_threads(1)  # of this thread; and of torch's BLAS, which has one setting for all
        return work(piece)

    with _one_blas_thread():
        if threads == 1 or len(pieces) == 1:
            return _here(work, pieces)
        return list(thread_pool(threads).map(alone, pieces))


def _here(work: Callable, pieces: Sequence) -> list:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return [work(piece) for piece in pieces]
    finally:
        torch.set_num_threads(threads)


_lock, _inside, _limits = Lock(), [0], []


@contextmanager
def _one_blas_thread() -> Iterator[None]:
    """Hold the BLAS of numpy, and leave that of torch, to one thread until the last of several callers is out."""
    with _lock:
        if not _inside[0]:
            _limits.append(_controller().limit(limits=1, user_api="blas"))
        _inside[0] += 1
    try:
        yield
    finally:
        with _lock:
            _inside[0] -= 1
            if not _inside[0]:
                _limits.pop().restore_original_limits()
                torch.set_num_threads(torch.get_num_threads())  # a pool's threads set that of torch's BLAS, for all


@lru_cache(maxsize=1)
def _controller() -> ThreadpoolController:
    return ThreadpoolController()  # looking for the libraries takes longer than a small connectome
