"""GATv2Conv equals PyTorch Geometric's."""

from __future__ import annotations

import pytest
import torch
from torch_geometric.nn import GATv2Conv as PyGGATv2Conv

from graphfuse.kernels import Adjacency
from graphfuse.nn.conv import GATv2Conv


def graphs():
    """Three directed signed graphs of six nodes, one node isolated, some self-loops."""
    torch.manual_seed(0)
    weight = torch.randn(3, 6, 6, dtype=torch.float64) * (torch.rand(3, 6, 6) < 0.4)
    weight[1, 2], weight[1, :, 2] = 0.0, 0.0
    return weight


@pytest.mark.parametrize("layout", ["dense", "sparse"])
@pytest.mark.parametrize("concat", [True, False])
@pytest.mark.parametrize(
    ("heads", "slope", "bias", "share"), [(1, 0.2, True, False), (3, 0.05, True, True), (2, 0.2, False, False)]
)
def test_equals_pyg_with_all_gradients(layout, concat, heads, slope, bias, share):
    arguments = {"heads": heads, "concat": concat, "negative_slope": slope, "bias": bias, "share_weights": share}
    theirs, ours = PyGGATv2Conv(5, 4, **arguments).double(), GATv2Conv(5, 4, **arguments).double()
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
    theirs, ours = PyGGATv2Conv(20, 16, heads=4), GATv2Conv(20, 16, heads=4)
    ours.load_state_dict(theirs.state_dict())
    adjacency, x = Adjacency.from_dense(graphs().float(), "sparse"), torch.randn(3, 6, 20)
    y = ours(x, adjacency)
    torch.testing.assert_close(
        y, theirs(x.flatten(0, 1), adjacency.to_edge_index()[0]).view_as(y), rtol=1e-5, atol=1e-5
    )


def test_permuted_nodes_permute_the_output():
    conv, weight, x, order = GATv2Conv(4, 3, 2).double(), graphs(), torch.randn(3, 6, 4).double(), torch.randperm(6)
    y = conv(x, Adjacency.from_dense(weight))
    permuted = conv(x[:, order], Adjacency.from_dense(weight[:, order][:, :, order]))
    torch.testing.assert_close(permuted, y[:, order])


def test_dropout_acts_in_training_alone():
    torch.manual_seed(0)
    conv, x, adjacency = GATv2Conv(4, 3, dropout=0.5), torch.randn(3, 6, 4), Adjacency.from_dense(graphs().float())
    assert not torch.equal(conv(x, adjacency), conv(x, adjacency))
    conv.eval()
    assert torch.equal(conv(x, adjacency), conv(x, adjacency))
