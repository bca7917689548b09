from __future__ import annotations

import numpy as np
import pytest
import torch

from graphfuse.errors import InvalidOption, NonFinite
from graphfuse.losses.infomax import DISCRIMINATORS, InfoMaxLoss

NODES = torch.tensor([[True, True, True], [True, False, True], [True, True, True], [False, False, False]])


def problem(people=4, dtype=torch.float64):
    torch.manual_seed(0)
    return [torch.randn(people, 3, 2, dtype=dtype) for _ in range(2)]


SCORES = {"dot": lambda z, g: z @ g, "sigmoid_dot": lambda z, g: 1 / (1 + np.exp(-z @ g))}


def by_hand(first, second, nodes, kind):
    """Eqs. (11)-(12), negated: node by node, person by person."""
    sp, total = lambda x: np.log1p(np.exp(x)), 0.0
    people = [i for i in range(len(first)) if nodes[i].any()]
    for z, other in ((first, second), (second, first)):
        graphs = {i: other[i][nodes[i]].mean(0) for i in people}
        for i in people:
            for r in np.flatnonzero(nodes[i]):
                agree = -sp(-SCORES[kind](z[i, r], graphs[i]))
                differ = np.mean([sp(SCORES[kind](z[i, r], graphs[j])) for j in people if j != i])
                total += (agree - differ) / nodes[i].sum() / len(people)
    return -total / 2


@pytest.mark.parametrize("kind", ["dot", "sigmoid_dot"])
def test_it_equals_the_sum_over_people_and_nodes(kind):
    first, second = problem()
    expected = by_hand(first.numpy(), second.numpy(), NODES.numpy(), kind)
    assert InfoMaxLoss(2, kind)(first, second, NODES).item() == pytest.approx(expected)


def test_the_bilinear_form_with_the_identity_is_the_dot_product():
    first, second = problem()
    loss = InfoMaxLoss(2, "bilinear").double()
    with torch.no_grad():
        loss.discriminator.project.weight.copy_(torch.eye(2))
    torch.testing.assert_close(loss(first, second), InfoMaxLoss(2)(first, second))


@pytest.mark.parametrize("kind", DISCRIMINATORS)
def test_gradients_equal_differences_and_reach_every_parameter(kind):
    first, second = (z.requires_grad_() for z in problem())
    loss = InfoMaxLoss(2, kind).double()
    assert torch.autograd.gradcheck(lambda a, b: loss(a, b, NODES), (first, second))
    loss(first, second).backward()
    assert all(p.grad.abs().sum() > 0 for p in loss.parameters())


@pytest.mark.parametrize("kind", ["dot", "sigmoid_dot"])
def test_it_falls_where_pairs_are_aligned_and_rises_where_they_are_shuffled(kind):
    person = 3 * torch.eye(6)[:, None]  # (6, 1, 6): each person points his own way
    noise = 0.1 * torch.randn(2, 6, 5, 6, generator=torch.Generator().manual_seed(1))
    first, second = person + noise[0], person + noise[1]
    loss = InfoMaxLoss(6, kind)
    assert loss(first, second) < loss(first, second.roll(1, 0)) - 0.2


def test_training_on_it_finds_what_the_modalities_share():
    torch.manual_seed(2)
    shared, weight = torch.randn(12, 1, 4), torch.nn.Linear(8, 4)
    first = torch.cat([shared, torch.randn(12, 1, 4)], -1)
    second = torch.cat([shared, torch.randn(12, 1, 4)], -1)
    loss, optimiser = InfoMaxLoss(4), torch.optim.Adam(weight.parameters(), lr=0.05)
    before = loss(weight(first), weight(second)).item()
    for _ in range(60):
        optimiser.zero_grad()
        loss(weight(first), weight(second)).backward()
        optimiser.step()
    assert loss(weight(first), weight(second)).item() < before - 0.2
    assert weight.weight[:, :4].abs().mean() > weight.weight[:, 4:].abs().mean()


def test_the_absent_change_no_bit_and_are_nobodys_negative():
    first, second = problem()
    both = torch.tensor([True, False, True, True])
    bad = torch.where(both[:, None, None], second, float("nan"))
    loss = InfoMaxLoss(2)
    assert torch.equal(loss(first, bad, both=both), loss(first, second, both=both))
    torch.testing.assert_close(loss(first, bad, both=both), loss(first[both], second[both]))


def test_unusable_nodes_change_no_bit():
    first, second = problem()
    bad = torch.where(NODES[..., None], first, float("nan")).requires_grad_()
    loss = InfoMaxLoss(2)(bad, second, NODES)
    assert torch.equal(loss, InfoMaxLoss(2)(first, second, NODES))
    assert not torch.autograd.grad(loss, bad)[0][~NODES].any()


def test_the_order_of_nodes_and_people_does_not_matter():
    first, second = problem()
    loss, order = InfoMaxLoss(2), torch.tensor([2, 0, 1])
    torch.testing.assert_close(loss(first[:, order], second), loss(first, second))
    people = torch.tensor([3, 1, 0, 2])
    torch.testing.assert_close(loss(first[people], second[people]), loss(first, second))


def test_large_products_one_person_and_nobody_are_numbers():
    first, second = problem(people=1, dtype=torch.float32)
    loss = InfoMaxLoss(2)
    assert torch.isfinite(loss(1e6 * first, 1e6 * second))
    assert loss(first, second, both=torch.zeros(1, dtype=torch.bool)) == 0


def test_a_nan_and_an_unknown_discriminator_are_refused():
    first, second = problem()
    with pytest.raises(NonFinite, match="second at usable nodes"):
        InfoMaxLoss(2)(first, second * float("nan"))
    with pytest.raises(InvalidOption, match="discriminator must be one of bilinear, dot, sigmoid_dot"):
        InfoMaxLoss(2, "cosine")
