"""Products of embeddings as a graph, against PyTorch Geometric and a loop."""

from __future__ import annotations

import pytest
import torch
from torch_geometric.nn import InnerProductDecoder

from graphfuse.errors import InvalidOption
from graphfuse.nn.structure.product import InnerProductGraph


def features():
    torch.manual_seed(0)
    return torch.randn(2, 5, 4, dtype=torch.float64)


def test_sigmoid_of_products_equals_pygs_decoder():
    x, learner = features(), InnerProductGraph(4, 3, form="sigmoid").double()
    torch.testing.assert_close(learner(x)[1], InnerProductDecoder().forward_all(learner.lin(x[1])))


def test_products_of_shares_are_a_loop_over_communities():
    x, learner = features(), InnerProductGraph(4, 3).double()
    share = learner.lin(x).softmax(2)
    expected = sum(share[1, :, c, None] * share[1, None, :, c] for c in range(3))
    torch.testing.assert_close(learner(x)[1], expected)
    assert learner(x).max() <= 1


def test_an_unknown_form_is_refused():
    with pytest.raises(InvalidOption, match="form"):
        InnerProductGraph(4, 3, form="relu")
