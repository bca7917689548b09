"""BrainGNN knows its regions by number, keeps half of them twice, and learns which."""

from __future__ import annotations

import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch.nn.functional import cross_entropy

from graphfuse.graph.graphs import Graphs
from graphfuse.kernels.adjacency import Adjacency
from graphfuse.losses.pooling import group_consistency, top_k_loss
from graphfuse.systems.braingnn import BrainGNNNetwork, braingnn

B, R, F = 6, 9, 5
CODES = torch.arange(B) % 2
PLANTED = 4  # of the cohort: the first regions carry the class


def graphs(mask=False):
    x, weight = torch.randn(B, R, F), torch.rand(B, R, R).triu(1)
    nodes = torch.ones(B, R, dtype=torch.bool)
    if mask:
        nodes[0, :7] = False  # fewer are left than are kept
    x = torch.where(nodes[..., None], x, 0.0)
    weight = (weight + weight.mT) * nodes[:, None] * nodes[..., None]
    return Graphs(x, Adjacency.from_dense(weight), nodes, torch.ones(B, dtype=torch.bool))


def relabelled(own, order):
    """The regions in another order, as a network must not notice that does not know their numbers."""
    weight = own.adjacency.to_dense()[:, order][:, :, order]
    return Graphs(own.x[:, order], Adjacency.from_dense(weight), own.nodes[:, order], own.present)


def network(**options):
    return BrainGNNNetwork({"functional": (R, F)}, 2, **options)


def test_a_region_is_known_by_its_number_so_that_relabelled_regions_give_another_answer():
    net, own = network().eval(), graphs()
    moved = relabelled(own, torch.tensor([8, 6, 7, 0, 5, 4, 3, 2, 1]))
    difference = net({"functional": moved}) - net({"functional": own})
    assert float(difference.detach().abs().max()) > 0.05


def test_with_one_matrix_for_all_regions_it_forgets_their_numbers():
    net, own = network().eval(), graphs()
    for level in net.levels:
        torch.nn.init.zeros_(level.conv.communities)
    moved = relabelled(own, torch.randperm(R))
    torch.testing.assert_close(net({"functional": moved}), net({"functional": own}))


def test_half_of_the_regions_are_kept_and_half_of_those_again():
    told = network().weights({"functional": graphs()})
    assert told["kept_1"].shape == (B, 5)
    assert told["kept_2"].shape == (B, 3)
    for first, second in zip(told["kept_1"].tolist(), told["kept_2"].tolist(), strict=True):
        assert len(set(first)) == 5
        assert set(second) < set(first)  # by region, not by place among those kept
    assert torch.equal(told["kept_1"], told["score_1"].argsort(1, descending=True)[:, :5])
    assert torch.equal(told["kept_2"], told["score_2"].argsort(1, descending=True)[:, :3])
    assert torch.equal((told["score_2"] > 0).sum(1), torch.full((B,), 5))
    assert told["communities_1"].shape == (R, 8)


def test_regions_that_were_dropped_enter_the_answer_only_through_their_neighbours():
    net, own = network().eval(), graphs()
    alone = Graphs(own.x, Adjacency.from_dense(torch.zeros(B, R, R)), own.nodes, own.present)
    kept = net.weights({"functional": alone})["kept_1"]
    x = own.x.clone().requires_grad_()
    net({"functional": Graphs(x, alone.adjacency, own.nodes, own.present)}).sum().backward()
    felt = x.grad.abs().sum(2) > 0
    assert torch.equal(felt, torch.zeros(B, R, dtype=torch.bool).scatter(1, kept, True))


def test_a_masked_region_changes_no_bit_and_is_never_told_as_kept():
    net, own = network().eval(), graphs(mask=True)
    answer, told = net({"functional": own}), net.weights({"functional": own})
    assert torch.isfinite(answer).all()
    assert set(told["kept_1"][0].tolist()) == {7, 8, -1}
    assert (told["score_1"][0] > 0).tolist() == own.nodes[0].tolist()
    noise = torch.where(own.nodes[..., None], own.x, 7.0)
    assert torch.equal(net({"functional": Graphs(noise, own.adjacency, own.nodes, own.present)}), answer)


def test_the_loss_is_cross_entropy_and_weighted_losses_on_the_scores_of_all_regions():
    net = network(dropout=0.0, unit=0.3, separation=0.2, consistency=0.7)
    for level in net.levels:
        level.pool.select["weight"].data.mul_(3)  # a length that the unit loss sees and the scores do not
    own = {"functional": graphs()}
    first, second = net.levels
    hidden = first.conv(own["functional"].x, own["functional"].adjacency)
    score = (hidden @ first.pool.select["weight"][0] / first.pool.select["weight"].norm()).sigmoid()
    levels = net.run(own["functional"])
    torch.testing.assert_close(levels[0].score, score)
    expected = cross_entropy(net(own), CODES) + 0.7 * group_consistency(score, CODES)
    expected += 0.2 * (top_k_loss(score) + top_k_loss(levels[1].score))
    expected += 0.3 * sum((level.pool.select["weight"].norm() - 1) ** 2 for level in (first, second))
    torch.testing.assert_close(net.loss(own, CODES), expected)


def test_the_loss_reaches_every_parameter():
    net = network()
    net.loss({"functional": graphs(mask=True)}, CODES).backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert float(parameter.grad.abs().sum()) > 0, name


def test_it_has_as_many_parameters_as_the_release_of_200_regions():
    convs = sum(200 * 8 + (8 + 1) * width * 32 + 32 for width in (200, 32))  # Theta_1, Theta_2 and its bias, bias
    head = (128 * 32 + 32) + 2 * 32 + (32 * 512 + 512) + 2 * 512 + (512 * 2 + 2)
    net = BrainGNNNetwork({"functional": (200, 200)}, 2)
    assert sum(p.numel() for p in net.parameters()) == convs + 2 * 32 + head == 93282


@pytest.fixture(scope="module")
def model(train):
    return braingnn({"functional": "fmri"}).set_params(epochs=60, patience=60).fit(train)


def test_it_learns_planted_connections(model, test):
    assert roc_auc_score(test.y, model.predict_proba(test)[:, 1]) > 0.8


def test_the_regions_that_carry_the_class_are_those_that_one_class_keeps_and_the_other_drops(model, test):
    score = model.network_.members[0].weights(model.inputs(test))["score_1"]
    patients = torch.as_tensor(test.y == 1)
    contrast = (score[patients].mean(0) - score[~patients].mean(0)).abs()
    assert set(contrast.argsort(descending=True)[:PLANTED].tolist()) == set(range(PLANTED))
