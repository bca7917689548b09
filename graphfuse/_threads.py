"""One thread, so that sums are added in one order and the same seed gives the same bits; and threads that stay."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache


@lru_cache(maxsize=2)
def thread_pool(threads: int) -> ThreadPoolExecutor:
    """Return threads that stay: to start one, and its BLAS, takes longer than a small piece of work."""
    return ThreadPoolExecutor(threads, thread_name_prefix="graphfuse")


if hasattr(os, "register_at_fork"):  # not on Windows; threads do not survive a fork
    os.register_at_fork(after_in_child=thread_pool.cache_clear)


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
