"""ROIAwareConv equals a numpy loop over regions; pooled nodes keep the matrices of their regions."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from graphfuse.errors import InvalidOption, ShapeMismatch
from graphfuse.kernels import Adjacency
from graphfuse.nn.conv.roi_aware import ROIAwareConv


def graphs(nodes=6):
    """Three directed graphs with weights of both signs, one node isolated, some self-loops."""
    torch.manual_seed(0)
    weight = torch.randn(3, nodes, nodes, dtype=torch.float64) * (torch.rand(3, nodes, nodes) < 0.5)
    weight[1, 2], weight[1, :, 2] = 0.0, 0.0
    return weight


def by_loop(conv, x, weight, roi):
    """The equation, node by node, with W_i = Theta_2 relu(Theta_1 r_i) + W as one written matrix."""
    communities, bases, shared, bias = (
        p.detach().numpy() for p in (conv.communities, conv.bases, conv.shared, conv.bias)
    )
    matrix = np.einsum("rk,kio->rio", np.maximum(communities, 0), bases) + shared
    y = np.zeros((*x.shape[:2], conv.out_channels))
    for g, i in np.ndindex(*x.shape[:2]):
        row = weight[g, i].numpy() * (np.arange(x.shape[1]) != i)
        power = np.where(row != 0, np.exp(row), 0.0)
        share = power / max(power.sum(), 1e-300)
        sent = [x[g, j].numpy() @ matrix[roi[g, j]] for j in range(x.shape[1])]
        y[g, i] = sent[i] + share @ np.stack(sent) + bias
    return y


@pytest.mark.parametrize("layout", ["dense", "sparse"])
def test_is_the_equation_node_by_node(layout):
    conv, x = ROIAwareConv(4, 3, num_rois=6).double(), torch.randn(3, 6, 4, dtype=torch.float64)
    torch.nn.init.normal_(conv.bias)
    y = conv(x, Adjacency.from_dense(graphs(), layout))
    expected = by_loop(conv, x, graphs(), np.tile(np.arange(6), (3, 1)))
    np.testing.assert_allclose(y.detach().numpy(), expected, atol=1e-12)


def test_after_pooling_nodes_are_known_by_their_regions():
    conv, x = ROIAwareConv(4, 3, num_rois=9, num_communities=2).double(), torch.randn(3, 6, 4, dtype=torch.float64)
    roi = torch.stack([torch.randperm(9)[:6] for _ in range(3)])
    y = conv(x, Adjacency.from_dense(graphs()), roi)
    np.testing.assert_allclose(y.detach().numpy(), by_loop(conv, x, graphs(), roi.numpy()), atol=1e-12)


def test_regions_permuted_with_their_numbers_permute_the_output_and_without_them_do_not():
    conv, weight, x = ROIAwareConv(4, 3, 6).double(), graphs(), torch.randn(3, 6, 4).double()
    order = torch.tensor([2, 0, 5, 1, 4, 3])
    y = conv(x, Adjacency.from_dense(weight))
    moved = Adjacency.from_dense(weight[:, order][:, :, order])
    torch.testing.assert_close(conv(x[:, order], moved, order.expand(3, 6)), y[:, order])
    assert float((conv(x[:, order], moved) - y[:, order]).detach().abs().max()) > 0.1


def test_all_parameters_and_weights_of_edges_get_gradients():
    conv, x = ROIAwareConv(3, 2, 6, 3).double(), torch.randn(3, 6, 3, dtype=torch.float64)
    adjacency = Adjacency.from_dense(graphs(), "sparse")
    names = [name for name, _ in conv.named_parameters()]
    assert names == ["communities", "bases", "shared", "bias"]

    def of(x, weight, *parameters):
        given = (x, adjacency.with_weight(weight))
        return torch.func.functional_call(conv, dict(zip(names, parameters, strict=True)), given)

    leaves = [t.detach().clone().requires_grad_() for t in (x, adjacency.weight, *conv.parameters())]
    assert torch.autograd.gradcheck(of, leaves)


def test_without_edges_each_region_has_its_own_matrix():
    conv, x = ROIAwareConv(4, 3, 6), torch.randn(1, 1, 4).expand(1, 6, 4)
    y = conv(x, Adjacency.from_dense(torch.zeros(1, 6, 6)))[0]
    assert torch.linalg.matrix_rank(y - conv.bias) > 1  # the same x in all regions, yet they differ
    assert conv.membership().min() >= 0
    assert conv.membership().shape == (6, 8)


def test_errors_at_the_door():
    conv, adjacency = ROIAwareConv(4, 3, num_rois=9), Adjacency.from_dense(graphs().float())
    x = torch.randn(3, 6, 4)
    with pytest.raises(ShapeMismatch, match="without roi"):
        conv(x, adjacency)
    with pytest.raises(InvalidOption, match=r"0 \.\. 8; 18 of 18"):
        conv(x, adjacency, torch.full((3, 6), 9))
    with pytest.raises(ShapeMismatch, match="roi"):
        conv(x, adjacency, torch.zeros(3, 5, dtype=torch.int64))
