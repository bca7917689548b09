from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
import torch

from graphfuse.connectome import eigen
from graphfuse.connectome.eigen import eigh, spd_log, symmetric_function
from graphfuse.errors import NotPositiveDefinite


@pytest.fixture
def matrices():
    x = torch.randn(20, 30, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    return x.mT @ x / 30


@pytest.mark.parametrize("threads", [1, 3])
def test_eigh_equals_torch_and_leaves_the_threads_alone(matrices, threads, monkeypatch):
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(threads)
        monkeypatch.setattr(eigen, "MATRICES_A_THREAD", 4)
        values, vectors = eigh(matrices)
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    torch.testing.assert_close(values, torch.linalg.eigvalsh(matrices))
    torch.testing.assert_close(vectors @ torch.diag_embed(values) @ vectors.mT, matrices)


def test_functions_equal_scipy(matrices):
    expected = np.stack([scipy.linalg.logm(m) for m in matrices.numpy()])
    np.testing.assert_allclose(spd_log(matrices), expected, atol=1e-10)
    expected = np.stack([scipy.linalg.expm(m) for m in matrices.numpy()])
    np.testing.assert_allclose(symmetric_function(torch.exp, matrices), expected, rtol=1e-10)


def test_the_logarithm_of_a_singular_matrix_is_an_error(matrices):
    matrices[3] = torch.ones(5, 5)
    with pytest.raises(NotPositiveDefinite, match=r"covariances\[13\]"):
        spd_log(matrices, first=10)
