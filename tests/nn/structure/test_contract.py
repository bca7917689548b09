"""Every learned graph keeps to the one contract."""

from __future__ import annotations

import pytest
import torch

from graphfuse.errors import InvalidOption, MemoryBudget, NonFinite, ShapeMismatch
from graphfuse.nn.structure.association import PairwiseAssociation
from graphfuse.nn.structure.attention import AttentionSimilarity
from graphfuse.nn.structure.continuous import ContinuousDGM
from graphfuse.nn.structure.contract import attach_candidates, enter, softmax_among
from graphfuse.nn.structure.cosine import ProjectedCosine, WeightedCosine
from graphfuse.nn.structure.difference import DifferenceSimilarity
from graphfuse.nn.structure.gaussian import GaussianSimilarity
from graphfuse.nn.structure.gumbel import GumbelTopK
from graphfuse.nn.structure.product import InnerProductGraph

SMOOTH = {  # learners whose weights have a gradient
    "attention": lambda f: AttentionSimilarity(f, 3),
    "attention of two heads": lambda f: AttentionSimilarity(f, 3, heads=2),
    "association": lambda f: PairwiseAssociation(f, 8, 4),
    "continuous": lambda f: ContinuousDGM(),
    "continuous, poincare": lambda f: ContinuousDGM(distance="poincare"),
    "difference": lambda f: DifferenceSimilarity(f, 20),
    "difference, negative": lambda f: DifferenceSimilarity(f, 20, sign="neg"),
    "gaussian": lambda f: GaussianSimilarity(f, 3),
    "product of shares": lambda f: InnerProductGraph(f, 3),
    "sigmoid of products": lambda f: InnerProductGraph(f, 3, form="sigmoid"),
    "projected cosine": lambda f: ProjectedCosine(f, 3, threshold=0.0),
    "weighted cosine": lambda f: WeightedCosine(f, threshold=0.0),
}
LEARNERS = SMOOTH | {
    "gumbel": lambda f: GumbelTopK(2),
    "gumbel, poincare": lambda f: GumbelTopK(2, distance="poincare"),
    "more neighbours than nodes": lambda f: GumbelTopK(20),
}


def made(name, width=4):
    torch.manual_seed(1)
    return LEARNERS[name](width).double().eval()


def nodes(graphs=2, n=7, width=4, seed=0):
    """Features, and candidates of which the last node of the first graph has none."""
    torch.manual_seed(seed)
    candidates = torch.rand(graphs, n, n) < 0.6
    candidates[0, -1] = False
    return torch.randn(graphs, n, width, dtype=torch.float64), candidates


@pytest.mark.parametrize("name", LEARNERS)
def test_only_candidates_are_heard(name):
    x, candidates = nodes()
    weight = made(name)(x, candidates)
    assert weight.shape == (2, 7, 7)
    assert not weight[~candidates].any()
    assert (weight >= 0).all()
    assert weight[candidates].any()


@pytest.mark.parametrize("name", LEARNERS)
def test_somebody_attached_later_changes_nobodys_row(name):
    learner, (x, candidates) = made(name), nodes()
    new, rows = torch.randn(2, 3, 4).double(), torch.rand(2, 3, 7) < 0.7
    alone = learner(x, candidates)
    together = learner(torch.cat([x, new], 1), attach_candidates(candidates, rows))
    torch.testing.assert_close(together[:, :7, :7], alone, rtol=0, atol=1e-12)
    assert not together[:, :, 7:].any()  # nobody hears the new ones
    one = learner(torch.cat([x, new[:, 1:2]], 1), attach_candidates(candidates, rows[:, 1:2]))
    torch.testing.assert_close(together[:, 8, :7], one[:, 7, :7], rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", LEARNERS)
def test_a_row_is_deaf_to_those_who_are_not_its_candidates(name):
    learner, (x, candidates) = made(name), nodes()
    candidates[:, 0, 3:] = False
    before = learner(x, candidates)[:, 0]
    x[:, 3:] *= -2.0
    torch.testing.assert_close(learner(x, candidates)[:, 0], before, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", LEARNERS)
def test_relabelled_nodes_relabel_the_graph(name):
    learner, (x, candidates), order = made(name), nodes(), torch.randperm(7)
    weight = learner(x, candidates)
    permuted = learner(x[:, order], candidates[:, order][:, :, order])
    torch.testing.assert_close(permuted, weight[:, order][:, :, order])


@pytest.mark.parametrize("name", LEARNERS)
def test_no_candidates_means_everybody(name):
    learner, (x, candidates) = made(name), nodes()
    torch.testing.assert_close(learner(x), learner(x, torch.ones_like(candidates)))


@pytest.mark.parametrize("name", LEARNERS)
def test_a_graph_does_not_depend_on_the_graphs_beside_it(name):
    learner, (x, candidates) = made(name), nodes(graphs=3)
    torch.testing.assert_close(learner(x, candidates)[1:2], learner(x[1:2], candidates[1:2]), rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", SMOOTH)
def test_gradients_reach_the_features_and_every_parameter(name):
    learner, (x, candidates) = made(name), nodes()
    x.requires_grad_()
    weight = learner(x, candidates)
    (weight * torch.rand(7)).square().sum().backward()
    edge = (weight.detach() * (1 - torch.eye(7))) > 0
    linked = edge.any(1) | edge.any(2)
    assert linked.sum() > 7
    assert (x.grad[linked] != 0).any(1).all()
    assert all((p.grad != 0).any() for p in learner.parameters())


@pytest.mark.parametrize("name", SMOOTH)
def test_gradients_are_those_of_finite_differences(name):
    learner, (x, candidates) = made(name), nodes(graphs=1, n=4)
    x = x[:, :, :4].requires_grad_()
    assert torch.autograd.gradcheck(lambda z, *_: learner(z, candidates), (x, *learner.parameters()))


@pytest.mark.parametrize("scale", [0.0, 1e-30, 1e-8, 1e15 / 4])
@pytest.mark.parametrize("name", SMOOTH)
def test_values_and_gradients_of_any_size_are_finite(name, scale):
    learner, (x, candidates) = made(name).float(), nodes()
    x = (scale * x.clamp(-3, 3)).float().requires_grad_()
    weight = learner(x, candidates)
    weight.sum().backward()
    assert all(torch.isfinite(t).all() for t in (weight, x.grad, *(p.grad for p in learner.parameters())))


@pytest.mark.parametrize("name", LEARNERS)
def test_what_does_not_fit_is_refused_by_name(name):
    learner, (x, candidates) = made(name), nodes()
    with pytest.raises(ShapeMismatch, match="candidates"):
        learner(x, candidates[:, :5])
    with pytest.raises(InvalidOption, match="bool"):
        learner(x, candidates.float())
    with pytest.raises(NonFinite, match="x must be finite"):
        learner(x * torch.nan, candidates)


def test_more_pairs_than_memory_are_refused_before_they_are_made(monkeypatch):
    monkeypatch.setenv("GRAPHFUSE_MEMORY_GB", "0.01")
    with pytest.raises(MemoryBudget, match="1 x 5000 x 5000"):
        enter(torch.zeros(1, 5000, 2), None)
    enter(torch.zeros(1, 4000, 2), None)  # small enough to go unasked


def test_a_softmax_over_nobody_is_zero_in_value_and_gradient():
    score = torch.randn(2, 3, requires_grad=True)
    share = softmax_among(score, torch.tensor([[True, False, True], [False] * 3]))
    share.square().sum().backward()
    torch.testing.assert_close(share[0, [0, 2]], score[0, [0, 2]].softmax(0))
    assert not share[1].any()
    assert not score.grad[1].any()
    assert not score.grad[0, 1]
