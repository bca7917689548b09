"""Graph and embeddings in turn: the mixing rule, the fixed point, and who decides when to rest."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from graphfuse.errors import NegativeWeights, ShapeMismatch
from graphfuse.kernels import Adjacency
from graphfuse.nn.conv import GCNConv
from graphfuse.nn.structure.contract import attach_candidates
from graphfuse.nn.structure.cosine import WeightedCosine
from graphfuse.nn.structure.gaussian import GaussianSimilarity
from graphfuse.nn.structure.iterative import IterativeGraph, share_rows


class Network(nn.Module):
    """Two convolutions; the first one's output is the hidden state."""

    def __init__(self, wide=4, hidden=3):
        super().__init__()
        self.first, self.second = GCNConv(wide, hidden), GCNConv(hidden, 2)

    def forward(self, x, adjacency):
        hidden = self.first(x, adjacency).tanh()
        return self.second(hidden, adjacency), hidden


def learned(seed=0, **options):
    torch.manual_seed(seed)
    learners = WeightedCosine(4, threshold=0.0), WeightedCosine(3, threshold=0.0)
    return IterativeGraph(learners[0], Network(), learners[1], **options).double()


def people(graphs=2, n=6):
    torch.manual_seed(3)
    prior = torch.rand(graphs, n, n, dtype=torch.float64)
    return torch.randn(graphs, n, 4, dtype=torch.float64), prior / prior.sum(2, keepdim=True)


def test_each_graph_is_the_mix_that_the_paper_states():
    (x, prior), graph = people(), learned(rate=0.3, tolerance=0.0, most=2)
    steps = list(graph(x, prior))
    of_features = graph.learner(x)
    expected = 0.25 * prior + 0.75 * share_rows(of_features)
    torch.testing.assert_close(steps[0].weight, expected)
    torch.testing.assert_close(steps[0].similarity, of_features)
    hidden = x
    for step in steps:
        torch.testing.assert_close(step.weight, expected)
        output, hidden = graph.network(x, Adjacency.from_dense(expected))
        torch.testing.assert_close(step.output, output)
        mix = 0.3 * share_rows(graph.hidden_learner(hidden)) + 0.7 * share_rows(of_features)
        expected = 0.25 * prior + 0.75 * mix
    assert len(steps) == 3


def test_constant_features_are_at_rest_at_once():
    graph, x = learned(), torch.ones(1, 6, 4, dtype=torch.float64)
    steps = list(graph(x))
    assert len(steps) == 2
    torch.testing.assert_close(steps[1].weight, steps[0].weight)
    torch.testing.assert_close(steps[1].weight, torch.full((1, 6, 6), 1 / 6).double())


def test_it_rests_at_a_fixed_point_of_the_learner():
    """It goes on while S moves by more than the threshold, and S(H(A)) = S where it stops."""
    graph = learned(tolerance=1e-12, most=50)
    (x, prior) = people(1)
    steps = list(graph(x, prior))
    assert 2 < len(steps) < 50
    similar = torch.cat([step.similarity.detach() for step in steps])
    change = similar.diff(dim=0).square().sum((1, 2)) / similar[0].square().sum()
    assert change[-1] <= 1e-12
    assert (change[:-1] > 1e-12).all()
    again = graph.hidden_learner(graph.network(x, Adjacency.from_dense(steps[-1].weight))[1])
    torch.testing.assert_close(again, steps[-1].similarity, rtol=0, atol=1e-5)


@pytest.mark.parametrize("most", [0, 1, 10])
def test_a_graph_that_never_rests_stops_after_the_renewals_allowed(most):
    draws = torch.Generator().manual_seed(0)

    def restless(x, candidates):
        return torch.rand(*x.shape[:2], x.shape[1], generator=draws, dtype=x.dtype)

    graph = IterativeGraph(restless, Network().double(), most=most)
    assert len(list(graph(people()[0]))) == most + 1


def test_a_graph_rests_on_its_own_whatever_is_beside_it():
    """Neighbourhoods of means of neighbourhoods: near nodes settle at once, spread ones take some renewals."""
    x, _ = people(2)
    x[0] *= 0.1
    learner = GaussianSimilarity(4, 4, sigma=0.8).double()
    torch.nn.init.eye_(learner.lin.weight)
    graph = IterativeGraph(learner, lambda x, adjacency: (adjacency @ x,) * 2, rate=1.0, tolerance=1e-6, most=30)
    together, near, spread = (list(graph(part)) for part in (x, x[:1], x[1:]))
    assert len(near) < len(together) == len(spread) < 31
    assert [step.active.tolist() for step in together] == [[t < len(near), True] for t in range(len(spread))]
    torch.testing.assert_close(together[-1].output[:1], near[-1].output, rtol=0, atol=1e-12)
    torch.testing.assert_close(together[-1].output[1:], spread[-1].output, rtol=0, atol=1e-12)


def test_attached_people_change_nothing_of_the_fitted_ones():
    x, prior = people(1)
    candidates = torch.ones(1, 6, 6, dtype=torch.bool)
    graph = learned(tolerance=1e-6)
    alone = list(graph(x, prior, candidates))
    new, rows = 3 * torch.randn(1, 2, 4).double(), torch.ones(1, 2, 6, dtype=torch.bool)
    everybody, heard = torch.cat([x, new], 1), attach_candidates(candidates, rows)
    wide = torch.zeros(1, 8, 8, dtype=torch.float64)
    wide[:, :6, :6] = prior
    counted = torch.arange(8)[None] < 6
    together = list(graph(everybody, wide, heard, counted))
    assert len(together) == len(alone)
    for a, b in zip(alone, together, strict=True):
        torch.testing.assert_close(b.weight[:, :6, :6], a.weight)
        torch.testing.assert_close(b.output[:, :6], a.output)


def test_attached_people_do_not_keep_the_fitted_ones_from_resting():
    x, graph = torch.ones(1, 6, 4, dtype=torch.float64), learned(tolerance=1e-9)
    torch.manual_seed(5)
    new = torch.rand(1, 2, 4).double()
    heard = attach_candidates(torch.ones(1, 6, 6, dtype=torch.bool), torch.ones(1, 2, 6, dtype=torch.bool))
    everybody = torch.cat([x, new], 1)
    assert len(list(graph(everybody, None, heard, torch.arange(8)[None] < 6))) == 2
    assert len(list(graph(everybody, None, heard))) > 2


def test_relabelled_nodes_relabel_every_iteration():
    (x, prior), graph, order = people(), learned(), torch.randperm(6)
    permuted = list(graph(x[:, order], prior[:, order][:, :, order]))
    for a, b in zip(graph(x, prior), permuted, strict=True):
        torch.testing.assert_close(b.output, a.output[:, order])


def test_losses_of_all_iterations_reach_every_parameter():
    (x, prior), graph = people(), learned()
    outputs = [step.output.square().mean() for step in graph(x, prior)]
    (sum(outputs) / len(outputs)).backward()
    assert all((p.grad != 0).any() for p in graph.parameters())
    assert {name.split(".")[0] for name, _ in graph.named_parameters()} == {"learner", "network", "hidden_learner"}


def test_one_learner_serves_both_where_the_widths_agree():
    torch.manual_seed(0)
    graph = IterativeGraph(GaussianSimilarity(4, 3), Network(4, 4)).double()
    assert len(list(graph(people()[0]))) > 1
    assert not any(name.startswith("hidden_learner") for name in graph.state_dict())


def test_what_cannot_be_mixed_is_refused():
    x, prior = people()
    with pytest.raises(NegativeWeights, match="prior"):
        learned()(x, -prior)
    with pytest.raises(ShapeMismatch, match="prior"):
        learned()(x, prior[:, :3])
    with pytest.raises(NegativeWeights, match="threshold"):
        list(IterativeGraph(lambda x, candidates: -torch.ones(2, 6, 6), Network())(x.float()))


def test_a_row_of_zeros_is_shared_by_nobody():
    weight = torch.tensor([[[0.0, 0.0], [1.0, 3.0]]], requires_grad=True)
    shares = share_rows(weight)
    shares.square().sum().backward()
    assert shares.tolist() == [[[0.0, 0.0], [0.25, 0.75]]]
    assert torch.isfinite(weight.grad).all()
