"""ConnectivityConv equals GCNConv on the graph that was written out."""

from __future__ import annotations

import pytest
import torch

from graphfuse.errors import NonFinite
from graphfuse.kernels import Adjacency
from graphfuse.kernels.connectivity import connectivity_degree
from graphfuse.nn.conv import GCNConv
from graphfuse.nn.conv.connectivity import ConnectivityConv


def problem(wide: int):
    torch.manual_seed(0)
    return torch.randn(2, 15, 9).double(), torch.randn(2, 9, wide).double()


def explicit(series, tau=0.3):
    """The graph of absolute correlations of at least tau, through torch.corrcoef."""
    weight = torch.stack([torch.corrcoef(one.T) for one in series]).abs()
    weight = torch.where(weight >= tau, weight, 0)
    weight.diagonal(dim1=1, dim2=2).zero_()
    return Adjacency.from_dense(weight)


@pytest.mark.parametrize(("wide", "out"), [(3, 5), (5, 3)])
@pytest.mark.parametrize("bias", [True, False])
def test_equals_gcn_on_the_explicit_graph_with_all_gradients(wide, out, bias):
    (series, x), theirs, ours = problem(wide), GCNConv(wide, out, bias).double(), ConnectivityConv(wide, out, bias=bias)
    ours.double().load_state_dict(theirs.state_dict())
    results = []
    for conv, graph in ((theirs, lambda s: (explicit(s),)), (ours, lambda s: (s,))):
        leaves = [series.clone().requires_grad_(), x.clone().requires_grad_()]
        inputs = (leaves[1], *graph(leaves[0])) if conv is theirs else (*graph(leaves[0]), leaves[1])
        y = conv(*inputs)
        results.append((y, *torch.autograd.grad((y * y.detach().cos()).sum(), [*leaves, *conv.parameters()])))
    for mine, yours in zip(*results, strict=True):
        torch.testing.assert_close(mine, yours)


def test_given_degrees_change_nothing():
    series, x = problem(4)
    conv = ConnectivityConv(4, 2, threshold=0.2, signed="positive").double()
    degree = connectivity_degree(series, 0.2, signed="positive")
    torch.testing.assert_close(conv(series, x, degree=degree), conv(series, x))


def test_options_reach_the_graph():
    series, x = problem(4)
    lone = ConnectivityConv(4, 2, threshold=1.0, self_loops=False).double()
    assert not lone(series, x).any()


def test_a_nan_is_refused():
    series, x = problem(4)
    series[0, 3, 2] = torch.nan
    with pytest.raises(NonFinite, match="series"):
        ConnectivityConv(4, 2).double()(series, x)
