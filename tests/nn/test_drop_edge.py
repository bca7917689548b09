"""DropEdge drops both directions together, the share it says, in training only, the same in both layouts."""

from __future__ import annotations

import pytest
import torch

from graphfuse.errors import InvalidOption
from graphfuse.kernels import Adjacency
from graphfuse.nn.conv import GATConv
from graphfuse.nn.drop_edge import DropEdge, dropped_together


def matrices(graphs=3, nodes=60, density=0.3, directed=False):
    """Weighted graphs, undirected by default, with self-loops."""
    torch.manual_seed(0)
    weight = torch.randn(graphs, nodes, nodes) * (torch.rand(graphs, nodes, nodes) < density)
    weight = weight if directed else weight.triu() + weight.triu(1).mT
    weight.diagonal(dim1=1, dim2=2).fill_(2.0)
    return weight


@pytest.mark.parametrize("layout", ["dense", "sparse"])
@pytest.mark.parametrize("p", [0.1, 0.3, 0.9])
def test_both_directions_go_together_and_the_share_is_p(layout, p):
    weight = matrices()
    left = DropEdge(p)(Adjacency.from_dense(weight, layout))
    assert left.layout == layout
    left = left.to_dense()
    assert torch.equal(left, left.mT)
    assert torch.equal(left[left != 0], weight[left != 0])  # the weights that are kept stay
    assert bool((left.diagonal(dim1=1, dim2=2) == 2).all())
    edges = (weight.triu(1) != 0).sum()
    dropped = ((weight.triu(1) != 0) & (left.triu(1) == 0)).sum()
    assert abs(float(dropped / edges) - p) < 4 * (p * (1 - p) / float(edges)) ** 0.5


def test_layouts_agree_and_the_generator_decides():
    weight, p = matrices(), DropEdge(0.5)
    torch.manual_seed(1)
    dense = p(Adjacency.from_dense(weight, "dense")).to_dense()
    torch.manual_seed(1)
    assert torch.equal(p(Adjacency.from_dense(weight, "sparse")).to_dense(), dense)
    again = p(Adjacency.from_dense(weight, "sparse")).to_dense()
    assert not torch.equal(again, dense)


def test_graphs_edges_and_seeds_have_draws_of_their_own():
    full = Adjacency.from_dense(torch.ones(2, 80, 80))
    upper = torch.ones(80, 80).triu(1) > 0
    kept = [dropped_together(full, 0.5, seed).to_dense()[:, upper] - 0.5 for seed in (0, 1, 2**31)]
    one = kept[0][0]
    for other in (kept[0][1], kept[1][0], kept[2][0], one.roll(1), one.roll(79)):
        assert abs(float((one * other).mean())) < 4 * 0.25 / len(one) ** 0.5


def test_edges_without_an_opposite_have_draws_of_their_own():
    weight = matrices(directed=True)
    left = DropEdge(0.3)(Adjacency.from_dense(weight, "sparse")).to_dense()
    both, single = (weight != 0) & (weight.mT != 0), (weight != 0) & (weight.mT == 0)
    assert torch.equal((left != 0) & both, ((left != 0) & both).mT)
    share = 1 - float((left != 0)[single].float().mean())
    assert abs(share - 0.3) < 4 * (0.21 / float(single.sum())) ** 0.5


@pytest.mark.parametrize("layout", ["dense", "sparse"])
def test_nothing_everything_and_evaluation(layout):
    adjacency = Adjacency.from_dense(matrices(), layout)
    assert DropEdge(0.0)(adjacency) is adjacency
    assert DropEdge(0.5).eval()(adjacency) is adjacency
    left = DropEdge(1.0)(adjacency).to_dense()
    assert torch.equal(left, torch.eye(60).expand(3, 60, 60) * 2)
    empty = adjacency.without_edges()
    assert torch.equal(DropEdge(0.5)(empty).to_dense(), empty.to_dense())


def test_degrees_are_of_what_is_left_and_attention_does_not_see_the_rest():
    torch.manual_seed(0)
    adjacency, conv, x = Adjacency.from_dense(matrices().abs(), "sparse"), GATConv(4, 3), torch.randn(3, 60, 4)
    left = dropped_together(adjacency, 0.5, 7)
    torch.testing.assert_close(left.degree(), left.to_dense().sum(2))
    torch.testing.assert_close(conv(x, left), conv(x, Adjacency.from_dense(left.to_dense(), "sparse")))


def test_gradients_reach_the_edges_that_are_kept():
    adjacency = Adjacency.from_dense(matrices(), "sparse")
    weight = adjacency.weight.clone().requires_grad_()
    left = dropped_together(adjacency.with_weight(weight), 0.5, 7)
    left.weight.sum().backward()
    assert torch.equal(weight.grad, (left.weight != 0).float())


def test_errors_at_the_door():
    with pytest.raises(InvalidOption, match="p must lie"):
        DropEdge(1.5)
    with pytest.raises(InvalidOption, match="square"):
        DropEdge(0.5)(Adjacency.from_dense(torch.ones(1, 3, 4)))
