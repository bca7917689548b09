"""GraphConv equals PyTorch Geometric's, signed weights included."""

from __future__ import annotations

import pytest
import torch
from torch_geometric.nn import GraphConv as PyGGraphConv

from graphfuse.errors import NonFinite
from graphfuse.kernels import Adjacency
from graphfuse.nn.conv.graph_conv import GraphConv


def graphs():
    """Three directed graphs of six nodes with weights of both signs, one node isolated, some self-loops."""
    torch.manual_seed(0)
    weight = torch.randn(3, 6, 6, dtype=torch.float64) * (torch.rand(3, 6, 6) < 0.4)
    weight[1, 2], weight[1, :, 2] = 0.0, 0.0
    return weight


@pytest.mark.parametrize("layout", ["dense", "sparse"])
@pytest.mark.parametrize(("wide", "out"), [(4, 7), (7, 4)])
@pytest.mark.parametrize("bias", [True, False])
def test_equals_pyg_with_all_gradients(layout, wide, out, bias):
    theirs, ours = PyGGraphConv(wide, out, bias=bias).double(), GraphConv(wide, out, bias=bias).double()
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(3, 6, wide, dtype=torch.float64)
    edge_index, edge_weight = Adjacency.from_dense(graphs()).to_edge_index()
    xs, ws = [x.clone().requires_grad_() for _ in "ab"], [edge_weight.clone().requires_grad_() for _ in "ab"]
    y_theirs = theirs(xs[0].flatten(0, 1), edge_index, ws[0]).view(3, 6, out)
    y_ours = ours(xs[1], Adjacency.from_edge_index(edge_index, ws[1], num_nodes=6, num_graphs=3, layout=layout))
    torch.testing.assert_close(y_ours, y_theirs, atol=1e-10, rtol=1e-10)

    for y in (y_theirs, y_ours):
        (y * y.detach().cos()).sum().backward()
    torch.testing.assert_close(xs[1].grad, xs[0].grad, atol=1e-10, rtol=1e-10)
    torch.testing.assert_close(ws[1].grad, ws[0].grad, atol=1e-10, rtol=1e-10)
    for name, yours in theirs.named_parameters():
        torch.testing.assert_close(ours.get_parameter(name).grad, yours.grad, atol=1e-10, rtol=1e-10)


def test_permuted_nodes_permute_the_output():
    conv, weight, x, order = GraphConv(4, 3).double(), graphs(), torch.randn(3, 6, 4).double(), torch.randperm(6)
    y = conv(x, Adjacency.from_dense(weight))
    permuted = conv(x[:, order], Adjacency.from_dense(weight[:, order][:, :, order]))
    torch.testing.assert_close(permuted, y[:, order])


def test_without_edges_it_is_a_linear_layer():
    conv, x = GraphConv(4, 3), torch.randn(3, 6, 4)
    y = conv(x, Adjacency.from_dense(graphs().float()).without_edges())
    torch.testing.assert_close(y, conv.lin_root(x) + conv.lin_rel.bias)


def test_new_nodes_leave_the_fitted_ones_alone():
    conv, weight, x = GraphConv(4, 3).double(), graphs()[:1], torch.randn(1, 6, 4).double()
    new_x, edges = torch.randn(1, 2, 4).double(), torch.rand(2, 6)
    adjacency = Adjacency.from_dense(weight)
    together = conv(torch.cat([x, new_x], 1), adjacency.attach(edges))
    torch.testing.assert_close(together[:, :6], conv(x, adjacency))


def test_a_nan_is_refused_by_name():
    with pytest.raises(NonFinite, match="x must be finite"):
        GraphConv(4, 3)(torch.full((3, 6, 4), torch.nan), Adjacency.from_dense(graphs().float()))
