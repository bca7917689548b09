from __future__ import annotations

import pytest
import torch
from torch import nn

from graphfuse.errors import InvalidOption
from graphfuse.kernels import Adjacency
from graphfuse.nn.conv import GATConv, GCNConv
from graphfuse.nn.drop_edge import DropEdge
from graphfuse.nn.dropout import Dropout
from graphfuse.nn.heads.dropout import STOCHASTIC, drawing, mc_predict
from graphfuse.nn.heads.variational import VariationalLinear


def network(*middle):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), *middle, nn.Linear(8, 2)).eval()


def test_the_mean_is_that_of_passes_drawn_by_hand():
    module, x = network(nn.Dropout(0.5)), torch.randn(4, 3)
    torch.manual_seed(1)
    known = mc_predict(module, (x,), passes=6)
    torch.manual_seed(1)
    module[2].train()
    with torch.no_grad():
        by_hand = torch.stack([module(x).softmax(-1) for _ in range(6)])
    torch.testing.assert_close(known.mean, by_hand.mean(0))
    assert (known.mutual_information > 0).all()


@pytest.mark.parametrize("part", [nn.Dropout(0.5), Dropout(0.5), VariationalLinear(8, 8, initial_scale=0.5)])
def test_passes_differ_and_the_same_seed_gives_the_same_bits(part):
    module, x = network(part), torch.randn(4, 3)
    torch.manual_seed(1)
    first = mc_predict(module, (x,))
    torch.manual_seed(1)
    second = mc_predict(module, (x,))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert (first.mutual_information > 1e-4).all()


def test_dropout_of_nothing_has_no_disagreement():
    known = mc_predict(network(nn.Dropout(0.0)), (torch.randn(4, 3),), passes=5)
    torch.testing.assert_close(known.entropy, known.aleatoric)


def test_statistics_of_the_batch_and_modes_stay_as_they_were():
    module, x = network(nn.Dropout(0.5)), torch.randn(4, 3)
    module[0].train()
    running = module[1].running_mean.clone()
    mc_predict(module, (x,), passes=3)
    assert torch.equal(module[1].running_mean, running)
    assert [part.training for part in module] == [True, False, False, False]


def test_modes_are_restored_after_an_error():
    module = network(nn.Dropout(0.5)).train()
    with drawing(module):
        assert [part.training for part in module] == [False, False, True, False]
    assert all(part.training for part in module)
    with pytest.raises(RuntimeError, match="shapes"):
        mc_predict(module, (torch.randn(2, 4),))
    assert all(part.training for part in module)


class OnGraph(nn.Module):
    def __init__(self, drop, conv):
        super().__init__()
        self.drop, self.conv, self.head = drop, conv, nn.Linear(4, 2)

    def forward(self, x, adjacency):
        return self.head(self.conv(x, self.drop(adjacency)).mean(1))


@pytest.mark.parametrize(
    ("drop", "conv"), [(nn.Identity(), GATConv(3, 4, dropout=0.5)), (DropEdge(0.5), GCNConv(3, 4))]
)
def test_dropped_edges_make_passes_differ(drop, conv):
    torch.manual_seed(2)
    adjacency = Adjacency.from_dense(torch.ones(2, 5, 5))
    known = mc_predict(OnGraph(drop, conv).eval(), (torch.randn(2, 5, 3), adjacency), passes=8)
    assert (known.mutual_information > 0).all()


def test_torchs_encoder_layer_does_not_slip_past_its_dropout():
    class Encoded(nn.Module):
        def __init__(self):
            super().__init__()
            layer = nn.TransformerEncoderLayer(4, 2, 8, dropout=0.5, batch_first=True)
            self.encoder, self.head = nn.TransformerEncoder(layer, 2), nn.Linear(4, 2)

        def forward(self, x):
            return self.head(self.encoder(x).mean(1))

    torch.manual_seed(3)
    known = mc_predict(Encoded().eval(), (torch.randn(3, 5, 4),), passes=8)
    assert (known.mutual_information > 0).all()


def test_no_gradient_is_kept():
    assert not mc_predict(network(nn.Dropout(0.5)), (torch.randn(2, 3),), passes=2).mean.requires_grad


def test_ones_own_layer_can_be_named():
    class Shaking(nn.Module):
        def forward(self, x):
            return x + torch.randn_like(x) if self.training else x

    module, x = network(Shaking()), torch.randn(2, 3)
    with pytest.raises(InvalidOption, match="need a part that draws"):
        mc_predict(module, (x,))
    assert (mc_predict(module, (x,), stochastic=(*STOCHASTIC, Shaking)).mutual_information > 0).all()


def test_no_pass_is_refused():
    with pytest.raises(InvalidOption, match="passes"):
        mc_predict(network(nn.Dropout(0.5)), (torch.randn(2, 3),), passes=0)
