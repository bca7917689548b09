"""One thread, so that sums are added in one order and the same seed gives the same bits."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def one_thread() -> Iterator[None]:
    """Run torch, BLAS, OpenMP and numba on one thread, then give back as many as there were.

    A sum that several threads share is added in an order that depends on how many they are, and its last bits with
    it. On one thread a fit gives the same bits in every process and however many processes there are.
    """
    import torch
    from threadpoolctl import threadpool_limits

    pools = [torch, *filter(None, [sys.modules.get("numba")])]  # numba is slow to import, so only where it is in use
    before = [pool.get_num_threads() for pool in pools]
    _set_threads(pools, [1] * len(pools))
    try:
        with threadpool_limits(1):
            yield
    finally:
        _set_threads(pools, before)


def _set_threads(pools: list, counts: list[int]) -> None:
    for pool, count in zip(pools, counts, strict=True):
        pool.set_num_threads(count)
