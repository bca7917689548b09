from __future__ import annotations

from threading import Barrier, Thread, current_thread

import pytest
import torch
from threadpoolctl import ThreadpoolController

from graphfuse.connectome import shares
from graphfuse.connectome.shares import share_out


@pytest.fixture
def three_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def _blas_threads():
    return [library["num_threads"] for library in ThreadpoolController().select(user_api="blas").info()]


def test_results_come_in_the_order_of_the_pieces(three_threads):
    assert share_out(lambda x: x * x, range(20)) == [x * x for x in range(20)]


def test_pieces_run_side_by_side_on_one_thread_each(three_threads):
    meeting = Barrier(3)  # breaks unless three pieces are at work together

    def work(_):
        meeting.wait(10)
        return torch.get_num_threads(), set(_blas_threads())

    assert share_out(work, range(3)) == [(1, {1})] * 3
    assert torch.get_num_threads() == 3


def test_what_is_wide_runs_here_on_all_threads(three_threads):
    work = lambda _: (current_thread(), torch.get_num_threads())  # noqa: E731
    assert share_out(work, range(2), width=shares.WIDE + 1) == [(current_thread(), 3)] * 2


def test_the_last_of_several_callers_gives_the_threads_back():
    before = _blas_threads()
    meeting = Barrier(2)
    callers = [Thread(target=share_out, args=(lambda _: meeting.wait(10), range(1))) for _ in range(2)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert _blas_threads() == before


def test_the_first_error_comes_out_and_the_threads_come_back(three_threads):
    before = _blas_threads()
    with pytest.raises(ZeroDivisionError):
        share_out(lambda x: 1 / x, [1, 0, 2])
    assert _blas_threads() == before
    assert torch.get_num_threads() == 3
