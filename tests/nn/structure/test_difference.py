"""The graph of differences equals its formula, written with every difference in memory."""

from __future__ import annotations

import pytest
import torch

from graphfuse.errors import InvalidOption
from graphfuse.nn.structure.difference import DifferenceSimilarity, weighted_differences


def features():
    torch.manual_seed(0)
    return torch.randn(2, 6, 4, dtype=torch.float64)


@pytest.mark.parametrize(("sign", "factor"), [("pos", 1.0), ("neg", -1.0)])
def test_weights_are_the_softmax_of_rectified_differences(sign, factor):
    x, learner = features(), DifferenceSimilarity(4, 5, sign=sign).double()
    h = x @ learner.lin.weight.T
    score = ((h[:, :, None] - h[:, None]).abs() @ learner.att[0]).relu()
    torch.testing.assert_close(learner(x), (factor * score).softmax(2))


def test_gradients_equal_those_of_the_stored_differences():
    h, a = features(), torch.tensor([1.0, -2.0, 0.5, -0.1], dtype=torch.float64)
    grads = []
    for f in (weighted_differences, lambda h, a: (h[:, :, None] - h[:, None]).abs() @ a):
        leaves = h.clone().requires_grad_(), a.clone().requires_grad_()
        grads.append(torch.autograd.grad(f(*leaves).sin().sum(), leaves))
    torch.testing.assert_close(grads[0], grads[1])


@pytest.mark.parametrize("a", [[1.0, 2.0, 3.0, 4.0], [-1.0, -2.0, -3.0, -4.0], [0.0, 0.0, 0.0, 0.0]])
def test_weights_of_one_sign_leave_nothing_out(a):
    h, a = features(), torch.tensor(a, dtype=torch.float64)
    torch.testing.assert_close(weighted_differences(h, a), (h[:, :, None] - h[:, None]).abs() @ a)


def test_with_sign_neg_the_nearest_weighs_most():
    learner = DifferenceSimilarity(1, 1, sign="neg")
    torch.nn.init.ones_(learner.lin.weight)
    torch.nn.init.ones_(learner.att)
    assert learner(torch.tensor([[[0.0], [1.0], [3.0]]]))[0, 1].argsort(descending=True).tolist() == [1, 0, 2]


def test_importance_brings_the_attention_back_to_the_features():
    learner = DifferenceSimilarity(3, 2)
    learner.lin.weight.data = torch.tensor([[1.0, -2.0, 0.0], [0.0, 1.0, 0.0]])
    learner.att.data = torch.tensor([[-1.0, 3.0]])
    torch.testing.assert_close(learner.importance(), torch.tensor([1.0, 5.0, 0.0]))


def test_an_unknown_sign_is_refused():
    with pytest.raises(InvalidOption, match="sign"):
        DifferenceSimilarity(3, sign="minus")
