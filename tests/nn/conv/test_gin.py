"""GINConv equals PyTorch Geometric's on graphs without weights, and numpy on others."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch_geometric.nn import GINConv as PyGGINConv

from graphfuse.kernels import Adjacency
from graphfuse.nn.conv.gin import GINConv, gin_mlp


def graphs():
    """Three directed graphs of six nodes, one node isolated, some self-loops, all weights 1."""
    torch.manual_seed(0)
    weight = (torch.rand(3, 6, 6) < 0.4).double()
    weight[1, 2], weight[1, :, 2] = 0.0, 0.0
    return weight


@pytest.mark.parametrize("layout", ["dense", "sparse"])
@pytest.mark.parametrize("train_eps", [True, False])
@pytest.mark.parametrize("batch_norm", [True, False])
def test_equals_pyg_with_all_gradients_and_statistics(layout, train_eps, batch_norm):
    theirs = PyGGINConv(gin_mlp(4, 5, batch_norm), eps=0.3, train_eps=train_eps).double()
    ours = GINConv(gin_mlp(4, 5, batch_norm), train_eps=train_eps).double()
    ours.load_state_dict(theirs.state_dict())  # eps too
    x, adjacency = torch.randn(3, 6, 4, dtype=torch.float64), Adjacency.from_dense(graphs(), layout)
    xs = [x.clone().requires_grad_() for _ in "ab"]
    y_theirs = theirs(xs[0].flatten(0, 1), adjacency.to_edge_index()[0]).view(3, 6, 5)
    y_ours = ours(xs[1], adjacency)
    torch.testing.assert_close(y_ours, y_theirs, atol=1e-10, rtol=1e-10)

    for y in (y_theirs, y_ours):
        (y * y.detach().cos()).sum().backward()
    torch.testing.assert_close(xs[1].grad, xs[0].grad, atol=1e-10, rtol=1e-10)
    for name, yours in theirs.named_parameters():
        torch.testing.assert_close(ours.get_parameter(name).grad, yours.grad, atol=1e-10, rtol=1e-10)
    for name, yours in theirs.named_buffers():  # running means and variances
        torch.testing.assert_close(ours.get_buffer(name), yours)


@pytest.mark.parametrize("layout", ["dense", "sparse"])
def test_stagins_form_has_an_eps_one_less_and_signed_weights_enter(layout):
    weight = graphs() * torch.randn(3, 6, 6, dtype=torch.float64)
    x, eps = torch.randn(3, 6, 4, dtype=torch.float64), 0.75
    y = GINConv(torch.nn.Identity(), eps=eps - 1).double()(x, Adjacency.from_dense(weight, layout))
    np.testing.assert_allclose(y.numpy(), weight.numpy() @ x.numpy() + eps * x.numpy(), atol=1e-12)


def test_permuted_nodes_permute_the_output():
    conv, weight, x, order = GINConv(gin_mlp(4, 3)).double(), graphs(), torch.randn(3, 6, 4).double(), torch.randperm(6)
    y = conv(x, Adjacency.from_dense(weight))
    permuted = conv(x[:, order], Adjacency.from_dense(weight[:, order][:, :, order]))
    torch.testing.assert_close(permuted, y[:, order])


def test_without_edges_it_is_the_mlp_of_the_node():
    conv, x = GINConv(gin_mlp(4, 3, batch_norm=False), eps=0.5), torch.randn(3, 6, 4)
    y = conv(x, Adjacency.from_dense(graphs().float()).without_edges())
    torch.testing.assert_close(y, conv.nn(1.5 * x))


def test_a_sum_tells_apart_what_a_mean_cannot():
    x, conv = torch.ones(1, 4, 1), GINConv(torch.nn.Identity())
    star, pair = torch.zeros(1, 4, 4), torch.zeros(1, 4, 4)
    star[0, 0, 1:], pair[0, 0, 1] = 1.0, 1.0
    assert conv(x, Adjacency.from_dense(star))[0, 0] == 4.0
    assert conv(x, Adjacency.from_dense(pair))[0, 0] == 2.0
