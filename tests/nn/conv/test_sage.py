"""SAGEConv equals PyTorch Geometric's on graphs without weights, and a weighted mean on others."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch_geometric.nn import SAGEConv as PyGSAGEConv

from graphfuse.errors import NegativeWeights
from graphfuse.kernels import Adjacency
from graphfuse.nn.conv.sage import SAGEConv


def graphs(weighted=False):
    """Three directed graphs of six nodes, one node isolated, some self-loops."""
    torch.manual_seed(0)
    weight = (torch.rand(3, 6, 6) < 0.4).double()
    weight[1, 2], weight[1, :, 2] = 0.0, 0.0
    return weight * torch.rand(3, 6, 6).double() if weighted else weight


@pytest.mark.parametrize("layout", ["dense", "sparse"])
@pytest.mark.parametrize(("wide", "out"), [(4, 7), (7, 4)])
@pytest.mark.parametrize(
    "options", [{}, {"bias": False}, {"root_weight": False}, {"normalize": True}], ids=lambda o: "".join(o)
)
def test_equals_pyg_with_all_gradients(layout, wide, out, options):
    theirs, ours = PyGSAGEConv(wide, out, **options).double(), SAGEConv(wide, out, **options).double()
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(3, 6, wide, dtype=torch.float64)
    adjacency = Adjacency.from_dense(graphs(), layout)
    xs = [x.clone().requires_grad_() for _ in "ab"]
    y_theirs = theirs(xs[0].flatten(0, 1), adjacency.to_edge_index()[0]).view(3, 6, out)
    y_ours = ours(xs[1], adjacency)
    torch.testing.assert_close(y_ours, y_theirs, atol=1e-10, rtol=1e-10)

    for y in (y_theirs, y_ours):
        (y * y.detach().cos()).sum().backward()
    torch.testing.assert_close(xs[1].grad, xs[0].grad, atol=1e-10, rtol=1e-10)
    for name, yours in theirs.named_parameters():
        torch.testing.assert_close(ours.get_parameter(name).grad, yours.grad, atol=1e-10, rtol=1e-10)


@pytest.mark.parametrize("layout", ["dense", "sparse"])
def test_weights_make_a_weighted_mean_and_get_gradients(layout):
    conv, weight = SAGEConv(3, 2).double(), graphs(weighted=True)
    x = torch.randn(3, 6, 3, dtype=torch.float64)
    y = conv(x, Adjacency.from_dense(weight, layout)).detach().numpy()
    w_l, w_r, b = (p.detach().numpy() for p in (conv.lin_l.weight, conv.lin_r.weight, conv.lin_l.bias))
    for g in range(3):
        for i in range(6):
            row, total = weight[g, i].numpy(), float(weight[g, i].sum())
            mean = row @ x[g].numpy() / total if total else np.zeros(3)
            np.testing.assert_allclose(y[g, i], w_l @ mean + b + w_r @ x[g, i].numpy(), atol=1e-12)

    def of_weight(values):
        adjacency = Adjacency.from_dense(graphs(weighted=True), layout)
        return conv(x, adjacency.with_weight(values))

    start = Adjacency.from_dense(weight, layout).weight.clone() + 0.1
    assert torch.autograd.gradcheck(of_weight, start.requires_grad_())


def test_permuted_nodes_permute_the_output():
    conv, weight, x, order = SAGEConv(4, 3).double(), graphs(True), torch.randn(3, 6, 4).double(), torch.randperm(6)
    y = conv(x, Adjacency.from_dense(weight))
    permuted = conv(x[:, order], Adjacency.from_dense(weight[:, order][:, :, order]))
    torch.testing.assert_close(permuted, y[:, order])


def test_without_edges_it_is_a_linear_layer():
    conv, x = SAGEConv(4, 3), torch.randn(3, 6, 4)
    y = conv(x, Adjacency.from_dense(graphs().float()).without_edges())
    torch.testing.assert_close(y, conv.lin_r(x) + conv.lin_l.bias)


def test_new_nodes_leave_the_fitted_ones_alone():
    conv, weight, x = SAGEConv(4, 3).double(), graphs(True)[:1], torch.randn(1, 6, 4).double()
    new_x, edges = torch.randn(1, 2, 4).double(), torch.rand(2, 6)
    adjacency = Adjacency.from_dense(weight)
    together = conv(torch.cat([x, new_x], 1), adjacency.attach(edges))
    alone = conv(torch.cat([x, new_x[:, 1:]], 1), adjacency.attach(edges[1:]))
    torch.testing.assert_close(together[:, :6], conv(x, adjacency))
    torch.testing.assert_close(together[:, 7], alone[:, 6])


def test_negative_weights_are_refused():
    with pytest.raises(NegativeWeights):
        SAGEConv(4, 3)(torch.randn(3, 6, 4), Adjacency.from_dense(-graphs().float()))
