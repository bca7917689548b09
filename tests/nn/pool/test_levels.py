"""Rounds of convolving and pooling equal the same rounds written out, and survivors are those still there."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from graphfuse.errors import InvalidOption
from graphfuse.kernels import Adjacency
from graphfuse.nn.conv import GraphConv
from graphfuse.nn.pool.cluster import ClusterPooling
from graphfuse.nn.pool.levels import pool_levels, survived
from graphfuse.nn.pool.topk import TopKPooling

G, R, F, D = 3, 9, 4, 5


@pytest.fixture
def stack():
    torch.manual_seed(0)
    weight = torch.rand(G, R, R) * (torch.rand(G, R, R) < 0.4)
    convs = nn.ModuleList([GraphConv(F, D), GraphConv(D, D)])
    pools = nn.ModuleList(TopKPooling(D, 0.6) for _ in range(2))
    return convs, pools, torch.randn(G, R, F), Adjacency.from_dense(weight)


def test_each_round_works_on_what_the_last_one_kept(stack):
    convs, pools, x, adjacency = stack
    first, second = pool_levels(*stack)
    by_hand = pools[0](convs[0](x, adjacency).relu(), adjacency)
    torch.testing.assert_close(first.x, by_hand.x)
    again = pools[1](convs[1](by_hand.x, by_hand.adjacency).relu(), by_hand.adjacency, by_hand.nodes)
    torch.testing.assert_close(second.x, again.x)
    torch.testing.assert_close(second.adjacency.to_dense(), again.adjacency.to_dense())


def test_survivors_are_the_nodes_still_there_after_each_round(stack):
    levels = pool_levels(*stack)
    expected = torch.zeros(G, R, dtype=torch.int64)
    for g in range(G):
        names = list(range(R))
        for level in levels:
            names = [names[i] for i in level.kept[g].tolist()]
            expected[g, names] += 1
    assert torch.equal(survived(levels, R), expected)
    assert [int((expected[0] >= n).sum()) for n in (1, 2)] == [6, 4]


def test_unusable_nodes_never_survive(stack):
    nodes = torch.ones(G, R, dtype=torch.bool)
    nodes[0, 2:] = False
    count = survived(pool_levels(*stack, nodes), R)
    assert not count[0, 2:].any()
    assert count[0, :2].tolist() == [2, 2]  # 6 and 4 places, and only two to fill them


def test_clusters_have_no_survivors(stack):
    _, _, x, adjacency = stack
    level = ClusterPooling(F, R, 2)(x, adjacency)
    with pytest.raises(InvalidOption, match="clusters"):
        survived([level], R)
