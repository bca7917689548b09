"""How Triton kernels are tested: on a GPU where there is one, and by Triton's interpreter everywhere.

TRITON_INTERPRET is read when triton and the kernels are imported, which another test of the same process may have done
long before (torch.compile imports triton). So the interpreter runs in a process of its own, and no other test knows.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch


@pytest.fixture
def under_interpreter():
    """Run the tests of a class once more, in a process in which Triton interprets its kernels on the CPU."""
    if importlib.util.find_spec("triton") is None:
        pytest.skip("needs triton, which comes with torch for CUDA on Linux")

    def run(file: str, name: str) -> None:
        environment = {**os.environ, "TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"}
        environment.pop("PYTEST_ADDOPTS", None)
        command = [sys.executable, "-m", "pytest", f"{file}::{name}", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
        root = Path(__file__).parents[2]
        inner = subprocess.run(command, env=environment, cwd=root, capture_output=True, text=True, check=False)
        assert inner.returncode == 0, inner.stdout[-6000:] + inner.stderr[-2000:]
        assert " passed" in inner.stdout, inner.stdout

    return run


@pytest.fixture
def poisoned(monkeypatch):
    """Memory that torch hands out without filling it holds NaN, so that what a kernel forgets to write is seen."""

    def poisoning(make):
        def made(*arguments, **options):
            new = make(*arguments, **options)
            return new.fill_(float("nan")) if new.is_floating_point() else new

        return made

    for owner, name in ((torch, "empty"), (torch, "empty_like"), (torch.Tensor, "new_empty")):
        monkeypatch.setattr(owner, name, poisoning(getattr(owner, name)))
