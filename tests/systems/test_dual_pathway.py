"""The dual pathway is a linear model and a graph attention network whose logits are added."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from torch.nn.functional import cross_entropy, one_hot

from graphfuse.errors import InvalidOption
from graphfuse.graph.graphs import Graphs
from graphfuse.graph.rows import Rows
from graphfuse.kernels.adjacency import Adjacency
from graphfuse.nn.mixup import Mixing, mix
from graphfuse.systems import dual_pathway as module
from graphfuse.systems.dual_pathway import DualPathwayNetwork, SeriesEncoder, attention, dual_pathway

B, R, L, P = 6, 7, 12, 21
CODES = torch.arange(B) % 2


def inputs(mask=False, people=B):
    nodes = torch.ones(people, R, dtype=torch.bool)
    nodes[0, 5:] = not mask
    x = torch.where(nodes[..., None], torch.randn(people, R, L), 0.0)
    weight = (torch.rand(people, R, R) * (torch.rand(people, R, R) < 0.5)).triu(1)
    weight = (weight + weight.mT) * nodes[:, None] * nodes[..., None]
    here = torch.ones(people, dtype=torch.bool)
    return {
        "edges": Rows(torch.randn(people, P), here),
        "graph": Graphs(x, Adjacency.from_dense(weight), nodes, here),
    }


def network(n_classes=2, **options):
    return DualPathwayNetwork({"edges": (P,), "graph": (R, L)}, n_classes, **{"width": 8, **options})


def answer(net, own):
    return net(own).detach()


def with_graph(own, **changes):
    return {**own, "graph": replace(own["graph"], **changes)}


def test_each_pathway_hears_its_own_input_and_the_answer_is_their_sum():
    net, own, other = network(), inputs(), inputs()
    both, mixed = net.pathways(own), net.pathways({"edges": own["edges"], "graph": other["graph"]})
    assert torch.equal(both["linear"] + both["graph"], net(own))
    assert torch.equal(mixed["linear"], both["linear"])
    assert not torch.equal(mixed["graph"], both["graph"])
    assert torch.equal(mixed["graph"], net.pathways(other)["graph"])


def test_the_answer_is_straight_in_the_connections():
    net, own, other = network(), inputs(), inputs()
    middle = {**own, "edges": Rows((own["edges"].x + other["edges"].x) / 2, own["edges"].present)}
    ends = answer(net, own), answer(net, {**own, "edges": other["edges"]})
    torch.testing.assert_close(answer(net, middle), (ends[0] + ends[1]) / 2)
    assert float((ends[0] - ends[1]).abs().min()) > 1e-3


def test_the_linear_pathway_alone_is_logistic_regression():
    own, codes = inputs(people=40), torch.arange(40) % 2
    net, x = network().double(), own["edges"].x.double()
    exact = {"max_iter": 500, "tolerance_grad": 1e-10, "tolerance_change": 0.0, "line_search_fn": "strong_wolfe"}
    optimiser = torch.optim.LBFGS(net.linear.parameters(), **exact)

    def closure():
        optimiser.zero_grad()
        # Two classes share the penalty: rows w and -w of half the length of one weight vector.
        loss = cross_entropy(net.linear(x), codes, reduction="sum") + net.linear.weight.square().sum()
        loss.backward()
        return loss

    optimiser.step(closure)
    model = LogisticRegression(C=1.0, tol=1e-10, max_iter=1000).fit(x.numpy(), codes.numpy())
    graph = {"graph": replace(own["graph"], x=own["graph"].x.double(), adjacency=own["graph"].adjacency.to(x.dtype))}
    logits = net.pathways({"edges": Rows(x, own["edges"].present), **graph})["linear"]
    np.testing.assert_allclose(logits.softmax(1).detach().numpy(), model.predict_proba(x.numpy()), atol=1e-6)


def test_the_graph_pathway_attends_so_that_edges_matter_and_their_weights_do_not():
    net, own = network(), inputs()
    heavier = with_graph(own, adjacency=own["graph"].adjacency.with_weight(own["graph"].adjacency.weight * 3))
    without = with_graph(own, adjacency=Adjacency.from_dense(torch.zeros(B, R, R)))
    assert torch.equal(answer(net, heavier), answer(net, own))
    assert float((answer(net, without) - answer(net, own)).abs().max()) > 1e-3


def test_regions_look_at_neighbours_more_or_less_and_that_is_told():
    net, own = network(), inputs()
    told = net.weights(own)["attention_1"]
    joined = (own["graph"].adjacency.to_dense() > 0) | torch.eye(R, dtype=torch.bool)
    torch.testing.assert_close(told.sum(2), torch.ones(B, R))
    assert torch.equal(told > 0, joined)
    even = joined / joined.sum(2, keepdim=True)
    assert float((told - even).abs().max()) > 0.01  # a graph convolution hears neighbours by their degrees alone


def test_what_is_told_of_the_attention_is_what_the_convolution_does():
    net, own = network(heads=1), inputs()
    conv, x = net.graph.convs[0], torch.randn(B, R, 8)
    expected = attention(conv, x, own["graph"].adjacency) @ conv.lin(x) + conv.bias
    torch.testing.assert_close(conv(x, own["graph"].adjacency), expected)


def test_an_embedding_is_the_largest_answer_of_each_filter():
    encoder, x = SeriesEncoder(5), torch.randn(2, 3, L)
    padded, filters = torch.nn.functional.pad(x, (1, 1)), encoder.conv.weight[:, 0]
    answers = torch.stack([padded[..., t : t + 3] @ filters.T + encoder.conv.bias for t in range(L)])  # (L, 2, 3, 5)
    torch.testing.assert_close(encoder(x), encoder.lin(answers.relu().amax(0)))


def test_it_tells_how_far_each_pathway_speaks():
    net, own = network(n_classes=3), inputs()
    logits = {name: part.detach().numpy() for name, part in net.pathways(own).items()}
    spread = {name: part.std(1) for name, part in logits.items()}
    told = net.weights(own)
    expected = spread["linear"] / (spread["linear"] + spread["graph"])
    np.testing.assert_allclose(told["linear_share"].numpy(), expected, rtol=1e-5)
    torch.testing.assert_close(told["edges"].sum(0), torch.zeros(P))
    for part in (net.graph.lin.weight, net.graph.lin.bias):
        torch.nn.init.zeros_(part)
    torch.testing.assert_close(net.weights(own)["linear_share"], torch.ones(B))
    for part in (net.linear.weight, net.linear.bias):
        torch.nn.init.zeros_(part)
    assert torch.equal(net.weights(own)["linear_share"], torch.full((B,), 0.5))


def test_the_loss_is_that_of_people_mixed_with_each_other(monkeypatch):
    net, own = network(), inputs()
    mixing = Mixing(torch.full((B,), 0.3), torch.tensor([1, 2, 3, 4, 5, 0]))
    monkeypatch.setattr(module, "draw_mixing", lambda batch, device: mixing)
    mixed = with_graph(own, x=mix(own["graph"].x, mixing))
    mixed["edges"] = Rows(mix(own["edges"].x, mixing), own["edges"].present)
    target = 0.3 * one_hot(CODES, 2) + 0.7 * one_hot(CODES[mixing.partner], 2)
    torch.testing.assert_close(net.loss(own, CODES), -(target * net(mixed).log_softmax(1)).sum(1).mean())


def test_the_loss_reaches_every_parameter_of_both_pathways():
    net = network()
    net.loss(inputs(mask=True), CODES).backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert float(parameter.grad.abs().sum()) > 0, name


def test_a_masked_region_changes_no_bit():
    net, own = network(), inputs(mask=True)
    noise = with_graph(own, x=torch.where(own["graph"].nodes[..., None], own["graph"].x, 7.0))
    assert torch.equal(answer(net, noise), answer(net, own))


def test_it_has_as_many_parameters_as_the_authors_network_of_200_regions():
    r, d, c = 200, 32, 2
    encoder = (3 * d + d) + (d * d + d)
    layer = d * d + 2 * d + d
    graph = encoder + 2 * layer + 2 * d + (r * d * c + c)
    net = DualPathwayNetwork({"edges": (r * (r - 1) // 2,), "graph": (r, 100)}, c)
    assert sum(p.numel() for p in net.parameters()) == r * (r - 1) // 2 * c + c + graph


def test_a_width_that_heads_do_not_share_is_refused():
    with pytest.raises(InvalidOption, match="heads"):
        network(heads=3)


@pytest.fixture(scope="module")
def model(train):
    return dual_pathway({"functional": "fmri"}).set_params(epochs=30, patience=30, learning_rate=3e-3).fit(train)


def test_it_learns_planted_connections(model, test):
    assert roc_auc_score(test.y, model.predict_proba(test)[:, 1]) > 0.8


def test_its_edges_are_the_positive_correlations(model, test):
    graphs = model.inputs(test)["graph"]
    signal = test.signals["fmri"]
    correlation = np.stack([np.corrcoef(series.T) for series in signal.arrays()])
    correlation[:, range(signal.n_regions), range(signal.n_regions)] = 0
    assert np.array_equal(graphs.adjacency.to_dense().numpy() > 0, correlation > 0)
