"""A PyTorch Geometric model gets the arguments that it takes, and no others."""

from __future__ import annotations

import pytest
import torch

from graphfuse.kernels import Adjacency
from graphfuse.nn.pyg import call_module


class _Weights(torch.nn.Module):
    def forward(self, x, edge_index, edge_weight):
        return edge_index, edge_weight


class _Attributes(torch.nn.Module):
    def forward(self, x, edge_index, edge_attr, batch=None):
        return edge_attr, batch


class _Disowned(torch.nn.Module):
    supports_edge_weight = False

    def forward(self, x, edge_index, edge_weight=None):
        return edge_weight


@pytest.mark.parametrize("layout", ["dense", "sparse"])
def test_arguments_by_name(layout):
    adjacency = Adjacency.from_dense([[[0.0, 2.0], [0.0, 0.0]], [[0.0, 0.0], [3.0, 0.0]]], layout)
    x = torch.zeros(2, 2, 1)
    edge_index, edge_weight = call_module(_Weights(), x, adjacency)
    assert edge_index.tolist() == [[1, 2], [0, 3]]  # source to target
    assert edge_weight.tolist() == [2.0, 3.0]
    edge_attr, batch = call_module(_Attributes(), x, adjacency)
    assert edge_attr.tolist() == [[2.0], [3.0]]
    assert batch.tolist() == [0, 0, 1, 1]
    assert call_module(_Disowned(), x, adjacency) is None
