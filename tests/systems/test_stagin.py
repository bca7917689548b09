"""STAGIN knows its regions, weighs them in each window, and weighs windows among each other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch.nn.functional import cross_entropy, linear

from graphfuse.errors import InvalidOption
from graphfuse.graph.graphs import Graphs
from graphfuse.kernels.adjacency import Adjacency
from graphfuse.losses.separation import node_orthogonality
from graphfuse.nn.windows import by_subject
from graphfuse.systems.stagin import READOUTS, STAGINNetwork, binary, drawn_run, stagin

COUNTS = (3, 1, 4, 2)  # windows of each person
B, G, R, L, D = len(COUNTS), sum(COUNTS), 7, 9, 6
CODES = torch.tensor([0, 1, 0, 1])
PLANTED = 4  # of the cohort: the first regions carry the class


def graphs(mask=False):
    nodes = torch.ones(G, R, dtype=torch.bool)
    nodes[:3, 5] = not mask  # of the first person
    x = torch.where(nodes[..., None], torch.randn(G, R, L), 0.0)
    weight = torch.rand(G, R, R).triu(1) * (torch.rand(G, R, R) < 0.5)
    weight = (weight + weight.mT) * nodes[:, None] * nodes[..., None]
    return Graphs(x, Adjacency.from_dense(weight), nodes, torch.ones(B, dtype=torch.bool), np.cumsum([0, *COUNTS]))


def network(**options):
    return STAGINNetwork({"functional": (R, L)}, 2, **{"width": D, "layers": 2, **options})


def answer(net, own):
    return net({"functional": own}).detach()


def windows_alone(own):
    """Each window as a person of its own."""
    return replace(own, present=torch.ones(G, dtype=torch.bool), offsets=np.arange(G + 1))


def test_windows_attend_to_each_other_so_that_the_answer_is_no_mean_of_answers_to_single_windows():
    net, own = network().eval(), graphs()
    single = answer(net, windows_alone(own))
    together = answer(net, own)
    mean = torch.stack([part.mean(0) for part in single.split(COUNTS)])
    torch.testing.assert_close(together[1], mean[1])  # who has one window only has that answer
    assert float((together - mean)[[0, 2, 3]].abs().amax(1).min()) > 1e-4


def test_a_region_is_known_by_its_number_so_that_relabelled_regions_give_another_answer():
    net, own, order = network(readout="garo").eval(), graphs(), torch.tensor([6, 5, 0, 1, 4, 3, 2])
    weight = own.adjacency.to_dense()[:, order][:, :, order]
    moved = replace(own, x=own.x[:, order], adjacency=Adjacency.from_dense(weight), nodes=own.nodes[:, order])
    assert float((answer(net, moved) - answer(net, own)).abs().max()) > 1e-3


def test_an_edge_counts_one_whatever_its_weight():
    net, own = network().eval(), graphs()
    heavier = replace(own, adjacency=own.adjacency.with_weight(own.adjacency.weight * 3))
    without = replace(own, adjacency=Adjacency.from_dense(torch.zeros(G, R, R)))
    assert torch.equal(answer(net, heavier), answer(net, own))
    assert float((answer(net, without) - answer(net, own)).abs().max()) > 1e-3
    assert torch.equal(binary(own.adjacency).to_dense(), (own.adjacency.to_dense() > 0).float())


def test_regions_start_as_one_hot_beside_the_state_of_a_gru_over_all_regions():
    net, own = network(), graphs()
    state = net.state.gru(own.x.mT)[0][:, -1]  # (G, D)
    beside = torch.cat([torch.eye(R).expand(G, -1, -1), state[:, None].expand(-1, R, -1)], -1)
    torch.testing.assert_close(net.embed(own), net.initial(beside))


def normalised(norm, x):
    return (x - norm.running_mean) / (norm.running_var + norm.eps).sqrt() * norm.weight + norm.bias


def test_layers_are_sums_over_neighbours_two_linear_maps_and_logits_that_are_added():
    net, own = network().eval(), graphs()
    for layer in net.layers:
        torch.nn.init.constant_(layer.conv.eps, 0.3)
    x, edges, logits = net.embed(own), (own.adjacency.to_dense() > 0).float(), 0
    for layer in net.layers:
        first, norm, _, second, last, _ = layer.conv.nn
        hidden = normalised(norm, linear(edges @ x + 1.3 * x, first.weight, first.bias)).relu()
        x = normalised(last, linear(hidden, second.weight, second.bias)).relu()
        z, present = by_subject((layer.readout.weights(x)[..., None] * x).mean(1), own.offsets)
        logits = logits + linear(layer.temporal(z, present), layer.linear.weight, layer.linear.bias)
    torch.testing.assert_close(answer(net, own), logits.detach())


def test_the_loss_adds_how_alike_regions_are_in_each_layer():
    net, own = network(dropout=0.0, orthogonal=0.1).eval(), graphs(mask=True)
    layers = net.run(own)
    expected = cross_entropy(answer(net, own), CODES) + 0.1 * sum(node_orthogonality(s.x, own.nodes) for s in layers)
    torch.testing.assert_close(net.loss({"functional": own}, CODES), expected)


@pytest.mark.parametrize("readout", sorted(READOUTS))
def test_the_loss_reaches_every_parameter(readout):
    net = network(readout=readout, dropout=0.0)
    net.loss({"functional": graphs(mask=True)}, CODES).backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert float(parameter.grad.abs().sum()) > 0, name


def test_a_run_of_neighbouring_windows_is_drawn_of_each_person():
    own = graphs()
    own = replace(own, x=torch.arange(G).float()[:, None, None].expand(-1, R, L))
    seen = set()
    for _ in range(40):
        drawn = drawn_run(own, 2)
        assert np.diff(drawn.offsets).tolist() == [2, 1, 2, 2]
        runs = [drawn.x[a:b, 0, 0].tolist() for a, b in zip(drawn.offsets[:-1], drawn.offsets[1:], strict=True)]
        assert all(np.array_equal(np.diff(run), np.ones(len(run) - 1)) for run in runs)
        first = [int(run[0]) - int(start) for run, start in zip(runs, own.offsets[:-1], strict=True)]
        assert all(0 <= start <= count - len(run) for start, count, run in zip(first, COUNTS, runs, strict=True))
        windows = drawn.x[:, 0, 0].int().tolist()
        assert torch.equal(drawn.adjacency.to_dense(), own.adjacency.to_dense()[windows])
        seen.add(first[2])
    assert seen == {0, 1, 2}


def test_runs_are_drawn_in_training_only():
    net, own = network(windows=1, dropout=0.0), graphs()
    assert len(net._drawn(own).x) == B
    assert len(net.eval()._drawn(own).x) == G
    torch.testing.assert_close(answer(net, own), sum(seen.logits for seen in net.run(own)).detach())


def test_values_of_a_masked_region_change_no_bit():
    net, own = network().eval(), graphs(mask=True)
    noise = torch.where(own.nodes[..., None], own.x, 7.0)
    assert torch.equal(answer(net, replace(own, x=noise)), answer(net, own))


def test_it_tells_the_weight_of_regions_and_where_windows_look():
    own = graphs(mask=True)
    told = network().eval().weights({"functional": own})
    assert set(told) == {"regions_1", "regions_2", "windows_1", "windows_2"}
    present = by_subject(torch.ones(G), own.offsets)[1]
    regions, windows = told["regions_2"], told["windows_2"]
    assert regions.shape == (B, max(COUNTS), R)
    assert torch.equal(regions > 0, by_subject(own.nodes, own.offsets)[0])
    assert float(regions.max()) < 1
    torch.testing.assert_close(windows.sum(2), present.float())


def test_it_has_as_many_parameters_as_the_release_of_400_regions():
    r, d, c = 400, 128, 2
    start = 3 * d * (r + d) + 6 * d + (r + d) * d + d  # GRU and the linear layer after it
    gin = 1 + 2 * (d * d + d + 2 * d)
    sero = d * d + d + 2 * d + d * r + r
    transformer = 4 * (d * d + d) + 4 * d + (2 * d * d + 2 * d) + (2 * d * d + d)
    net = STAGINNetwork({"functional": (r, 50)}, c)
    assert sum(p.numel() for p in net.parameters()) == start + 4 * (gin + sero + transformer + d * c + c)


def test_an_unknown_readout_is_refused():
    with pytest.raises(InvalidOption, match="readout"):
        network(readout="max")


def planted(cohort):
    """The same people, with another signal that the planted regions of patients share."""
    rng, signal = np.random.default_rng(3), cohort.signals["fmri"]
    data = signal.data.copy()
    for i in np.flatnonzero(cohort.y):
        own = slice(signal.start[i], signal.start[i] + signal.length[i])
        data[own, :PLANTED] += 2 * rng.normal(size=(signal.length[i], 1))
    return replace(cohort, signals={**cohort.signals, "fmri": replace(signal, data=data)})


@pytest.fixture(scope="module")
def model(train):
    small = {"options": {"width": 16, "layers": 1, "windows": 1}, "learning_rate": 1e-2, "epochs": 40, "patience": 40}
    return stagin({"functional": "fmri"}).set_params(**small).fit(planted(train))


def test_its_edges_are_the_strongest_positive_correlations_of_each_window(model, test):
    weight = model.inputs(test)["functional"].adjacency.to_dense()
    assert float(weight.min()) == 0
    pairs = weight.shape[1] * (weight.shape[1] - 1)
    assert int((weight > 0).sum((1, 2)).max()) == 2 * int(np.ceil(0.3 * pairs / 2))


def test_it_learns_planted_connections(model, test):
    assert roc_auc_score(test.y, model.predict_proba(planted(test))[:, 1]) > 0.8
