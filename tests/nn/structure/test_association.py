"""The pairwise association encoder is its formula, dense or by pairs."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import cosine_similarity

from graphfuse.errors import InvalidOption, NonFinite
from graphfuse.nn.structure.association import PairwiseAssociation


def people():
    torch.manual_seed(0)
    return torch.randn(6, 3, dtype=torch.float64), PairwiseAssociation(3, 8, 5).double().eval()


def test_weights_are_half_of_one_plus_the_cosine_behind_one_normalised_network():
    x, encoder = people()
    first, _, norm, _, last = encoder.encoder
    hidden = (x @ first.weight.T + first.bias).relu()
    hidden = (hidden - hidden.mean(1, keepdim=True)) / (hidden.var(1, correction=0, keepdim=True) + norm.eps).sqrt()
    h = hidden @ last.weight.T + last.bias  # the norm starts with gain 1 and bias 0
    expected = (cosine_similarity(h[:, None], h[None], dim=2) + 1) / 2
    torch.testing.assert_close(encoder(x[None])[0], expected)


def test_pairs_are_entries_of_the_dense_graph_with_the_same_gradients():
    x, encoder = people()
    edge_index = torch.tensor([[0, 4, 2, 5], [1, 4, 0, 2]])
    dense, pairs = encoder(x[None])[0][edge_index[0], edge_index[1]], encoder.pairs(x, edge_index)
    torch.testing.assert_close(pairs, dense)
    grads = [torch.autograd.grad(w.square().sum(), list(encoder.parameters())) for w in (dense, pairs)]
    torch.testing.assert_close(grads[0], grads[1])
    assert all((g != 0).any() for g in grads[0])


def test_equal_phenotypes_weigh_one_and_weights_lie_in_0_to_1():
    x, encoder = people()
    x[3] = x[0]
    weight = encoder.float()(x.float()[None])[0]
    torch.testing.assert_close(weight[0, 3], torch.tensor(1.0))
    assert weight.min() >= 0
    assert weight.max() <= 1


def test_no_pairs_give_no_weights():
    x, encoder = people()
    assert encoder.pairs(x, torch.zeros(2, 0, dtype=torch.int64)).shape == (0,)


def test_pairs_of_nobody_and_missing_phenotypes_are_refused():
    x, encoder = people()
    with pytest.raises(InvalidOption, match=r"0 \.\. 5"):
        encoder.pairs(x, torch.tensor([[0, 6], [-1, 2]]))
    with pytest.raises(NonFinite):
        encoder.pairs(x * torch.nan, torch.tensor([[0], [1]]))
