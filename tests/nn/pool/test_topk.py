"""TopKPooling equals PyTorch Geometric's, and unusable nodes stay out."""

from __future__ import annotations

import pytest
import torch
from torch_geometric.nn import TopKPooling as PyGTopKPooling

from graphfuse.errors import InvalidOption, NonFinite
from graphfuse.kernels import Adjacency
from graphfuse.nn.pool.topk import TopKPooling

NODES = torch.tensor([[True] * 7, [True, False, True, False, True, True, True], [False, True] + [False] * 5])


def graphs(seed=0):
    generator = torch.Generator().manual_seed(seed)
    weight = torch.rand(3, 7, 7, generator=generator, dtype=torch.float64)
    weight = weight * (torch.rand(3, 7, 7, generator=generator) < 0.5)
    return torch.randn(3, 7, 4, generator=generator, dtype=torch.float64), weight


def pool(ratio=0.5, nonlinearity="tanh"):
    torch.manual_seed(0)
    return TopKPooling(4, ratio, nonlinearity).double()


@pytest.mark.parametrize("layout", ["dense", "sparse"])
@pytest.mark.parametrize("nonlinearity", ["tanh", "sigmoid"])
@pytest.mark.parametrize("ratio", [0.3, 0.8])
def test_equals_pyg_with_all_gradients(layout, nonlinearity, ratio):
    x, weight = graphs()
    adjacency = Adjacency.from_dense(weight, layout)
    theirs = PyGTopKPooling(4, ratio, nonlinearity=nonlinearity).double()
    ours = pool(ratio, nonlinearity)
    ours.load_state_dict(theirs.state_dict())
    xs = [x.clone().requires_grad_() for _ in "ab"]
    edge_index, edge_weight = adjacency.to_edge_index()
    y, edge_index, edge_weight, _, perm, score = theirs(
        xs[0].flatten(0, 1), edge_index, edge_weight, torch.arange(3).repeat_interleave(7)
    )
    pooled = ours(xs[1], adjacency)
    count = pooled.kept.shape[1]
    assert torch.equal(pooled.kept + 7 * torch.arange(3)[:, None], perm.view(3, count))
    torch.testing.assert_close(pooled.score, score.view(3, count))
    torch.testing.assert_close(pooled.x, y.view(3, count, 4))
    expected = Adjacency.from_edge_index(edge_index, edge_weight, num_nodes=count, num_graphs=3)
    torch.testing.assert_close(pooled.adjacency.to_dense(), expected.to_dense())

    for out in (y, pooled.x.flatten(0, 1)):
        (out * out.detach().cos()).sum().backward()
    torch.testing.assert_close(xs[1].grad, xs[0].grad)
    torch.testing.assert_close(ours.select["weight"].grad, theirs.select.weight.grad)


def test_unusable_nodes_change_no_bit_and_stay_unusable():
    results = []
    for fill in (0.0, torch.nan, torch.inf, 1e9):
        x, weight = graphs()
        x, layer = torch.where(NODES[..., None], x, fill).requires_grad_(), pool(0.8)
        pooled = layer(x, Adjacency.from_dense(weight), NODES)
        pooled.x.square().sum().backward()
        results.append([pooled.x.detach(), pooled.kept, pooled.score.detach(), x.grad, layer.select["weight"].grad])
    assert pooled.nodes.sum(1).tolist() == [6, 5, 1]
    assert pooled.kept[2, 0] == 1
    assert torch.equal(pooled.nodes, NODES.gather(1, pooled.kept))
    assert not pooled.x[~pooled.nodes].any()
    assert not pooled.score[~pooled.nodes].any()
    assert all(torch.isfinite(tensor).all() for tensor in results[0])
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))


def test_pooling_commutes_with_renumbering():
    (x, weight), order, layer = graphs(), torch.tensor([3, 0, 6, 1, 5, 2, 4]), pool()
    pooled = layer(x, Adjacency.from_dense(weight), NODES)
    other = layer(x[:, order], Adjacency.from_dense(weight[:, order][:, :, order]), NODES[:, order])
    usable = pooled.nodes
    assert torch.equal(order[other.kept][usable], pooled.kept[usable])
    torch.testing.assert_close(other.x, pooled.x)
    both = usable[:, :, None] & usable[:, None]
    torch.testing.assert_close(other.adjacency.to_dense()[both], pooled.adjacency.to_dense()[both])


def test_binary_edges_stay_binary():
    x, weight = graphs()
    assert set(pool()(x, Adjacency.from_dense((weight > 0).double())).adjacency.to_dense().unique().tolist()) <= {0, 1}


def test_scores_that_saturate_are_still_ranked():
    layer = TopKPooling(1)
    layer.select["weight"].data.fill_(1.0)
    x = torch.tensor([50.0, 70.0, 60.0, 40.0]).view(1, 4, 1)  # tanh is 1 for all of them
    assert layer(x, Adjacency.from_dense(torch.ones(1, 4, 4))).kept.tolist() == [[1, 2]]


def test_scores_of_all_nodes_hold_those_of_the_kept():
    (x, weight), layer = graphs(), pool()
    pooled = layer(x, Adjacency.from_dense(weight), NODES)
    torch.testing.assert_close(layer.scores(x, NODES).gather(1, pooled.kept), pooled.score)
    assert not layer.scores(x, NODES)[~NODES].any()


def test_errors_at_the_door():
    with pytest.raises(InvalidOption, match="ratio"):
        TopKPooling(4, 1.5)
    with pytest.raises(InvalidOption, match="nonlinearity"):
        TopKPooling(4, nonlinearity="relu")
    with pytest.raises(NonFinite):
        pool()(torch.full((3, 7, 4), torch.nan, dtype=torch.float64), Adjacency.from_dense(graphs()[1]))
