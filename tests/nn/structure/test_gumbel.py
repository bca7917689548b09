"""Neighbours are drawn as the Gumbel trick says they are."""

from __future__ import annotations

from itertools import permutations

import pytest
import torch
from scipy.spatial.distance import cdist
from sklearn.neighbors import NearestNeighbors

from graphfuse.errors import InvalidOption
from graphfuse.nn.structure.gumbel import GumbelTopK


def features(n=6):
    torch.manual_seed(0)
    return torch.randn(1, n, 2, dtype=torch.float64)


def test_in_evaluation_the_neighbours_are_the_nearest():
    x, learner = features(20), GumbelTopK(4).double().eval()
    expected = NearestNeighbors(n_neighbors=4).fit(x[0]).kneighbors(x[0], return_distance=False)
    edges = learner.sample(x)
    assert edges.neighbours[0].tolist() == expected.tolist()
    assert torch.equal(edges.weight[0].nonzero()[:, 1].view(20, 4), edges.neighbours[0].sort(1).values)
    assert torch.equal(learner(x), edges.weight)


def test_log_p_is_minus_the_heated_squared_distance_of_each_neighbour():
    x, learner = features(), GumbelTopK(3, temperature=0.7).double()
    edges = learner.sample(x)
    expected = -torch.tensor(0.7).double().exp() * torch.as_tensor(cdist(x[0], x[0], "sqeuclidean"))
    torch.testing.assert_close(edges.log_p[0], expected.gather(1, edges.neighbours[0]), rtol=1e-6, atol=1e-9)


def test_the_logarithm_of_the_temperature_is_clipped():
    x = features()
    hot, hotter = (GumbelTopK(3, temperature=t).double().log_probability(x) for t in (5.0, 50.0))
    assert torch.equal(hot, hotter)


def test_training_draws_ordered_neighbours_without_replacement():
    """The frequency of each ordered pair is p_a / 1 * p_b / (1 - p_a), of p normalised over the candidates."""
    x = torch.tensor([[[0.0], [0.5], [0.8], [1.1]]])
    learner = GumbelTopK(2, temperature=0.0)
    candidates = torch.ones(1, 4, 4, dtype=torch.bool)
    candidates[:, 0, 0] = False
    torch.manual_seed(0)
    draws = learner.sample(x.expand(20000, 4, 1), candidates.expand(20000, 4, 4)).neighbours[:, 0]
    p = torch.tensor([-0.25, -0.64, -1.21]).softmax(0)
    for a, b in permutations(range(3), 2):
        seen = float((draws == torch.tensor([a + 1, b + 1])).all(1).float().mean())
        expected = float(p[a] * p[b] / (1 - p[a]))
        assert abs(seen - expected) < 4 * (expected * (1 - expected) / 20000) ** 0.5


def test_a_reinforce_loss_reaches_the_temperature_and_the_features():
    x, learner = features().requires_grad_(), GumbelTopK(3).double()
    edges = learner.sample(x)
    assert not edges.weight.requires_grad
    (edges.log_p.sum(2) * torch.randn(6)).sum().backward()
    assert (x.grad != 0).any()
    assert learner.temperature.grad != 0


def test_a_node_with_too_few_candidates_has_fewer_neighbours():
    x, candidates = features(), torch.zeros(1, 6, 6, dtype=torch.bool)
    candidates[0, 2, 4] = True
    edges = GumbelTopK(3).double().sample(x, candidates)
    assert edges.neighbours[0, 2].tolist() == [4, -1, -1]
    assert edges.weight.nonzero().tolist() == [[0, 2, 4]]
    assert edges.log_p[0, 2, 0] < 0
    assert not edges.log_p[0, 2, 1:].any()


def test_draws_follow_torchs_generator():
    x, learner = features(20), GumbelTopK(4).double()
    drawn = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        drawn.append(learner(x))
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


def test_options_outside_their_range_are_refused():
    with pytest.raises(InvalidOption, match="neighbours"):
        GumbelTopK(0)
    with pytest.raises(InvalidOption, match="distance"):
        GumbelTopK(3, distance="manhattan")
