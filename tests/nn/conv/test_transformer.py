"""TransformerConv equals PyTorch Geometric's."""

from __future__ import annotations

import pytest
import torch
from torch_geometric.nn import TransformerConv as PyGTransformerConv

from graphfuse.kernels import Adjacency
from graphfuse.nn.conv import TransformerConv


def graphs():
    """Three directed signed graphs of six nodes, one node isolated, some self-loops."""
    torch.manual_seed(0)
    weight = torch.randn(3, 6, 6, dtype=torch.float64) * (torch.rand(3, 6, 6) < 0.4)
    weight[1, 2], weight[1, :, 2] = 0.0, 0.0
    return weight


@pytest.mark.parametrize("layout", ["dense", "sparse"])
@pytest.mark.parametrize("concat", [True, False])
@pytest.mark.parametrize(
    ("heads", "bias", "beta", "root"),
    [(1, True, False, True), (3, True, True, True), (2, False, True, False), (2, True, False, False)],
)
def test_equals_pyg_with_all_gradients(layout, concat, heads, bias, beta, root):
    arguments = {"heads": heads, "concat": concat, "bias": bias, "beta": beta, "root_weight": root}
    theirs, ours = PyGTransformerConv(5, 4, **arguments).double(), TransformerConv(5, 4, **arguments).double()
    ours.load_state_dict(theirs.state_dict())
    xs = [torch.linspace(-2, 2, 90, dtype=torch.float64).view(3, 6, 5).sin().requires_grad_() for _ in "ab"]
    adjacency = Adjacency.from_dense(graphs(), layout)
    y_theirs = theirs(xs[0].flatten(0, 1), adjacency.to_edge_index()[0])
    y_ours = ours(xs[1], adjacency)
    torch.testing.assert_close(y_ours, y_theirs.view_as(y_ours))

    for y in (y_theirs, y_ours):
        (y * y.detach().cos()).sum().backward()
    torch.testing.assert_close(xs[1].grad, xs[0].grad)
    for name, yours in theirs.named_parameters():
        torch.testing.assert_close(ours.get_parameter(name).grad, yours.grad)


def test_float32_equals_pyg():
    theirs, ours = PyGTransformerConv(20, 16, heads=4, beta=True), TransformerConv(20, 16, heads=4, beta=True)
    ours.load_state_dict(theirs.state_dict())
    adjacency, x = Adjacency.from_dense(graphs().float(), "sparse"), torch.randn(3, 6, 20)
    y = ours(x, adjacency)
    torch.testing.assert_close(
        y, theirs(x.flatten(0, 1), adjacency.to_edge_index()[0]).view_as(y), rtol=1e-5, atol=1e-5
    )


def test_permuted_nodes_permute_the_output():
    conv, weight, order = TransformerConv(4, 3, 2).double(), graphs(), torch.randperm(6)
    x = torch.randn(3, 6, 4).double()
    y = conv(x, Adjacency.from_dense(weight))
    permuted = conv(x[:, order], Adjacency.from_dense(weight[:, order][:, :, order]))
    torch.testing.assert_close(permuted, y[:, order])


def test_dropout_acts_in_training_alone():
    torch.manual_seed(0)
    conv, x = TransformerConv(4, 3, dropout=0.5), torch.randn(3, 6, 4)
    adjacency = Adjacency.from_dense(graphs().float())
    assert not torch.equal(conv(x, adjacency), conv(x, adjacency))
    conv.eval()
    assert torch.equal(conv(x, adjacency), conv(x, adjacency))
