"""Kernels are shared out by rows, whatever the threads; a full disk stops none of them."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch

from graphfuse.kernels.jit import jit, over_rows

FULL_DISK = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
import numpy as np
from graphfuse.kernels.jit import jit

@jit
def double(begin, end, x):
    for i in range(begin, end):
        x[i] = 2 * x[i]

x = np.ones(5)
double(0, 5, x)
assert x.sum() == 10
"""


@jit
def _own_rows(begin, end, owner, x):
    for i in range(begin, end):
        owner[i] += 1
        x[i] = 3 * x[i]


@pytest.mark.parametrize("rows", [0, 1, 63, 64, 1000])
@pytest.mark.parametrize("threads", [1, 3])
def test_every_row_has_one_owner(rows, threads):
    before = torch.get_num_threads()
    owner, x = torch.zeros(rows, dtype=torch.int64), torch.arange(float(rows))
    try:
        torch.set_num_threads(threads)
        over_rows(_own_rows, rows, owner, x)
    finally:
        torch.set_num_threads(before)
    assert torch.equal(owner, torch.ones(rows, dtype=torch.int64))
    assert torch.equal(x, 3 * torch.arange(float(rows)))


def test_tensors_and_arrays_are_worked_on_in_place():
    owner, x = np.zeros(4, np.int64), torch.ones(4)
    over_rows(_own_rows, 4, owner, x)
    assert owner.tolist() == [1, 1, 1, 1]
    assert x.tolist() == [3.0] * 4


def test_a_disk_that_is_full_stops_no_kernel(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(FULL_DISK)
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
