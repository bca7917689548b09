"""BrainNetCNN's filters equal torch's own Conv2d, and numpy's sums."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from graphfuse.errors import NonFinite, ShapeMismatch
from graphfuse.nn.conv.edge_to_edge import EdgeToEdge, EdgeToNode, NodeToGraph


def matrices(channels=3):
    torch.manual_seed(0)
    return torch.randn(4, channels, 7, 7, dtype=torch.float64)


def test_edge_to_edge_is_two_crossed_convolutions_with_all_gradients():
    ours = EdgeToEdge(3, 5, 7).double()
    row, column = nn.Conv2d(3, 5, (1, 7)).double(), nn.Conv2d(3, 5, (7, 1)).double()
    row.load_state_dict(ours.row.state_dict())
    column.load_state_dict({"weight": ours.column.weight.detach().mT, "bias": ours.column.bias})
    xs = [matrices().requires_grad_() for _ in "ab"]
    y_theirs = row(xs[0]).expand(-1, -1, -1, 7) + column(xs[0]).expand(-1, -1, 7, -1)
    y_ours = ours(xs[1])
    torch.testing.assert_close(y_ours, y_theirs, atol=1e-10, rtol=1e-10)

    for y in (y_theirs, y_ours):
        (y * y.detach().cos()).sum().backward()
    torch.testing.assert_close(xs[1].grad, xs[0].grad, atol=1e-10, rtol=1e-10)
    torch.testing.assert_close(ours.row.weight.grad, row.weight.grad, atol=1e-10, rtol=1e-10)
    torch.testing.assert_close(ours.column.weight.grad, column.weight.grad.mT, atol=1e-10, rtol=1e-10)
    torch.testing.assert_close(ours.column.bias.grad, column.bias.grad, atol=1e-10, rtol=1e-10)


def test_tied_filters_keep_symmetric_matrices_symmetric_in_half_the_parameters():
    tied, free, x = EdgeToEdge(3, 5, 7, tied=True).double(), EdgeToEdge(3, 5, 7).double(), matrices()
    x = x + x.mT
    torch.testing.assert_close(tied(x), tied(x).mT)
    assert float((free(x) - free(x).mT).detach().abs().max()) > 0.1
    assert 2 * sum(p.numel() for p in tied.parameters()) == sum(p.numel() for p in free.parameters())
    free.row.load_state_dict(tied.row.state_dict())
    free.column.load_state_dict(tied.row.state_dict())
    torch.testing.assert_close(tied(x), free(x))


def test_edge_to_node_and_node_to_graph_are_one_convolution_each():
    e2n, n2g, x = EdgeToNode(3, 5, 7).double(), NodeToGraph(5, 2, 7).double(), matrices()
    nodes = e2n(x)
    assert nodes.shape == (4, 7, 5)
    sums = np.einsum("bcij,ocj->bio", x.numpy(), e2n.row.weight.detach().numpy()[:, :, 0])
    np.testing.assert_allclose(nodes.detach().numpy(), sums + e2n.row.bias.detach().numpy(), atol=1e-12)
    whole = n2g.column(e2n.row(x)).flatten(1)  # as BrainNetCNN chains them
    torch.testing.assert_close(n2g(nodes), whole)
    n2g(nodes).square().sum().backward()
    assert all(p.grad.abs().sum() > 0 for p in (*e2n.parameters(), *n2g.parameters()))


def test_an_edge_hears_those_that_share_a_node_and_no_other():
    x = matrices().requires_grad_()
    (gradient,) = torch.autograd.grad(EdgeToEdge(3, 1, 7).double()(x)[0, 0, 2, 5], x)
    heard = (gradient[0].abs().sum(0) > 0).numpy()
    expected = np.zeros((7, 7), dtype=bool)
    expected[2], expected[:, 5] = True, True
    np.testing.assert_array_equal(heard, expected)
    assert not gradient[1:].any()


def test_features_of_unusable_nodes_change_no_bit():
    readout, x, nodes = NodeToGraph(5, 2, 7), torch.randn(4, 7, 5), torch.rand(4, 7) < 0.7
    clean = readout(torch.where(nodes[..., None], x, 0.0))
    assert torch.equal(readout(torch.where(nodes[..., None], x, torch.nan), nodes), clean)


def test_errors_at_the_door():
    x = matrices().float()
    with pytest.raises(ShapeMismatch, match=r"\(any, 3, 6, 6\)"):
        EdgeToEdge(3, 5, 6)(x)
    with pytest.raises(ShapeMismatch):
        EdgeToNode(3, 5, 7)(x[:, :, :6])
    with pytest.raises(ShapeMismatch):
        NodeToGraph(3, 5, 7)(torch.randn(4, 6, 3))
    with pytest.raises(NonFinite):
        EdgeToNode(3, 5, 7)(x * torch.inf)
