"""GENConv equals PyTorch Geometric's."""

from __future__ import annotations

import pytest
import torch
from torch_geometric.nn import GENConv as PyGGENConv

from graphfuse.errors import InvalidOption, NonFinite, ShapeMismatch
from graphfuse.kernels import Adjacency
from graphfuse.nn.conv.gen import GENConv


def graphs(isolated=True):
    """Three directed graphs of six nodes with weights of both signs, some self-loops."""
    torch.manual_seed(0)
    weight = torch.randn(3, 6, 6, dtype=torch.float64) * (torch.rand(3, 6, 6) < 0.4)
    weight[:, 0, 1] = 0.5
    weight[:, range(1, 6), range(5)] = 0.3
    if isolated:
        weight[1, 2], weight[1, :, 2] = 0.0, 0.0
    return weight


SOFTMAX = [
    {"learn_t": True},
    {"t": 0.4, "norm": None, "num_layers": 3, "bias": True},
    {"learn_t": True, "msg_norm": True, "learn_msg_scale": True, "norm": "layer", "edge_dim": 1, "bias": True},
]
POWER = [
    {"aggr": "powermean"},
    {"aggr": "powermean", "p": 2.0, "learn_p": True, "msg_norm": True, "edge_dim": 1},
]


@pytest.mark.parametrize("layout", ["dense", "sparse"])
@pytest.mark.parametrize(("wide", "out"), [(4, 7), (5, 5)])
@pytest.mark.parametrize("options", SOFTMAX + POWER, ids=str)
def test_equals_pyg_with_all_gradients(layout, wide, out, options):
    theirs, ours = PyGGENConv(wide, out, **options).double(), GENConv(wide, out, **options).double()
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(3, 6, wide, dtype=torch.float64)
    # PyG's power mean gives a node without neighbours a constant; ours gives it zero.
    edge_index, edge_weight = Adjacency.from_dense(graphs(isolated="aggr" not in options)).to_edge_index()
    xs, ws = [x.clone().requires_grad_() for _ in "ab"], [edge_weight.clone().requires_grad_() for _ in "ab"]
    attributes = ws[0][:, None] if "edge_dim" in options else None
    y_theirs = theirs(xs[0].flatten(0, 1), edge_index, attributes).view(3, 6, out)
    y_ours = ours(xs[1], Adjacency.from_edge_index(edge_index, ws[1], num_nodes=6, num_graphs=3, layout=layout))
    torch.testing.assert_close(y_ours, y_theirs, atol=1e-10, rtol=1e-10)

    for y in (y_theirs, y_ours):
        (y * y.detach().cos()).sum().backward()
    torch.testing.assert_close(xs[1].grad, xs[0].grad, atol=1e-10, rtol=1e-10)
    if "edge_dim" in options:
        torch.testing.assert_close(ws[1].grad, ws[0].grad, atol=1e-10, rtol=1e-10)
    for name, yours in theirs.named_parameters():
        if yours.requires_grad:
            torch.testing.assert_close(ours.get_parameter(name).grad, yours.grad, atol=1e-10, rtol=1e-10)


@pytest.mark.parametrize("aggr", ["softmax", "powermean"])
def test_a_node_without_neighbours_hears_zero(aggr):
    conv, x = GENConv(5, 5, aggr, p=2.0, norm=None), torch.randn(3, 6, 5)
    adjacency = Adjacency.from_dense(graphs().float())
    torch.testing.assert_close(conv(x, adjacency)[1, 2], conv.mlp(x[1, 2]))
    torch.testing.assert_close(conv(x, adjacency.without_edges()), conv.mlp(x))


@pytest.mark.parametrize("aggr", ["softmax", "powermean"])
def test_permuted_nodes_permute_the_output_and_dropped_edges_are_none(aggr):
    conv = GENConv(4, 3, aggr, p=2.0, edge_dim=1, msg_norm=True).double()
    weight, x, order = graphs(), torch.randn(3, 6, 4).double(), torch.randperm(6)
    y = conv(x, Adjacency.from_dense(weight))
    permuted = conv(x[:, order], Adjacency.from_dense(weight[:, order][:, :, order]))
    torch.testing.assert_close(permuted, y[:, order])

    stored = Adjacency.from_dense(weight, "sparse")
    kept = torch.rand(len(stored.weight)) < 0.5
    thinned = stored.with_weight(stored.weight * kept)  # zeros stay stored
    torch.testing.assert_close(conv(x, thinned), conv(x, Adjacency.from_dense(thinned.to_dense(), "sparse")))


def test_errors_at_the_door():
    with pytest.raises(InvalidOption, match="powermean, softmax"):
        GENConv(4, 3, "power")
    with pytest.raises(InvalidOption, match="edge_dim"):
        GENConv(4, 3, edge_dim=2)
    with pytest.raises(InvalidOption, match="norm"):
        GENConv(4, 3, norm="instance")
    conv, adjacency = GENConv(4, 3), Adjacency.from_dense(graphs().float())
    with pytest.raises(ShapeMismatch, match="x must have shape"):
        conv(torch.randn(3, 5, 4), adjacency)
    with pytest.raises(NonFinite):
        conv(torch.full((3, 6, 4), torch.inf), adjacency)
