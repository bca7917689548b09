from __future__ import annotations

import sys

import pytest
import torch
from threadpoolctl import threadpool_info, threadpool_limits

from graphfuse._threads import one_thread


def threads() -> list[int]:
    counts = [torch.get_num_threads(), *[pool["num_threads"] for pool in threadpool_info()]]
    return counts + ([sys.modules["numba"].get_num_threads()] if "numba" in sys.modules else [])


@pytest.fixture
def many():
    """Two threads where there may be two."""
    import numba

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    numba.set_num_threads(min(2, numba.config.NUMBA_NUM_THREADS))
    with threadpool_limits(2):
        yield
    torch.set_num_threads(before)


def test_inside_there_is_one_thread_and_afterwards_as_many_as_before(many):
    before = threads()
    with one_thread():
        assert set(threads()) == {1}
        with one_thread():  # a fold inside a fold
            pass
        assert set(threads()) == {1}
    assert threads() == before
    assert torch.get_num_threads() == 2


def test_an_error_inside_gives_the_threads_back(many):
    before = threads()
    with pytest.raises(KeyError), one_thread():
        raise KeyError
    assert threads() == before
