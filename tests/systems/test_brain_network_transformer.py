"""The Brain Network Transformer: every region hears every region, clusters read them out, people are mixed."""

from __future__ import annotations

import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch import nn

from graphfuse.graph.graphs import Graphs
from graphfuse.kernels.adjacency import Adjacency
from graphfuse.losses.soft_label import one_hot
from graphfuse.nn.mixup import draw_mixing
from graphfuse.nn.pool.cluster import clustering_loss
from graphfuse.systems.brain_network_transformer import (
    BrainNetworkTransformerNetwork,
    TransformerLayer,
    brain_network_transformer,
)

B, R = 6, 10  # 4 heads do not divide 10
CODES = torch.arange(B) % 2


def graphs(mask=False, edges=True):
    x = torch.randn(B, R, R)
    nodes = torch.ones(B, R, dtype=torch.bool)
    if mask:
        nodes[1, :3] = False
    x = torch.where(nodes[..., None] & nodes[:, None], (x + x.mT) / 2, 0.0)
    weight = x.abs() * (x.abs() > 0.5) if edges else torch.zeros(B, R, R)
    return Graphs(x, Adjacency.from_dense(weight), nodes, torch.ones(B, dtype=torch.bool))


def network(**options):
    return BrainNetworkTransformerNetwork({"functional": (R, R)}, 2, **{"hidden": 16, **options})


def copied(layer, channels, heads, hidden):
    """torch's own layer with the weights of ours, and zeros for the two biases that ours does without."""
    twin = nn.TransformerEncoderLayer(channels, heads, hidden, batch_first=True).to(torch.float64)
    ours, theirs = layer.attention, twin.self_attn
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat([ours.lin_query.weight, ours.lin_key.weight, ours.lin_value.weight]))
        theirs.in_proj_bias.copy_(torch.cat([ours.lin_query.bias, torch.zeros(channels), ours.lin_value.bias]))
        theirs.out_proj.weight.copy_(ours.lin_out.weight)
        theirs.out_proj.bias.zero_()
    for own, other in ((layer.mlp[0], twin.linear1), (layer.mlp[3], twin.linear2)):
        other.load_state_dict(own.state_dict())
    twin.norm1.load_state_dict(layer.norm1.state_dict())
    twin.norm2.load_state_dict(layer.norm2.state_dict())
    return twin


def test_a_layer_is_torchs_own_with_copied_weights():
    layer = TransformerLayer(8, 4, 12, 0.0).double().train()  # torch's evaluation mode has another path
    twin = copied(layer, 8, 4, 12)
    for module in twin.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    twin.self_attn.dropout = 0.0
    x, nodes = torch.randn(3, 5, 8).double(), torch.rand(3, 5) > 0.3
    nodes[:, 0] = True
    y, weights = layer(x, nodes)
    torch.testing.assert_close(y, twin(x, src_key_padding_mask=~nodes))
    torch.testing.assert_close(weights, twin.self_attn(x, x, x, key_padding_mask=~nodes)[1])


def test_every_region_hears_every_usable_region_whatever_the_graph_says():
    net, own = network().eval(), graphs(mask=True)
    bare = Graphs(own.x, Adjacency.from_dense(torch.zeros(B, R, R)), own.nodes, own.present)
    assert torch.equal(net({"functional": bare}), net({"functional": own}))
    told = net.weights({"functional": own})
    for name in ("attention_1", "attention_2"):
        assert torch.equal(told[name] > 0, own.nodes[:, None].expand(B, R, R))
        torch.testing.assert_close(told[name].sum(2), torch.ones(B, R))


def test_attention_knows_no_place_and_the_clusters_do():
    net, own, order = network().eval(), graphs(), torch.arange(R).flip(0)
    tokens, moved = (net.tokens(x, own.nodes)[0] for x in (own.x, own.x[:, order]))
    torch.testing.assert_close(moved, tokens[:, order])
    answers = [net({"functional": Graphs(x, own.adjacency, own.nodes, own.present)}) for x in (own.x, own.x[:, order])]
    assert float((answers[0] - answers[1]).detach().abs().max()) > 1e-3


def test_clusters_are_as_many_as_asked_but_never_more_than_regions_and_their_centres_stay():
    assert len(network().pool.centres) == R
    net = network(clusters=4)
    torch.testing.assert_close(net.pool.centres @ net.pool.centres.T, torch.eye(4), atol=1e-6, rtol=0)
    assert not any("centres" in name for name, _ in net.named_parameters())
    own = graphs(mask=True)
    clusters = net.weights({"functional": own})["clusters"]
    assert clusters.shape == (B, R, 4)
    torch.testing.assert_close(clusters.sum(2), own.nodes.float())


def test_a_masked_region_changes_no_bit():
    net, own = network().eval(), graphs(mask=True)
    noise = torch.where(own.nodes[..., None], own.x, 7.0)
    answer = net({"functional": own})
    assert torch.equal(net({"functional": Graphs(noise, own.adjacency, own.nodes, own.present)}), answer)


def test_the_loss_is_the_cross_entropy_of_mixed_people():
    net, own = network(dropout=0.0), graphs(mask=True)
    torch.manual_seed(3)
    loss = net.loss({"functional": own}, CODES)
    torch.manual_seed(3)
    share, partner = draw_mixing(B)
    share = share[0]
    x = share * own.x + (1 - share) * own.x[partner]
    both = Graphs(x, own.adjacency, own.nodes & own.nodes[partner], own.present)
    logs = net({"functional": both}).log_softmax(1)
    target = share * one_hot(CODES, 2) + (1 - share) * one_hot(CODES[partner], 2)
    torch.testing.assert_close(loss, -(target * logs).sum(1).mean())


def test_sharpening_adds_the_loss_of_the_clusters():
    own, losses = {"functional": graphs()}, []
    plain, sharp = network(dropout=0.0), network(dropout=0.0, sharpening=0.5)
    sharp.load_state_dict(plain.state_dict())
    for net in (plain, sharp):
        torch.manual_seed(5)
        losses.append(net.loss(own, CODES))
    torch.manual_seed(5)
    share, partner = draw_mixing(B)
    x = own["functional"].x
    tokens, _ = plain.tokens(share[0] * x + (1 - share[0]) * x[partner], own["functional"].nodes)
    assert losses[1] > losses[0]
    torch.testing.assert_close(losses[1] - losses[0], 0.5 * clustering_loss(plain.pool.assignment(tokens)))


@pytest.mark.parametrize("sharpening", [0.0, 1.0])
def test_the_loss_reaches_every_parameter(sharpening):
    net = network(sharpening=sharpening)
    net.loss({"functional": graphs(mask=True)}, CODES).backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert float(parameter.grad.abs().sum()) > 0, name


def test_of_the_published_parameters_it_lacks_two_biases_a_layer():
    layer = sum(p.numel() for p in nn.TransformerEncoderLayer(200, 4, 1024).parameters())
    encoder = (40_000 * 32 + 32) + (32 * 32 + 32) + (32 * 40_000 + 40_000)
    head = (200 * 8 + 8) + (800 * 256 + 256) + (256 * 32 + 32) + (32 * 2 + 2)
    net = BrainNetworkTransformerNetwork({"functional": (200, 200)}, 2)
    assert sum(p.numel() for p in net.parameters()) == 2 * (layer - 2 * 200) + encoder + head


def test_it_learns_planted_connections(train, test):
    model = brain_network_transformer({"functional": "fmri"}).fit(train)
    assert roc_auc_score(test.y, model.predict_proba(test)[:, 1]) > 0.8
