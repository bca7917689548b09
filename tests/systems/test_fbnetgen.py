"""FBNetGen reads no graph of the data: it makes one of the series, and the task shapes it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch.nn.functional import leaky_relu, one_hot

from graphfuse.errors import InvalidOption
from graphfuse.graph.graphs import Graphs
from graphfuse.kernels.adjacency import Adjacency
from graphfuse.nn.mixup import Mixing, mix
from graphfuse.systems import fbnetgen as module
from graphfuse.systems.fbnetgen import (
    ENCODERS,
    MESSAGES,
    ConvolutionalEncoder,
    FBNetGenNetwork,
    GraphPredictor,
    RecurrentEncoder,
    fbnetgen,
    group_loss,
)

B, R, L, F = 6, 7, 18, 5
CODES = torch.arange(B) % 2
PLANTED = 4  # of the cohort: the first regions carry the class


def graphs(features, mask=False):
    nodes = torch.ones(B, R, dtype=torch.bool)
    nodes[0, 5:] = not mask
    x = torch.where(nodes[..., None], torch.randn(B, R, features), 0.0)
    weight = torch.rand(B, R, R)
    weight = (weight + weight.mT) * nodes[:, None] * nodes[..., None]
    return Graphs(x, Adjacency.from_dense(weight), nodes, torch.ones(B, dtype=torch.bool))


def inputs(mask=False):
    return {"series": graphs(L, mask), "profile": graphs(F, mask)}


def network(**options):
    return FBNetGenNetwork({"series": (R, L), "profile": (R, F)}, 2, **options)


def answer(net, own):
    return net(own).detach()


def test_no_graph_of_the_data_is_read():
    net, own = network().eval(), inputs()
    none = Adjacency.from_dense(torch.zeros(B, R, R))
    assert torch.equal(
        answer(net, {role: replace(part, adjacency=none) for role, part in own.items()}), answer(net, own)
    )


def test_the_series_decide_who_hears_whom():
    net, own = network().eval(), inputs()
    x = own["series"].x.clone().requires_grad_()
    net({**own, "series": replace(own["series"], x=x)}).sum().backward()
    assert float(x.grad.abs().sum()) > 0
    assert not torch.equal(answer(net, {**own, "series": graphs(L)}), answer(net, own))


def test_the_graph_is_the_product_of_shares_in_communities():
    net, own = network().eval(), inputs(mask=True)
    told = net.weights(own)
    series, usable = own["series"].x, own["series"].nodes
    states = torch.stack([net.encoder(one) for one in series])
    shares = (states @ net.generator.lin.weight.T + net.generator.lin.bias).softmax(-1).detach()
    expected = torch.einsum("bik,bjk->bij", shares, shares) * usable[:, None] * usable[..., None]
    torch.testing.assert_close(told["graph"], expected)
    torch.testing.assert_close(told["communities"].sum(-1), usable.float())


def normalised(norm, x, axis):
    shape = [1, 1, 1]
    shape[axis] = -1
    mean, variance, weight, bias = (
        part.view(shape) for part in (norm.running_mean, norm.running_var, norm.weight, norm.bias)
    )
    return (x - mean) / (variance + norm.eps).sqrt() * weight + bias


@pytest.mark.parametrize(("messages", "heard"), [("degrees", "bij,bif->bif"), ("neighbours", "bij,bjf->bif")])
def test_regions_hear_how_strongly_they_are_joined_or_each_other(messages, heard):
    predictor = GraphPredictor(R, F, 2, messages).eval()
    for norm in predictor.norms:
        torch.nn.init.uniform_(norm.running_mean)
        torch.nn.init.uniform_(norm.weight)
    x, weight = torch.randn(B, R, F), torch.rand(B, R, R)
    y = x
    for layer, norm, axis in zip(
        (predictor.first, predictor.second, predictor.third), predictor.norms, (2, 2, 1), strict=True
    ):
        y = normalised(norm, layer(torch.einsum(heard, weight, y)), axis)
    expected = predictor.head(y.flatten(1))
    torch.testing.assert_close(predictor(x, weight, torch.ones(B, R, dtype=torch.bool)), expected)


def test_pieces_of_a_series_run_through_the_encoder_in_both_directions():
    encoder, x = RecurrentEncoder(18, 4).eval(), torch.randn(3, 18)
    assert torch.equal(encoder(x), encoder(torch.cat([x[:, :16], torch.randn(3, 2)], 1)))  # half a piece is not read
    states, linear = encoder.gru(x[:, :16].reshape(3, 4, 4))[0], encoder.out[1]
    last = torch.cat([states[:, 3, :4], states[:, 0, 4:]], 1)  # each direction at its end
    torch.testing.assert_close(encoder(x), leaky_relu(last @ linear.weight.T + linear.bias, 0.2))
    assert not torch.equal(encoder(x), encoder(x.flip(1)))


def losses_by_loops(weight, target):
    """The published loss on two classes' graphs, person by person."""
    regions = weight.shape[1]
    centres = [sum(t[c] * w for t, w in zip(target, weight, strict=True)) / target[:, c].sum() for c in range(2)]
    within = 0.0
    for c in range(2):
        each = [t[c] * np.abs(w - centres[c]).sum() for t, w in zip(target, weight, strict=True)]
        within += sum(each) / (target[:, c].sum() * regions**2)
    return within + 2 * (1 - np.abs(centres[0] - centres[1]).sum() / regions**2)


def test_the_loss_on_the_classes_graphs_is_the_published_one():
    weight, share = torch.rand(B, R, R, dtype=torch.float64), torch.rand(B, 1, dtype=torch.float64)
    target = torch.cat([share, 1 - share], 1)
    expected = losses_by_loops(weight.numpy(), target.numpy())
    assert float(group_loss(weight, target)) == pytest.approx(expected, rel=1e-12)


def test_a_class_of_which_the_batch_holds_nobody_takes_no_part():
    weight, target = torch.rand(B, R, R), one_hot(CODES, 2).float()
    without = torch.cat([target, torch.zeros(B, 1)], 1)
    torch.testing.assert_close(group_loss(weight, without), group_loss(weight, target))
    alone = group_loss(weight, torch.ones(B, 1))
    torch.testing.assert_close(alone, (weight - weight.mean(0)).abs().mean())


def test_the_loss_is_that_of_people_mixed_with_each_other(monkeypatch):
    net, own = network(group=0.7, sparse=0.01).eval(), inputs()
    mixing = Mixing(torch.full((B,), 0.3), torch.tensor([1, 2, 3, 4, 5, 0]))
    monkeypatch.setattr(module, "draw_mixing", lambda batch, device: mixing)
    mixed = {role: replace(part, x=mix(part.x, mixing)) for role, part in own.items()}
    target = 0.3 * one_hot(CODES, 2) + 0.7 * one_hot(CODES[mixing.partner], 2)
    weight = net.weights(mixed)["graph"]
    cross_entropy = -(target * net(mixed).log_softmax(1)).sum(1).mean()
    expected = 2 * cross_entropy + 0.7 * group_loss(weight, target) + 0.01 * weight.sum() / B
    torch.testing.assert_close(net.loss(own, CODES), expected)


@pytest.mark.parametrize("messages", sorted(MESSAGES))
@pytest.mark.parametrize("encoder", sorted(ENCODERS))
def test_the_loss_reaches_every_parameter(encoder, messages):
    own = {"series": graphs(70, mask=True), "profile": graphs(F, mask=True)}
    net = FBNetGenNetwork({"series": (R, 70), "profile": (R, F)}, 2, encoder=encoder, messages=messages)
    net.loss(own, CODES).backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert float(parameter.grad.abs().sum()) > 0, name


def test_a_masked_region_changes_no_bit_and_is_joined_to_nobody():
    net, own = network().eval(), inputs(mask=True)
    noise = {role: replace(part, x=torch.where(part.nodes[..., None], part.x, 7.0)) for role, part in own.items()}
    assert torch.equal(answer(net, noise), answer(net, own))
    assert float(net.weights(own)["graph"][0, 5:].abs().sum()) == 0


def test_it_has_as_many_parameters_as_the_release_of_200_regions():
    r, w, c = 200, 4, 8
    gru = sum(2 * (3 * w * (width + w) + 6 * w) for width in (w, 2 * w, 2 * w, 2 * w))
    encoder = (2 * w * w + w) + (w * c + c)
    layers = 3 * (r * r + r) + (r * 64 + 64) + (64 * 8 + 8) + 3 * 2 * r
    head = (8 * r * 256 + 256) + (256 * 32 + 32) + (32 * 2 + 2)
    net = FBNetGenNetwork({"series": (r, 100), "profile": (r, r)}, 2)
    assert sum(p.numel() for p in net.parameters()) == gru + encoder + layers + head


def test_the_convolutional_encoder_has_the_published_widths_and_refuses_what_is_too_short():
    encoder = ConvolutionalEncoder(100, 8)
    assert [
        tuple(conv.weight.shape) for conv in encoder.convs if hasattr(conv, "stride") and hasattr(conv, "weight")
    ] == [
        (32, 1, 8),
        (32, 32, 8),
        (16, 32, 8),
    ]
    assert encoder(torch.randn(3, 100)).shape == (3, 32)
    assert ConvolutionalEncoder(66, 8)(torch.randn(3, 66)).shape == (3, 32)
    with pytest.raises(InvalidOption, match="frames"):
        ConvolutionalEncoder(64, 8)


def test_an_unknown_option_and_a_piece_longer_than_the_series_are_refused():
    with pytest.raises(InvalidOption, match="encoder"):
        network(encoder="lstm")
    with pytest.raises(InvalidOption, match="messages"):
        network(messages="all")
    with pytest.raises(InvalidOption, match="window"):
        network(window=L + 1)


def planted(cohort):
    """The same people, with another signal that the planted regions of patients share."""
    rng, signal = np.random.default_rng(3), cohort.signals["fmri"]
    data = signal.data.copy()
    for i in np.flatnonzero(cohort.y):
        own = slice(signal.start[i], signal.start[i] + signal.length[i])
        data[own, :PLANTED] += 2 * rng.normal(size=(signal.length[i], 1))
    return replace(cohort, signals={**cohort.signals, "fmri": replace(signal, data=data)})


def test_it_learns_planted_connections(train, test):
    model = fbnetgen({"functional": "fmri"}).set_params(epochs=25, patience=25, learning_rate=3e-3).fit(planted(train))
    assert roc_auc_score(test.y, model.predict_proba(planted(test))[:, 1]) > 0.8
