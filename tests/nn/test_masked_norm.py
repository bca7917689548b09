"""Batch normalisation of the rows that count equals torch's on those rows."""

from __future__ import annotations

import torch

from graphfuse.nn.masked_norm import MaskedBatchNorm

ROWS = torch.tensor([[True, True, False], [False, True, False]])


def values(fill=0.0):
    x = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(0))
    return torch.where(ROWS[..., None], x, fill)


def test_equals_torch_on_the_rows_that_count_in_both_modes():
    ours, theirs = MaskedBatchNorm(4), torch.nn.BatchNorm1d(4)
    for training in (True, False):
        y, expected = ours.train(training)(values(7.0), ROWS), theirs.train(training)(values()[ROWS])
        torch.testing.assert_close(y[ROWS], expected)
        assert not y[~ROWS].any()
    assert all(torch.equal(a, b) for a, b in zip(ours.state_dict().values(), theirs.state_dict().values(), strict=True))


def test_all_rows_count_without_a_mask():
    torch.testing.assert_close(
        MaskedBatchNorm(4)(values()), torch.nn.BatchNorm1d(4)(values().flatten(0, 1)).view(2, 3, 4)
    )


def test_one_row_is_normalised_by_the_running_statistics_and_leaves_them():
    norm = MaskedBatchNorm(4)
    norm(values(), ROWS)
    before, one = norm.running_mean.clone(), torch.randn(1, 4)
    torch.testing.assert_close(norm(one), norm.eval()(one))
    assert torch.equal(norm.running_mean, before)


def test_no_row_gives_zeros():
    assert not MaskedBatchNorm(4)(values(), torch.zeros(2, 3, dtype=torch.bool)).any()


def test_gradients_flow_to_rows_that_count_alone():
    x = values(3.0).requires_grad_()
    norm = MaskedBatchNorm(4)
    (norm(x, ROWS) ** 3).sum().backward()
    assert x.grad[ROWS].any()
    assert not x.grad[~ROWS].any()
    assert norm.weight.grad.any()
    assert norm.bias.grad.any()
