"""ChebConv equals PyTorch Geometric's, and its closed forms."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch_geometric.nn import ChebConv as PyGChebConv

from graphfuse.errors import InvalidOption
from graphfuse.kernels import Adjacency
from graphfuse.nn.conv import ChebConv


def graphs():
    """Three undirected weighted graphs of six nodes, one node isolated, some self-loops."""
    torch.manual_seed(0)
    weight = torch.rand(3, 6, 6, dtype=torch.float64) * (torch.rand(3, 6, 6) < 0.3)
    weight = weight + weight.mT
    weight[1, 2], weight[1, :, 2] = 0.0, 0.0
    return weight


@pytest.mark.parametrize("layout", ["dense", "sparse"])
@pytest.mark.parametrize(("wide", "out"), [(4, 7), (7, 4)])  # both ways of summing
@pytest.mark.parametrize("order", [0, 1, 2, 4])
@pytest.mark.parametrize("lambda_max", [2.0, 1.5])
def test_equals_pyg_with_all_gradients(layout, wide, out, order, lambda_max):
    theirs = PyGChebConv(wide, out, K=order + 1).double()
    ours = ChebConv(wide, out, order, lambda_max=lambda_max).double()
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(3, 6, wide, dtype=torch.float64)
    edge_index, edge_weight = Adjacency.from_dense(graphs()).to_edge_index()

    xs = [x.clone().requires_grad_() for _ in "ab"]
    bound = torch.tensor(lambda_max, dtype=torch.float64)
    y_theirs = theirs(xs[0].flatten(0, 1), edge_index, edge_weight, lambda_max=bound).view(3, 6, out)
    y_ours = ours(xs[1], Adjacency.from_dense(graphs(), layout))
    torch.testing.assert_close(y_ours, y_theirs)

    for y in (y_theirs, y_ours):
        (y * y.detach().cos()).sum().backward()
    torch.testing.assert_close(xs[1].grad, xs[0].grad)
    for name, yours in theirs.named_parameters():
        torch.testing.assert_close(ours.get_parameter(name).grad, yours.grad)


@pytest.mark.parametrize("layout", ["dense", "sparse"])
def test_order_one_with_tied_weights_is_kipfs_derivation(layout):
    conv = ChebConv(5, 5, order=1, bias=False).double()
    with torch.no_grad():
        conv.lins[1].weight.copy_(-conv.lins[0].weight)
    x, weight = torch.randn(3, 6, 5, dtype=torch.float64), graphs()
    y = conv(x, Adjacency.from_dense(weight, layout)).detach().numpy()
    a = weight.numpy() * (1 - np.eye(6))
    root = np.sqrt(np.maximum(a.sum(2), 1e-300))
    xw = x.numpy() @ conv.lins[0].weight.detach().numpy().T
    np.testing.assert_allclose(y, xw + (a / root[:, :, None] / root[:, None]) @ xw, atol=1e-12)


def test_order_zero_is_a_linear_layer_and_order_counts_degrees():
    conv, x = ChebConv(4, 3, order=0), torch.randn(3, 6, 4)
    torch.testing.assert_close(conv(x, Adjacency.from_dense(graphs().float())), conv.lins[0](x) + conv.bias)
    assert len(ChebConv(4, 3, order=3).lins) == 4  # max_degree=3 has four terms
    with pytest.raises(InvalidOption):
        ChebConv(4, 3, order=-1)


def test_permuted_nodes_permute_the_output():
    conv, weight, x, order = ChebConv(4, 3, 3).double(), graphs(), torch.randn(3, 6, 4).double(), torch.randperm(6)
    y = conv(x, Adjacency.from_dense(weight))
    permuted = conv(x[:, order], Adjacency.from_dense(weight[:, order][:, :, order]))
    torch.testing.assert_close(permuted, y[:, order])


def test_new_nodes_leave_the_fitted_ones_alone():
    conv, x, new_x = ChebConv(4, 3, 3).double(), torch.randn(1, 6, 4).double(), torch.randn(1, 2, 4).double()
    adjacency, edges = Adjacency.from_dense(graphs()[:1]), torch.rand(2, 6)
    together = conv(torch.cat([x, new_x], 1), adjacency.attach(edges))
    alone = conv(torch.cat([x, new_x[:, 1:]], 1), adjacency.attach(edges[1:]))
    torch.testing.assert_close(together[:, :6], conv(x, adjacency))
    torch.testing.assert_close(together[:, 7], alone[:, 6])
