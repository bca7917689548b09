"""Encoders: shapes, masks, invariance, and PyTorch Geometric's models inside."""

from __future__ import annotations

import pytest
import torch
from torch_geometric.nn import GAT, GCN, GIN, GraphSAGE, global_add_pool

from graphfuse.errors import InvalidOption, ShapeMismatch
from graphfuse.kernels import Adjacency
from graphfuse.nn.conv import GCNConv
from graphfuse.nn.encoder import CONVS, GraphEncoder, PyGEncoder
from graphfuse.nn.readout import READOUTS


def batch(graphs=4, nodes=6, width=5):
    torch.manual_seed(0)
    weight = torch.rand(graphs, nodes, nodes) * (torch.rand(graphs, nodes, nodes) < 0.5)
    return torch.randn(graphs, nodes, width), weight + weight.mT


@pytest.mark.parametrize("conv", sorted(CONVS))
@pytest.mark.parametrize("readout", sorted(READOUTS))
@pytest.mark.parametrize("layout", ["dense", "sparse"])
def test_every_pair_gives_the_promised_width_and_trains(conv, readout, layout):
    x, weight = batch()
    encoder = GraphEncoder(5, (8, 4), conv, readout, dropout=0.2, num_nodes=6, heads=2)
    z = encoder(x, Adjacency.from_dense(weight, layout))
    assert z.shape == (4, encoder.out_channels)
    (z * torch.linspace(-1, 2, z.numel()).view_as(z)).sum().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in encoder.parameters())


@pytest.mark.parametrize("conv", sorted(CONVS))
def test_layouts_and_orders_of_nodes_agree(conv):
    x, weight = batch()
    encoder, order = GraphEncoder(5, (8, 4), conv).eval(), torch.randperm(6)
    z = encoder(x, Adjacency.from_dense(weight, "dense"))
    torch.testing.assert_close(encoder(x, Adjacency.from_dense(weight, "sparse")), z, atol=1e-5, rtol=1e-4)
    permuted = Adjacency.from_dense(weight[:, order][:, :, order])
    torch.testing.assert_close(encoder(x[:, order], permuted), z, atol=1e-5, rtol=1e-4)


def test_a_layer_is_norm_of_conv_then_relu():
    x, weight = batch()
    encoder = GraphEncoder(5, (4,), norm=None)
    assert isinstance(encoder.convs[0], GCNConv)
    adjacency = Adjacency.from_dense(weight)
    torch.testing.assert_close(encoder(x, adjacency), encoder.convs[0](x, adjacency).relu().mean(1))


@pytest.mark.parametrize("conv", sorted(CONVS))
def test_features_of_unusable_nodes_change_no_bit(conv):
    x, weight = batch()
    nodes = torch.ones(4, 6, dtype=torch.bool)
    nodes[1, 3], nodes[2] = False, False
    encoder = GraphEncoder(5, (8,), conv)
    clean = encoder(x, Adjacency.from_dense(weight), nodes)
    poisoned = encoder(torch.where(nodes[..., None], x, torch.nan), Adjacency.from_dense(weight), nodes)
    assert torch.equal(clean, poisoned)
    assert torch.isfinite(clean).all()


def test_errors_at_the_door():
    with pytest.raises(InvalidOption, match="gat, gatv2, gcn"):
        GraphEncoder(5, conv="gnc")
    with pytest.raises(InvalidOption, match="heads=3"):
        GraphEncoder(5, (8,), conv="gat", heads=3)
    with pytest.raises(InvalidOption, match="norm"):
        GraphEncoder(5, norm="batch")


@pytest.mark.parametrize("model", [GCN, GraphSAGE, GIN, GAT])
@pytest.mark.parametrize("layout", ["dense", "sparse"])
def test_pyg_models_encode_as_they_do_alone(model, layout):
    x, weight = batch()
    adjacency = Adjacency.from_dense(weight, layout)
    encoder = PyGEncoder(model(5, 8, num_layers=2), 8, readout="mean-max")
    z = encoder(x, adjacency)
    edge_index, edge_weight = adjacency.to_edge_index()
    weighted = {"edge_weight": edge_weight} if model is GCN else {}
    y = encoder.module(x.flatten(0, 1), edge_index, **weighted).view(4, 6, 8)
    torch.testing.assert_close(z, torch.cat([y.amax(1), y.mean(1)], 1))
    assert z.shape == (4, encoder.out_channels)


class _Pooling(torch.nn.Module):
    def forward(self, x, edge_index, batch):
        return global_add_pool(x, batch)


def test_a_model_that_pools_by_itself():
    x, weight = batch()
    adjacency = Adjacency.from_dense(weight)
    torch.testing.assert_close(PyGEncoder(_Pooling(), 5, readout=None)(x, adjacency), x.sum(1))
    with pytest.raises(ShapeMismatch, match="what the module returns"):
        PyGEncoder(_Pooling(), 5)(x, adjacency)
