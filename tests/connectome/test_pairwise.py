from __future__ import annotations

import numpy as np
import pytest
import torch

from graphfuse.connectome.pairwise import check_matrices, mask_pairs, per_subject, standardise
from graphfuse.errors import MemoryBudget, NonFinite


def _sums(batch):
    return batch.x.sum(1)[:, :, None] + 2 * batch.x.sum(1)[:, None, :]


@pytest.fixture
def series():
    rng = np.random.default_rng(0)
    return [rng.normal(size=(t, 3)) for t in (8, 5, 8)]


def test_each_subject_gets_his_own_symmetric_matrix_whatever_the_lengths(series):
    got = per_subject(_sums, series, dtype=torch.float64, diagonal=None)
    for matrix, x in zip(got, series, strict=True):
        total = x.sum(0)
        np.testing.assert_allclose(matrix, 1.5 * (total[:, None] + total), rtol=1e-12, atol=1e-12)


def test_unusable_regions_are_zero_and_the_diagonal_is_what_was_asked(series):
    usable = np.array([[True, True, False]] * 3)
    series[0][:, 2] = np.nan
    measured = per_subject(_sums, series, usable=usable, diagonal=None)
    asked = per_subject(_sums, series, usable=usable, diagonal=7.0)
    assert not measured[:, 2].any()
    assert not measured[:, :, 2].any()
    assert (asked.diagonal(dim1=1, dim2=2) == 7).all()
    torch.testing.assert_close(asked[:, 0, 1], measured[:, 0, 1])


def test_a_request_that_does_not_fit_is_refused(series, monkeypatch):
    monkeypatch.setenv("GRAPHFUSE_MEMORY_GB", "1e-8")
    with pytest.raises(MemoryBudget, match="3 subjects and 3 regions"):
        per_subject(_sums, series)


def test_a_matrix_without_numbers_names_its_row():
    values = torch.zeros(3, 2, 2)
    assert check_matrices(values, [4, 5, 6]) is values
    values[1, 0, 1] = torch.nan
    with pytest.raises(NonFinite, match=r"series\[5\]"):
        check_matrices(values, [4, 5, 6])


def test_z_scores_have_mean_0_and_variance_1_and_a_constant_column_is_0():
    x = torch.tensor([[[1e-30, 5.0, 1e30], [3e-30, 5.0, -1e30], [2e-30, 5.0, 0.0]]])
    z = standardise(x)
    expected = torch.tensor([-1, 1, 0]) * 1.5**0.5
    torch.testing.assert_close(z[0, :, 0], expected)
    torch.testing.assert_close(z[0, :, 2], -expected)
    assert not z[0, :, 1].any()


def test_a_mask_of_all_regions_leaves_the_values():
    values = torch.rand(2, 3, 3)
    torch.testing.assert_close(mask_pairs(values.clone(), torch.ones(2, 3, dtype=torch.bool), None), values)
