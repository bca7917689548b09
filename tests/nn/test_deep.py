"""Deep stacks: each kind is its equations written out, widths are as promised, and depth does not smooth all away."""

from __future__ import annotations

from functools import partial
from math import log

import pytest
import torch

from graphfuse.errors import InvalidOption
from graphfuse.kernels import Adjacency
from graphfuse.nn.conv import ChebConv, GATConv, GCNConv
from graphfuse.nn.conv.gen import GENConv
from graphfuse.nn.conv.gin import GINConv, gin_mlp
from graphfuse.nn.conv.graph_conv import GraphConv
from graphfuse.nn.conv.sage import SAGEConv
from graphfuse.nn.deep import JOINS, KINDS, DeepStack
from graphfuse.nn.stacked import stack, stackable

CONVS = {
    "cheb": partial(ChebConv, order=2),
    "gat": GATConv,
    "gcn": GCNConv,
    "gen": partial(GENConv, norm=None),
    "gin": lambda wide, out: GINConv(gin_mlp(wide, out, batch_norm=False)),
    "graph": GraphConv,
    "sage": SAGEConv,
}


def batch(graphs=3, nodes=6, width=5):
    """Undirected weighted graphs, one node isolated."""
    torch.manual_seed(0)
    weight = torch.rand(graphs, nodes, nodes) * (torch.rand(graphs, nodes, nodes) < 0.5)
    weight = weight + weight.mT
    weight[1, 2], weight[1, :, 2] = 0.0, 0.0
    return torch.randn(graphs, nodes, width).double(), weight.double()


def written_out(stack, kind, x, adjacency):
    """The equations of the six kinds, layer by layer; `stack` gives the convolutions and norms."""
    convs, norms = stack.convs, [layer.norm for layer in stack.layers]

    def step(k, h):
        return norms[k](convs[k](h, adjacency)).relu()

    if kind == "res+":
        h = convs[0](x, adjacency)
        for k in (1, 2):
            h = h + convs[k](norms[k](h).relu(), adjacency)
        return norms[0](h).relu()
    if kind == "gcnii":
        h = h_0 = torch.nn.functional.linear(x, convs[0].weight, convs[0].bias).relu()
        for k in (1, 2, 3):
            theta = log(0.5 / k + 1)
            s = 0.9 * (adjacency.normalised("sym") @ h) + 0.1 * h_0
            h = (s @ ((1 - theta) * torch.eye(4).double() + theta * convs[k].weight1)).relu()
        return h
    h_1 = step(0, x)
    if kind == "dense":
        h_2 = step(1, h_1)
        return torch.cat([h_1, h_2, step(2, torch.cat([h_1, h_2], -1))], -1)
    if kind == "res":
        h_2 = h_1 + step(1, h_1)
        return h_2 + step(2, h_2)
    h_2 = step(1, h_1)
    h_3 = step(2, h_2)
    return torch.cat([h_1, h_2, h_3], -1) if kind == "jk" else h_3


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("norm", ["layer", None])
@pytest.mark.parametrize("layout", ["dense", "sparse"])
def test_each_kind_is_its_equations_written_out(kind, norm, layout):
    x, weight = batch()
    stack, adjacency = DeepStack(5, 4, 3, kind, norm=norm).double(), Adjacency.from_dense(weight, layout)
    for layer in stack.layers:
        if isinstance(layer.norm, torch.nn.LayerNorm):  # so that a norm in the wrong place is seen
            torch.nn.init.normal_(layer.norm.weight)
    y = stack.node_embeddings(x, adjacency)
    torch.testing.assert_close(y, written_out(stack, kind, x, adjacency), atol=1e-12, rtol=1e-12)
    torch.testing.assert_close(stack(x, adjacency), y.mean(1))


@pytest.mark.parametrize("jk", sorted(JOINS))
def test_jumping_knowledge_joins_all_layers(jk):
    x, weight = batch()
    adjacency, stack = Adjacency.from_dense(weight), DeepStack(5, 4, 3, "jk", jk=jk, norm=None).double()
    h, given = x, []
    for conv in stack.convs:
        h = conv(h, adjacency).relu()
        given.append(h)
    expected = {
        "concat": torch.cat(given, -1),
        "sum": given[0] + given[1] + given[2],
        "max": torch.maximum(torch.maximum(given[0], given[1]), given[2]),
        "last": given[2],
    }[jk]
    torch.testing.assert_close(stack.node_embeddings(x, adjacency), expected)


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("readout", ["mean", "mean-max", "flatten", "attention"])
def test_widths_are_as_promised_and_all_parameters_learn(kind, readout):
    x, weight = batch()
    stack = DeepStack(5, 4, 3, kind, dropout=0.2, drop_edge=0.2, readout=readout, num_nodes=6).double()
    adjacency = Adjacency.from_dense(weight)
    assert stack.node_embeddings(x, adjacency).shape == (3, 6, stack.node_channels)
    assert stack.node_channels == (12 if kind in ("dense", "jk") else 4)
    z = stack(x, adjacency)
    assert z.shape == (3, stack.out_channels)
    (z * torch.linspace(-1, 2, z.numel()).view_as(z)).sum().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in stack.parameters())
    assert sum(bool(p.grad.any()) for p in stack.parameters()) >= len(list(stack.parameters())) - 1


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"gcnii"}))
@pytest.mark.parametrize("conv", sorted(CONVS))
def test_any_convolution_stacks_and_orders_of_nodes_agree(kind, conv):
    (x, weight), order = batch(), torch.randperm(6)
    stack = DeepStack(5, 4, 3, kind, CONVS[conv]).double().eval()
    y = stack.node_embeddings(x, Adjacency.from_dense(weight))
    permuted = stack.node_embeddings(x[:, order], Adjacency.from_dense(weight[:, order][:, :, order]))
    torch.testing.assert_close(permuted, y[:, order])


def test_hops_are_those_of_the_convolutions():
    assert DeepStack(5, 4, 3, "res").hops == 3
    assert DeepStack(5, 4, 3, "res", CONVS["cheb"]).hops == 6
    stack = DeepStack(5, 32, 3, "gcnii").double()  # wide, so that no node is silenced by the ReLU
    assert stack.hops == 3
    path = torch.diag_embed(torch.ones(1, 5).double(), 1) + torch.diag_embed(torch.ones(1, 5).double(), -1)
    x = torch.randn(1, 6, 5, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(stack.node_embeddings(x, Adjacency.from_dense(path))[0, 0].sum(), x)
    assert (gradient[0].abs().sum(1) > 0).tolist() == [True] * 4 + [False] * 2


def apart(kind, norm, seed):
    """Share of the squares of the last layer's features that lies between the nodes; 0 where all are alike."""
    torch.manual_seed(seed)
    ring, places = torch.zeros(1, 24, 24).double(), torch.arange(24)
    for step in (1, 2, 3, 5):
        ring[0, places, (places + step) % 24] = 1.0  # regular, so that what is smooth is constant
    x, stack = torch.randn(1, 24, 16).double(), DeepStack(16, 16, 32, kind, norm=norm).double()
    h = stack.node_embeddings(x, Adjacency.from_dense(ring + ring.mT)).detach()
    return float((h - h.mean(1, keepdim=True)).square().sum() / h.square().sum())


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("norm", ["layer", None])
def test_32_layers_keep_nodes_apart_where_plain_ones_make_them_alike(norm, seed):
    assert apart("plain", norm, seed) < 1e-7
    assert apart("gcnii", norm, seed) > 1e-2
    # Without a norm a residual stack smooths too, for each layer adds more of what is smooth; only far more slowly.
    assert apart("res", norm, seed) > (1e-3 if norm else 1e-5)
    for kind in ("res+", "dense", "jk"):
        assert apart(kind, "layer", seed) > 1e-3


def test_drop_edge_acts_in_training_once_for_all_layers():
    x, weight = batch(nodes=6)
    stack, adjacency = DeepStack(5, 4, 3, "plain", drop_edge=0.5).double(), Adjacency.from_dense(weight)
    torch.manual_seed(3)
    y = stack.node_embeddings(x, adjacency)
    torch.manual_seed(3)
    thinned = stack.drop_edge(adjacency)
    stack.eval()
    torch.testing.assert_close(y, stack.node_embeddings(x, thinned))
    assert torch.equal(stack.node_embeddings(x, adjacency), stack.node_embeddings(x, adjacency))
    assert not torch.allclose(y, stack.node_embeddings(x, adjacency))


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_dropout_stands_before_the_convolution_and_spares_the_way_around_it(kind):
    x, weight = batch(width=4)
    adjacency, h_0 = Adjacency.from_dense(weight), torch.randn(3, 6, 4).double()
    last = DeepStack(4, 4, 3, kind, dropout=1.0, norm=None).double().layers[2]
    y = last([h_0, x], adjacency)
    if kind == "gcnii":
        beta = log(0.5 / 2 + 1)
        torch.testing.assert_close(
            y, (0.1 * h_0 @ ((1 - beta) * torch.eye(4).double() + beta * last.conv.weight1)).relu()
        )
    else:  # the bias of the convolution is 0 at the start
        assert torch.equal(y, x if kind in ("res", "res+") else torch.zeros_like(x))


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"gcnii"}))
def test_networks_trained_side_by_side_give_what_each_gives_alone(kind):
    x, weight = batch(graphs=2)
    networks = [DeepStack(5, 4, 3, kind).double() for _ in range(2)]
    both = stack(networks, [torch.Generator(), torch.Generator()])
    y = both.node_embeddings(x, Adjacency.from_dense(weight))
    for m, network in enumerate(networks):
        alone = network.node_embeddings(x[m : m + 1], Adjacency.from_dense(weight[m : m + 1]))[0]
        torch.testing.assert_close(y[m], alone)
    assert not stackable(DeepStack(5, 4, 3, "gcnii"))


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_features_of_unusable_nodes_change_no_bit_and_no_edges_are_no_harm(kind):
    x, weight = batch()
    nodes = torch.ones(3, 6, dtype=torch.bool)
    nodes[1, 3], nodes[2] = False, False
    stack, adjacency = DeepStack(5, 4, 3, kind).double(), Adjacency.from_dense(weight)
    clean = stack(x, adjacency, nodes)
    assert torch.equal(stack(torch.where(nodes[..., None], x, torch.nan), adjacency, nodes), clean)
    assert torch.isfinite(stack(x, adjacency.without_edges())).all()


def test_new_nodes_leave_the_fitted_ones_alone():
    x, weight = batch(graphs=2)
    adjacency, edges = Adjacency.from_dense(weight[:1]), torch.rand(2, 6).double()
    for kind in KINDS:
        stack = DeepStack(5, 4, 3, kind).double()
        both = torch.cat([x[:1], x[1:, :2]], 1)
        together = stack.node_embeddings(both, adjacency.attach(edges))
        torch.testing.assert_close(together[:, :6], stack.node_embeddings(x[:1], adjacency))
        alone = stack.node_embeddings(both[:, [0, 1, 2, 3, 4, 5, 7]], adjacency.attach(edges[1:]))
        torch.testing.assert_close(together[:, 7], alone[:, 6])


def test_errors_at_the_door():
    with pytest.raises(InvalidOption, match=r"res, res\+"):
        DeepStack(5, kind="residual")
    with pytest.raises(InvalidOption, match="Leave conv out"):
        DeepStack(5, kind="gcnii", conv=GCNConv)
    with pytest.raises(InvalidOption, match="jk must be one of"):
        DeepStack(5, kind="jk", jk="lstm")
    with pytest.raises(InvalidOption, match="num_layers"):
        DeepStack(5, num_layers=0)
