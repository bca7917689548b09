"""GCNIIConv equals PyTorch Geometric's GCN2Conv, and its closed forms."""

from __future__ import annotations

from math import log

import pytest
import torch
from torch_geometric.nn import GCN2Conv

from graphfuse.errors import InvalidOption, NegativeWeights, ShapeMismatch
from graphfuse.kernels import Adjacency
from graphfuse.nn.conv.gcnii import GCNIIConv


def graphs():
    """Three weighted directed graphs of six nodes, one node isolated, some self-loops."""
    torch.manual_seed(0)
    weight = torch.rand(3, 6, 6, dtype=torch.float64) * (torch.rand(3, 6, 6) < 0.4)
    weight[1, 2], weight[1, :, 2] = 0.0, 0.0
    return weight


@pytest.mark.parametrize("layout", ["dense", "sparse"])
@pytest.mark.parametrize("shared_weights", [True, False])
@pytest.mark.parametrize("layer", [1, 7])
def test_equals_pyg_with_all_gradients(layout, shared_weights, layer):
    options = {"alpha": 0.2, "theta": 0.6, "layer": layer, "shared_weights": shared_weights}
    theirs, ours = GCN2Conv(5, **options).double(), GCNIIConv(5, **options).double()
    ours.load_state_dict(theirs.state_dict())
    x, x_0 = torch.randn(2, 3, 6, 5, dtype=torch.float64)
    edge_index, edge_weight = Adjacency.from_dense(graphs()).to_edge_index()
    inputs = [[v.clone().requires_grad_() for v in (x, x_0, edge_weight)] for _ in "ab"]
    (a, a_0, w), (b, b_0, v) = inputs
    y_theirs = theirs(a.flatten(0, 1), a_0.flatten(0, 1), edge_index, w).view(3, 6, 5)
    y_ours = ours(b, b_0, Adjacency.from_edge_index(edge_index, v, num_nodes=6, num_graphs=3, layout=layout))
    torch.testing.assert_close(y_ours, y_theirs, atol=1e-10, rtol=1e-10)

    for y in (y_theirs, y_ours):
        (y * y.detach().cos()).sum().backward()
    for yours, mine in zip(*inputs, strict=True):
        torch.testing.assert_close(mine.grad, yours.grad, atol=1e-10, rtol=1e-10)
    for name, yours in theirs.named_parameters():
        torch.testing.assert_close(ours.get_parameter(name).grad, yours.grad, atol=1e-10, rtol=1e-10)


def test_with_all_of_the_input_and_no_edges_only_the_matrix_acts():
    x, x_0 = torch.randn(2, 3, 6, 5, dtype=torch.float64)
    adjacency = Adjacency.from_dense(graphs())
    conv = GCNIIConv(5, alpha=1.0, theta=0.5, layer=2).double()
    beta = log(0.5 / 2 + 1)
    torch.testing.assert_close(conv(x, x_0, adjacency), (1 - beta) * x_0 + beta * x_0 @ conv.weight1)
    conv = GCNIIConv(5, alpha=0.0, theta=1e-9).double()  # beta near 0: the identity
    torch.testing.assert_close(conv(x, x_0, adjacency.without_edges()), x)


def test_permuted_nodes_permute_the_output():
    conv, weight, order = GCNIIConv(4).double(), graphs(), torch.randperm(6)
    x, x_0 = torch.randn(2, 3, 6, 4, dtype=torch.float64)
    y = conv(x, x_0, Adjacency.from_dense(weight))
    permuted = conv(x[:, order], x_0[:, order], Adjacency.from_dense(weight[:, order][:, :, order]))
    torch.testing.assert_close(permuted, y[:, order])


def test_errors_at_the_door():
    x, adjacency = torch.randn(3, 6, 4), Adjacency.from_dense(graphs().float())
    with pytest.raises(NegativeWeights):
        GCNIIConv(4)(x, x, Adjacency.from_dense(-graphs().float()))
    with pytest.raises(ShapeMismatch, match="x_0"):
        GCNIIConv(4)(x, x[:, :5], adjacency)
    for wrong in ({"alpha": 1.5}, {"theta": 0.0}, {"layer": 0}):
        with pytest.raises(InvalidOption, match=next(iter(wrong))):
            GCNIIConv(4, **wrong)
