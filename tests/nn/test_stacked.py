from __future__ import annotations

import pytest
import torch
from torch import nn

from graphfuse.errors import InvalidOption
from graphfuse.kernels import Adjacency
from graphfuse.nn.conv import ChebConv, GATConv, GCNConv
from graphfuse.nn.dropout import Dropout
from graphfuse.nn.encoder import GraphEncoder
from graphfuse.nn.stacked import StackedDropout, StackedLinear, stack, stackable, take, unstack

M, N, F = 5, 24, 18


class Nodes(nn.Module):
    """A graph encoder and a head, over the nodes of graphs."""

    def __init__(self, conv, hidden, dropout=0.0, width=F):
        super().__init__()
        self.encoder = GraphEncoder(width, hidden, conv=conv, dropout=dropout)
        self.head = nn.Linear(hidden[-1], 3)

    def forward(self, x, adjacency):
        return self.head(self.encoder.node_embeddings(x, adjacency))


def generators(count=M):
    return [torch.Generator().manual_seed(seed) for seed in range(count)]


def graphs(count=M, seed=0):
    torch.manual_seed(seed)
    weight = torch.rand(count, N, N) * (torch.rand(count, N, N) < 0.2)
    return Adjacency.from_dense(torch.maximum(weight, weight.mT), layout="sparse")


def close(a, b):
    torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize(("conv", "hidden"), [("gcn", (16,)), ("gcn", (7, 5)), ("cheb", (16, 6)), ("cheb", (3,))])
def test_a_stack_gives_the_outputs_and_gradients_of_its_networks(conv, hidden, shared):
    networks, adjacency = [Nodes(conv, hidden) for _ in range(M)], graphs()
    x = torch.randn(1 if shared else M, N, F)
    stacked = stack(networks, generators())
    y, weigh = stacked(x, adjacency), torch.randn(M, N, 3)
    (y * weigh).sum().backward()
    values = dict(stacked.named_parameters())
    for m, network in enumerate(networks):
        own = network(x[[0 if shared else m]], adjacency[[m]])
        close(y[m], own[0])
        (own[0] * weigh[m]).sum().backward()
        for name, parameter in network.named_parameters():
            close(values[name].grad[m].reshape(parameter.shape), parameter.grad)


def test_a_perceptron_is_stacked_as_it_stands():
    networks = [nn.Sequential(nn.Linear(F, 8), nn.ReLU(), nn.Linear(8, 2)) for _ in range(M)]
    x = torch.randn(M, N, F)
    y = stack(networks, generators())(x)
    for m, network in enumerate(networks):
        close(y[m], network(x[m]))


def test_masks_are_those_that_each_generator_draws_for_its_model_alone():
    layer = stack([Dropout(0.4)] * M, generators())
    x = torch.randn(M, N, 16)
    first, second = layer(x), layer(x)
    assert not torch.equal(first, second)
    for m in range(M):
        torch.manual_seed(m)
        for dropped in (first, second):
            close(dropped[m], Dropout(0.4)(x[m]))
    layer.eval()
    assert layer(x) is x
    assert not stack([Dropout(1.0)] * M, generators())(x).any()


def test_the_kept_product_follows_the_weights_and_lets_gradients_through():
    stacked = stack([nn.Linear(F, 16) for _ in range(M)], generators())
    x = torch.randn(1, N, F)
    with torch.no_grad():
        before = stacked(x)
    stacked(x).sum().backward()  # of the product that was made without gradients asked for
    close(stacked.weight.grad[0], x[0].sum(0).expand(16, F))
    with torch.no_grad():
        assert torch.equal(stacked(x), before)
        stacked.weight.mul_(2.0)
        assert not torch.equal(stacked(x), before)
        assert not torch.equal(stacked(x.clone() + 1), stacked(x))


@pytest.mark.parametrize("width", [7, 16, 48])
def test_a_models_numbers_are_those_it_has_alone(width):
    networks = [nn.Linear(200, width) for _ in range(40)]
    x = torch.randn(1, 64, 200)
    whole = stack(networks, generators(40))(x)
    for m, network in enumerate(networks):
        torch.testing.assert_close(stack([network], generators(1))(x)[0], whole[m], atol=1e-6, rtol=0)


def test_models_are_taken_out_and_given_back():
    networks = [nn.Sequential(nn.Linear(F, 4), Dropout(0.5)) for _ in range(M)]
    stacked, own = stack(networks, generators()), generators()
    x = torch.randn(M, N, F)
    rows = torch.tensor([3, 1])
    wanted = stacked.eval()(x)[rows]
    take(stacked, rows)
    assert torch.equal(stacked(x[rows]), wanted)
    drawn = stacked.train()(torch.ones(2, N, F))
    assert drawn.shape == (2, N, 4)
    dropout = next(module for module in stacked.modules() if isinstance(module, StackedDropout))
    assert [g.initial_seed() for g in dropout.generators] == [own[row].initial_seed() for row in (3, 1)]
    others = [nn.Sequential(nn.Linear(F, 4), Dropout(0.5)) for _ in range(2)]
    unstack(dict(stacked.named_parameters()), others)
    for other, row in zip(others, (3, 1), strict=True):
        assert torch.equal(other[0].weight, networks[row][0].weight)
        assert torch.equal(other[0].bias, networks[row][0].bias)


def test_stacking_leaves_the_networks_alone():
    networks = [Nodes("gcn", (4,)) for _ in range(2)]
    before = [parameter.clone() for network in networks for parameter in network.parameters()]
    stacked = stack(networks, generators(2))
    for parameter in stacked.parameters():
        parameter.data.zero_()
    after = [parameter for network in networks for parameter in network.parameters()]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_layers_without_a_twin_are_refused():
    assert stackable(Nodes("gcn", (4,)))
    for network in (GATConv(F, 4), nn.Sequential(nn.BatchNorm1d(3)), nn.Conv1d(1, 1, 1)):
        assert not stackable(network)
        with pytest.raises(InvalidOption, match="one by one"):
            stack([network], generators(1))
    assert stackable(GCNConv(3, 2))
    assert stackable(ChebConv(3, 2, bias=False))
    assert isinstance(stack([nn.Linear(2, 3, bias=False)], generators(1)), StackedLinear)
