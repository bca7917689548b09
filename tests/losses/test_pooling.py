from __future__ import annotations

import numpy as np
import pytest
import torch

from graphfuse.errors import InvalidOption, NonFinite
from graphfuse.kernels import Adjacency
from graphfuse.losses.pooling import group_consistency, top_k_loss, unit_loss
from graphfuse.nn.pool.topk import TopKPooling

LABELS = torch.tensor([0, 1, 0, 1, 0])


def scores(seed=0):
    return torch.randn(5, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)).sigmoid()


def test_a_vector_of_length_one_loses_nothing():
    torch.testing.assert_close(unit_loss(torch.tensor([3.0, 4.0])), torch.tensor(16.0))
    assert unit_loss(torch.tensor([[0.6, 0.8]])) < 1e-12
    weight = torch.zeros(2, requires_grad=True)
    unit_loss(weight).backward()
    assert torch.isfinite(weight.grad).all()


@pytest.mark.parametrize(("ratio", "kept"), [(0.5, 2), (0.3, 2), (0.75, 3)])
def test_top_k_has_the_printed_form(ratio, kept):
    score = scores()
    s = np.sort(score.numpy(), axis=1)[:, ::-1]
    expected = -np.log(s[:, :kept]).mean() - np.log(1 - s[:, kept:]).mean()
    assert top_k_loss(score, ratio).item() == pytest.approx(expected)


def test_top_k_pushes_scores_apart():
    logit = scores().logit().requires_grad_()
    before = logit.detach().std()
    optimiser = torch.optim.SGD([logit], lr=1.0)
    for _ in range(30):
        optimiser.zero_grad()
        top_k_loss(logit.sigmoid()).backward()
        optimiser.step()
    assert logit.detach().std() > before + 0.1
    assert top_k_loss(torch.tensor([[1.0, 0.0]])) == 0


def test_scores_of_a_saturated_sigmoid_are_numbers():
    logit = torch.tensor([[500.0, 400.0, -400.0, -500.0]], requires_grad=True)
    loss = top_k_loss(logit.sigmoid(), ratio=0.25)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(logit.grad).all()


def test_it_takes_the_scores_of_the_pooling_as_they_are():
    torch.manual_seed(1)
    pool, x = TopKPooling(3, nonlinearity="sigmoid"), torch.randn(2, 6, 3)
    top_k_loss(pool.scores(x), pool.ratio).backward()
    assert all(p.grad.abs().sum() > 0 for p in pool.parameters())
    kept = pool(x, Adjacency.from_dense(torch.ones(2, 6, 6))).score
    assert kept.log().mean() > pool.scores(x).log().mean()


def test_group_consistency_is_the_trace_with_the_laplacian_of_each_class():
    score, expected = scores(), 0.0
    for label in (0, 1):
        s = score[label == LABELS].numpy()
        n = len(s)
        laplacian = n * np.eye(n) - np.ones((n, n))
        expected += np.trace(s.T @ laplacian @ s) / n**2
    assert group_consistency(score, LABELS).item() == pytest.approx(expected)


def test_equal_scores_within_a_class_are_consistent():
    score = torch.tensor([[0.7, 0.1], [0.5, 0.9]])[LABELS]
    assert group_consistency(score, LABELS) < 1e-12
    assert group_consistency(score, torch.zeros(5, dtype=torch.long)) > 0.05


def test_unusable_regions_change_no_bit_of_either_loss():
    score, nodes = scores(), torch.ones(5, 4, dtype=torch.bool)
    nodes[0, 1] = nodes[3, 2] = False
    bad = torch.where(nodes, score, float("nan")).requires_grad_()
    for loss in (lambda s: top_k_loss(s, 0.5, nodes), lambda s: group_consistency(s, LABELS, nodes)):
        assert torch.equal(loss(bad), loss(score))
        assert not torch.autograd.grad(loss(bad), bad)[0][~nodes].any()


def test_a_region_varies_over_those_who_have_it():
    score, nodes = scores(), torch.ones(5, 4, dtype=torch.bool)
    nodes[2, 0] = False
    s = score.numpy()
    lost = s[[0, 2, 4], 0].var() - s[[0, 4], 0].var()
    difference = group_consistency(score, LABELS) - group_consistency(score, LABELS, nodes)
    assert difference.item() == pytest.approx(lost)


def test_gradients_equal_differences():
    score = scores().requires_grad_()
    assert torch.autograd.gradcheck(lambda s: top_k_loss(s, 0.5), score)
    assert torch.autograd.gradcheck(lambda s: group_consistency(s, LABELS), score)
    assert torch.autograd.gradcheck(unit_loss, score[0].detach().requires_grad_())


def test_the_order_of_regions_and_people_does_not_matter():
    score, order, people = scores(), torch.tensor([2, 0, 3, 1]), torch.tensor([4, 2, 0, 1, 3])
    torch.testing.assert_close(top_k_loss(score[people][:, order]), top_k_loss(score))
    torch.testing.assert_close(
        group_consistency(score[people][:, order], LABELS[people]), group_consistency(score, LABELS)
    )


def test_odd_options_and_nan_are_refused():
    with pytest.raises(InvalidOption, match="ratio"):
        top_k_loss(scores(), 0)
    with pytest.raises(NonFinite, match="score of usable nodes"):
        top_k_loss(scores() * float("nan"))
    with pytest.raises(InvalidOption, match="score must lie in"):
        top_k_loss(scores() * 3)
    with pytest.raises(NonFinite, match="weight"):
        unit_loss(torch.tensor([float("nan")]))
