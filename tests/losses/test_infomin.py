from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import normalize

from graphfuse.errors import InvalidOption, NonFinite
from graphfuse.losses.infomin import InfoMinLoss

NODES = torch.tensor([[True, True, True, True], [True, False, True, True], [True, True, True, False]])


def problem(dtype=torch.float64):
    torch.manual_seed(0)
    return [torch.randn(3, 4, 2, dtype=dtype) for _ in range(2)]


def plain(channels, temperature=0.5):
    """The loss without a projection."""
    loss = InfoMinLoss(channels, temperature)
    loss.project = nn.Identity()
    return loss


def by_hand(common, specific, nodes, tau):
    """Eqs. (13)-(16), term by term."""

    def share(u, v, i, usable):
        e = {j: math.exp(u[i] @ v[j] / tau) for j in usable}
        return math.log(e[i] / sum(e.values()))

    people = []
    for c, s, n in zip(normalize(common, dim=-1).numpy(), normalize(specific, dim=-1).numpy(), nodes, strict=True):
        usable = np.flatnonzero(n)
        people.append(np.mean([(share(c, s, i, usable) + share(s, c, i, usable)) / 2 for i in usable]))
    return np.mean(people)


def test_it_equals_the_printed_sums():
    common, specific = problem()
    expected = by_hand(common, specific, NODES.numpy(), 0.5)
    assert plain(2)(common, specific, NODES).item() == pytest.approx(expected)


def test_it_is_a_logarithm_of_a_probability_and_bounded():
    torch.manual_seed(1)
    lowest = -math.log(1 + 3 * math.exp(2 / 0.5))  # own pair opposed, the others aligned
    for _ in range(20):
        loss = InfoMinLoss(2)(*(10 * torch.randn(2, 3, 4, 2)))
        assert lowest <= loss <= 0


def test_it_rises_where_channels_are_aligned_and_falls_where_nodes_are_shuffled():
    common = torch.eye(4)[None]
    loss = plain(4)
    aligned, shuffled = loss(common, common.clone()), loss(common, common.roll(1, 1))
    assert aligned > shuffled + 1
    torch.testing.assert_close(aligned, torch.tensor(-math.log(1 + 3 * math.exp(-2.0))))


def test_minimising_it_drives_matching_nodes_apart():
    torch.manual_seed(3)
    common = torch.randn(1, 6, 4)
    specific = common.clone().requires_grad_()
    optimiser, loss = torch.optim.Adam([specific], lr=0.05), plain(4)
    for _ in range(60):
        optimiser.zero_grad()
        loss(common, specific).backward()
        optimiser.step()
    cosine = (normalize(common, dim=-1) * normalize(specific.detach(), dim=-1)).sum(-1)
    assert cosine.max() < 0.3


def test_gradients_equal_differences_and_reach_every_parameter():
    common, specific = (z.requires_grad_() for z in problem())
    assert torch.autograd.gradcheck(lambda a, b: plain(2)(a, b, NODES), (common, specific))
    loss = InfoMinLoss(2).double()
    loss(common, specific, NODES).backward()
    assert all(p.grad.abs().sum() > 0 for p in loss.parameters())


def test_the_absent_and_unusable_nodes_change_no_bit():
    common, specific = problem()
    present, loss = torch.tensor([True, False, True]), plain(2)
    usable = NODES & present[:, None]
    bad = torch.where(usable[..., None], specific, float("nan")).requires_grad_()
    value = loss(common, bad, NODES, present)
    assert torch.equal(value, loss(common, specific, NODES, present))
    assert not torch.autograd.grad(value, bad)[0][~usable].any()
    torch.testing.assert_close(value, loss(common[present], specific[present], NODES[present]))


def test_nobody_is_zero():
    assert InfoMinLoss(2)(*problem(torch.float32), present=torch.zeros(3, dtype=torch.bool)) == 0


def test_a_nan_and_a_temperature_of_zero_are_refused():
    common, specific = problem()
    with pytest.raises(NonFinite, match="first at usable nodes"):
        plain(2)(common * float("nan"), specific)
    with pytest.raises(InvalidOption, match="temperature"):
        InfoMinLoss(2, temperature=0)
