"""RGCNConv equals PyTorch Geometric's on unweighted edges, and its formula on weighted ones."""

from __future__ import annotations

import pytest
import torch
from torch_geometric.nn import RGCNConv as PyGRGCNConv

from graphfuse.errors import InvalidOption, NegativeWeights, ShapeMismatch
from graphfuse.kernels import Adjacency
from graphfuse.nn.conv.relational import RGCNConv


def relations(binary=True, count=3, seed=0):
    """Directed graphs of six nodes, three a relation; relation 1 has no edge in graph 2."""
    torch.manual_seed(seed)
    weight = (torch.rand(count, 3, 6, 6) < 0.4).double()
    weight[1, 2] = 0.0
    return weight if binary else weight * torch.rand(count, 3, 6, 6, dtype=torch.float64)


@pytest.mark.parametrize("options", [{}, {"num_bases": 2}, {"aggr": "add"}, {"root_weight": False}, {"bias": False}])
@pytest.mark.parametrize("layout", ["dense", "sparse"])
def test_equals_pyg_with_copied_weights_and_all_gradients(options, layout):
    torch.manual_seed(2)
    # PyG's output is float32 from its first sum on, so both run in it.
    theirs, ours = PyGRGCNConv(4, 5, 3, **options), RGCNConv(4, 5, 3, **options)
    ours.load_state_dict(theirs.state_dict())
    adjacencies = [Adjacency.from_dense(weight.float(), layout) for weight in relations()]
    index = [adjacency.to_edge_index()[0] for adjacency in adjacencies]
    kind = torch.cat([torch.full((edges.shape[1],), m) for m, edges in enumerate(index)])
    xs = [torch.randn(3, 6, 4, generator=torch.Generator().manual_seed(3)).requires_grad_() for _ in "ab"]
    y_theirs = theirs(xs[0].flatten(0, 1), torch.cat(index, 1), kind).view(3, 6, 5)
    y_ours = ours(xs[1], adjacencies)
    torch.testing.assert_close(y_ours, y_theirs)
    for y in (y_theirs, y_ours):
        (y * y.detach().cos()).sum().backward()
    torch.testing.assert_close(xs[1].grad, xs[0].grad)
    for name, parameter in theirs.named_parameters():
        torch.testing.assert_close(ours.get_parameter(name).grad, parameter.grad)


def test_weighted_edges_make_a_weighted_mean_of_the_neighbours():
    weight, x = relations(binary=False), torch.randn(3, 6, 4, dtype=torch.float64)
    conv = RGCNConv(4, 5, 3).double()
    torch.nn.init.normal_(conv.bias)
    wanted = torch.zeros(3, 6, 5, dtype=torch.float64)
    for g in range(3):
        for r in range(6):
            wanted[g, r] = x[g, r] @ conv.root + conv.bias
            for m in range(3):
                total = weight[m, g, r].sum()
                if total > 0:
                    wanted[g, r] += (weight[m, g, r] / total) @ x[g] @ conv.weight[m]
    torch.testing.assert_close(conv(x, [Adjacency.from_dense(w) for w in weight]), wanted)


def test_a_missing_relation_adds_nothing():
    conv, weight, x = RGCNConv(4, 5, 3).double(), relations(), torch.randn(3, 6, 4, dtype=torch.float64)
    before = conv(x, [Adjacency.from_dense(w) for w in weight])
    with torch.no_grad():
        conv.weight[1] = 7.0
    after = conv(x, [Adjacency.from_dense(w) for w in weight])
    assert torch.equal(after[2], before[2])
    assert not torch.equal(after[0], before[0])


def test_permuted_nodes_permute_the_output():
    conv, weight, x = RGCNConv(4, 5, 3).double(), relations(), torch.randn(3, 6, 4, dtype=torch.float64)
    order = torch.randperm(6)
    y = conv(x, [Adjacency.from_dense(w) for w in weight])
    permuted = conv(x[:, order], [Adjacency.from_dense(w[:, order][:, :, order]) for w in weight])
    torch.testing.assert_close(permuted, y[:, order])


def test_new_nodes_leave_the_fitted_ones_alone():
    conv, weight, x = RGCNConv(4, 5, 3), relations()[:, :1].float(), torch.randn(1, 6, 4)
    graphs = [Adjacency.from_dense(w, "sparse") for w in weight]
    attached = [graph.attach(torch.rand(2, 6)) for graph in graphs]
    got = conv(torch.cat([x, torch.randn(1, 2, 4)], 1), attached)
    torch.testing.assert_close(got[:, :6], conv(x, graphs))


def test_other_numbers_of_relations_unknown_sums_and_negative_weights_are_refused():
    conv, weight = RGCNConv(4, 5, 3), [Adjacency.from_dense(w.float()) for w in relations()]
    with pytest.raises(ShapeMismatch, match="3 adjacencies"):
        conv(torch.randn(3, 6, 4), weight[:2])
    with pytest.raises(ShapeMismatch, match="x must"):
        conv(torch.randn(3, 6, 3), weight)
    with pytest.raises(InvalidOption, match="aggr"):
        RGCNConv(4, 5, 3, aggr="max")
    with pytest.raises(NegativeWeights):
        conv(torch.randn(3, 6, 4), [Adjacency.from_dense(-w.float()) for w in relations()])
