"""Cross diffusion equals the published iteration in plain numpy loops, for both norms."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch

from graphfuse.kernels.cross_diffusion import NORMS, average, cross_diffused, local_kernel, others, pairs_of

K, STEPS, ALPHA = 4, 6, 1.0


def half(w):
    p = np.full_like(w, 0.5)
    for i in range(len(w)):
        for j in range(len(w)):
            if j != i:
                p[i, j] = w[i, j] / (2 * sum(w[i, k] for k in range(len(w)) if k != i))
    return (p + p.T) / 2


def by_row(w):
    p = w / w.sum(1, keepdims=True)
    return (p + p.T) / 2


LOOPS = {
    "half": (half, half, half),
    "b0": (by_row, lambda w: (w + w.T) / 2 + ALPHA * np.eye(len(w)), lambda w: by_row(w) + np.eye(len(w)) / 2),
}


def nearest(p, k):
    s = np.zeros_like(p)
    for i, row in enumerate(p):
        chosen = np.argsort(-row, kind="stable")[:k]
        s[i, chosen] = row[chosen] / row[chosen].sum()
    return s


def fused(networks, norm, steps=STEPS, k=K):
    """Wang et al. 2014, eqs. 2 to 6, everybody present."""
    start, again, end = LOOPS[norm]
    p = [start(w) for w in networks]
    s = [nearest(w, k) for w in p]
    for _ in range(steps):
        p = [again(s[v] @ (sum(p[u] for u in range(len(p)) if u != v) / (len(p) - 1)) @ s[v].T) for v in range(len(p))]
    return end(sum(p) / len(p))


def networks(m=3, n=12, seed=0):
    rng = np.random.default_rng(seed)
    weight = rng.random((m, n, n))
    return (weight + weight.swapaxes(1, 2)) / 2 + np.eye(n)


def everybody(weight):
    return torch.ones(weight.shape[:-1], dtype=torch.bool)


def ours(weight, norm, present=None, steps=STEPS, k=K):
    weight = torch.as_tensor(weight)
    present = everybody(weight) if present is None else present
    status, _ = cross_diffused(weight, present, k, steps, NORMS[norm], ALPHA)
    return NORMS[norm].end(average(status, pairs_of(present)))


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("m", [2, 3])
@pytest.mark.parametrize("steps", [1, 6])
def test_equals_the_published_iteration(norm, m, steps):
    weight = networks(m)
    np.testing.assert_allclose(ours(weight, norm, steps=steps), fused(weight, norm, steps), atol=1e-12)


@pytest.mark.parametrize("norm", NORMS)
def test_the_result_is_symmetric_and_at_least_half_of_a_row_is_its_own(norm):
    got = ours(networks(), norm)
    assert torch.equal(got, got.mT)
    assert (got > 0).all()
    if norm == "half":
        assert torch.equal(got.diagonal(), torch.full((12,), 0.5).double())
    else:
        assert (got.diagonal() > 0.5).all()
    # Rows sum to 1 before they are symmetrised; "b0" adds another half of the identity.
    np.testing.assert_allclose(got.sum(), {"half": 12, "b0": 18}[norm], atol=1e-12)


def test_the_half_norm_converges():
    weight = networks()
    path = [ours(weight, "half", steps=t) for t in (5, 10, 20, 40, 41)]
    moves = [float((after - before).abs().max()) for before, after in pairwise(path)]
    assert moves[0] > moves[1] > moves[2] > moves[3]
    assert moves[3] < 1e-9


def test_b0_flattens_with_many_steps():
    def contrast(steps):
        row = ours(networks(), "b0", steps=steps).fill_diagonal_(0)
        return float(row.max() / row[row > 0].min())

    assert contrast(2000) < 1.05 < contrast(5)


def test_a_batch_of_stacks_is_each_of_them():
    stacks = torch.as_tensor(np.stack([networks(seed=1), networks(seed=2)]))
    together = ours(stacks, "b0")
    for b in range(2):
        torch.testing.assert_close(together[b], ours(stacks[b], "b0"))


def test_the_local_kernel_keeps_the_first_of_equals_and_rows_sum_to_one():
    got = local_kernel(torch.ones(2, 5, 5), 2)
    assert torch.equal(got, torch.tensor([0.5, 0.5, 0, 0, 0]).expand(2, 5, 5))
    assert not local_kernel(torch.zeros(5, 5), 2).any()


def test_means_run_over_the_networks_that_know_a_pair():
    weight = torch.as_tensor(networks())
    present = everybody(weight)
    present[0, 3], present[1, 3], present[1, 5] = False, False, False
    pairs = pairs_of(present)
    status = torch.where(pairs, weight, 0.0)
    rest = others(status, pairs)
    torch.testing.assert_close(rest[0, 5, 6], weight[2, 5, 6])  # network 1 does not know node 5
    torch.testing.assert_close(rest[2, 5, 6], weight[0, 5, 6])
    torch.testing.assert_close(rest[2, 3, 6], weight[2, 3, 6])  # only network 2 knows node 3
    torch.testing.assert_close(rest[1, 0, 1], (weight[0, 0, 1] + weight[2, 0, 1]) / 2)
    torch.testing.assert_close(average(status, pairs)[5, 6], (weight[0, 5, 6] + weight[2, 5, 6]) / 2)


@pytest.mark.parametrize("norm", NORMS)
def test_a_network_that_misses_everybody_changes_nothing(norm):
    weight = networks(3)
    present = everybody(weight)
    present[1] = False
    torch.testing.assert_close(ours(weight, norm, present), ours(weight[[0, 2]], norm))


@pytest.mark.parametrize("norm", NORMS)
def test_missing_similarities_change_no_bit(norm):
    weight = torch.as_tensor(networks())
    present = everybody(weight)
    present[0, 3], present[1, 4:7] = False, False
    got = ours(weight, norm, present)
    spoilt = torch.where(pairs_of(present), weight, torch.nan)
    assert torch.equal(ours(spoilt, norm, present), got)
    assert got.isfinite().all()
