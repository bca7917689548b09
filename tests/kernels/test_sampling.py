"""A neighbourhood tells at its seeds what the whole graph tells there."""

from __future__ import annotations

import pytest
import torch

from graphfuse.errors import InvalidOption
from graphfuse.kernels import Adjacency
from graphfuse.kernels.sampling import neighbourhood
from graphfuse.nn.conv import ChebConv, GATConv, GCNConv


def ring_and_chords(nodes=60, chords=90, seed=0):
    """A weighted graph with an isolated node, self-loops and nodes of many degrees; asymmetric."""
    generator = torch.Generator().manual_seed(seed)
    ends = torch.randint(nodes - 1, (2, chords), generator=generator)
    ring = torch.stack([torch.arange(nodes - 2), torch.arange(1, nodes - 1)])
    loops = torch.arange(0, nodes - 1, 3).repeat(2, 1)
    edge_index = torch.cat([ends, ring, loops], 1)
    weight = torch.rand(edge_index.shape[1], generator=generator) + 0.1
    return Adjacency.from_edge_index(edge_index, weight, num_nodes=nodes, layout="sparse")


@pytest.mark.parametrize(
    ("layer", "hops"), [(GCNConv, 1), (lambda f, d: ChebConv(f, d, order=3), 3), (lambda f, d: GATConv(f, d), 1)]
)
def test_two_layers_at_the_seeds_are_those_of_the_whole_graph(layer, hops):
    torch.manual_seed(0)
    graph, x = ring_and_chords(), torch.randn(1, 60, 5)
    first, second = layer(5, 4), layer(4, 2)
    seeds = torch.tensor([7, 59, 3, 20])
    whole = second(first(x, graph).relu(), graph)[:, seeds]
    near = neighbourhood(graph, seeds, hops=2 * hops)
    part = second(first(x[:, near.nodes], near.adjacency).relu(), near.adjacency)[:, : len(seeds)]
    assert torch.equal(near.nodes[:4], seeds)
    assert len(near.nodes) < 60
    torch.testing.assert_close(part, whole, rtol=1e-5, atol=1e-6)


def test_the_mean_over_draws_is_the_whole_sum():
    graph, x = ring_and_chords(), torch.randn(1, 60, 3, generator=torch.Generator().manual_seed(1))
    seeds = torch.arange(60)
    generator = torch.Generator().manual_seed(0)
    draws = []
    for _ in range(2000):
        near = neighbourhood(graph, seeds, hops=1, fanout=2, generator=generator)
        draws.append(near.adjacency @ x[:, near.nodes])
    draws = torch.stack(draws)  # (draws, 1, N, D)
    gap = (draws.mean(0) - graph @ x).abs()
    assert (gap <= 5 * draws.std(0) / len(draws) ** 0.5 + 1e-5).all()


def test_a_draw_keeps_at_most_the_fanout_and_the_degrees_of_the_whole_graph():
    graph = ring_and_chords()
    near = neighbourhood(graph, torch.arange(10), hops=2, fanout=3, generator=torch.Generator().manual_seed(0))
    assert int(near.adjacency.without_self_loops().pattern.crow.diff().max()) <= 3 + 1  # and the self-loop
    torch.testing.assert_close(near.adjacency.degree(), graph.degree()[:, near.nodes])
    again = neighbourhood(graph, torch.arange(10), hops=2, fanout=3, generator=torch.Generator().manual_seed(0))
    assert torch.equal(near.adjacency.weight, again.adjacency.weight)


def test_gradients_reach_learned_weights_of_the_edges_that_were_drawn():
    index = torch.tensor([[0, 1, 2, 3], [1, 2, 3, 0]])
    weight = torch.rand(4, requires_grad=True)
    graph = Adjacency.from_edge_index(index, weight, num_nodes=4, layout="sparse")
    near = neighbourhood(graph, torch.tensor([2]), hops=1)
    (near.adjacency @ torch.ones(1, 2, 1)).sum().backward()
    assert weight.grad.tolist() == [0.0, 1.0, 0.0, 0.0]


def test_what_has_no_neighbourhood_is_refused():
    graph = ring_and_chords()
    with pytest.raises(InvalidOption, match="given twice"):
        neighbourhood(graph, torch.tensor([1, 1]), hops=1)
    with pytest.raises(InvalidOption, match="one square sparse graph"):
        neighbourhood(Adjacency.from_dense(torch.ones(3, 3), "dense"), torch.tensor([1]), hops=1)
    with pytest.raises(InvalidOption):
        neighbourhood(graph, torch.tensor([1]), hops=0)
