"""BrainNetCNN reads the whole matrix through crosses, and no graph."""

from __future__ import annotations

import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch.nn.functional import cross_entropy, leaky_relu

from graphfuse.graph.graphs import Graphs
from graphfuse.kernels.adjacency import Adjacency
from graphfuse.systems.brainnetcnn import BrainNetCNNNetwork, brainnetcnn

B, R = 4, 7
CODES = torch.arange(B) % 2


def graphs(weight=None):
    x = torch.randn(B, R, R)
    x = (x + x.mT) * (1 - torch.eye(R))
    weight = x.abs() * (x.abs() > 1) if weight is None else weight
    return Graphs(x, Adjacency.from_dense(weight), torch.ones(B, R, dtype=torch.bool), torch.ones(B, dtype=torch.bool))


def network(**options):
    return BrainNetCNNNetwork({"functional": (R, R)}, 2, **{"widths": (3, 5), **options})


def by_hand(net, x):
    """The equations, written once more, with the network's parameters."""
    x = x[:, None]
    for layer in net.edges:
        row = torch.einsum("bcik,ock->boi", x, layer.row.weight[:, :, 0]) + layer.row.bias[:, None]
        column = torch.einsum("bckj,ock->boj", x, layer.column.weight[:, :, 0]) + layer.column.bias[:, None]
        x = leaky_relu(row[..., None] + column[:, :, None], 0.33)
    node = torch.einsum("bcik,ck->bi", x, net.nodes.row.weight[0, :, 0]) + net.nodes.row.bias
    graph = leaky_relu(node, 0.33) @ net.graph.column.weight[:, 0, :, 0].T + net.graph.column.bias
    for layer in net.head:
        if isinstance(layer, torch.nn.Linear):
            graph = leaky_relu(graph, 0.33) @ layer.weight.T + layer.bias
    return graph


def test_it_is_its_equations_and_the_logits_are_not_bent():
    net, own = network().double().eval(), graphs()
    x = own.x.double()
    answer = net({"functional": Graphs(x, own.adjacency, own.nodes, own.present)})
    torch.testing.assert_close(answer, by_hand(net, x))


def test_an_edge_hears_the_edges_of_its_two_regions_and_no_other():
    net = network(widths=(3,)).eval()
    x = graphs().x
    moved = x.clone()
    moved[:, 1, 4] += 1.0
    felt = (net.edge_maps(moved) != net.edge_maps(x)).any(1)[0]
    cross = torch.zeros(R, R, dtype=torch.bool)
    cross[1], cross[:, 4] = True, True
    assert torch.equal(felt, cross)


def test_it_reads_the_matrix_and_no_edge_of_the_graph():
    net, own = network().eval(), graphs()
    bare = Graphs(own.x, Adjacency.from_dense(torch.zeros(B, R, R)), own.nodes, own.present)
    assert torch.equal(net({"functional": bare}), net({"functional": own}))


def test_regions_are_known_by_their_number():
    net, own = network().eval(), graphs()
    order = torch.arange(R).flip(0)
    weight = own.adjacency.to_dense()[:, order][:, :, order]
    moved = Graphs(own.x[:, order], Adjacency.from_dense(weight), own.nodes, own.present)
    assert float((net({"functional": moved}) - net({"functional": own})).detach().abs().max()) > 1e-3


def test_tied_filters_keep_symmetric_matrices_symmetric_in_half_the_parameters():
    tied, free, x = network(tied=True), network(), graphs().x
    maps = tied.edge_maps(x)
    torch.testing.assert_close(maps, maps.mT)
    assert not torch.allclose(free.edge_maps(x), free.edge_maps(x).mT, atol=1e-2)
    sizes = [sum(p.numel() for p in net.edges.parameters()) for net in (tied, free)]
    assert 2 * sizes[0] == sizes[1]


def test_nothing_is_dropped_once_it_is_trained():
    net, own = network(), {"functional": graphs()}
    assert not torch.equal(net(own), net(own))
    net.eval()
    assert torch.equal(net(own), net(own))


def test_a_region_that_is_not_usable_has_no_say():
    net, own = network().eval(), graphs()
    nodes = own.nodes.clone()
    nodes[:, 2] = False
    own = Graphs(own.x, own.adjacency, nodes, own.present)
    before = net({"functional": own})
    net.graph.column.weight.data[:, :, 2] = 7.0
    assert torch.equal(net({"functional": own}), before)
    told = net.weights({"functional": own})["nodes"]
    assert told.shape == (B, R)
    assert (told[:, 2] == 0).all()


def test_gradients_reach_every_parameter():
    net = network()
    cross_entropy(net({"functional": graphs()}), CODES).backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert float(parameter.grad.abs().sum()) > 0, name


def test_at_its_published_widths_it_has_the_published_number_of_parameters():
    edges = 2 * (32 * 200 + 32) + 2 * (64 * 32 * 200 + 64)
    nodes = (64 * 200 + 1) + (256 * 200 + 256)
    dense = (256 * 128 + 128) + (128 * 30 + 30) + (30 * 2 + 2)
    net = BrainNetCNNNetwork({"functional": (200, 200)}, 2)
    assert sum(p.numel() for p in net.parameters()) == edges + nodes + dense


def test_it_learns_planted_connections(train, test):
    model = brainnetcnn({"functional": "fmri"}).set_params(epochs=30).fit(train)
    assert roc_auc_score(test.y, model.predict_proba(test)[:, 1]) > 0.8


@pytest.mark.parametrize("widths", [(4,), (2, 3, 4)])
def test_it_takes_any_number_of_edge_to_edge_layers(widths):
    assert network(widths=widths)({"functional": graphs()}).shape == (B, 2)
