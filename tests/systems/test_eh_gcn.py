"""EH-GCN is inductive: new people hear its bank without changing it; no parameter knows how many people there are."""

from __future__ import annotations

import torch
from sklearn.metrics import roc_auc_score
from torch.nn.functional import cross_entropy

from graphfuse.graph.graphs import Graphs
from graphfuse.kernels.adjacency import Adjacency
from graphfuse.nn.population import Population
from graphfuse.systems.eh_gcn import EHGCNNetwork, eh_gcn

N, FITTED, R, F, M = 10, 7, 6, 6, 3
CODES = torch.arange(FITTED) % 2
SHAPES = {"functional": (R, F), "structural": (R + 1, M)}


def graphs(regions, features, absent=()) -> Graphs:
    x, weight = torch.randn(N, regions, features), torch.rand(N, regions, regions)
    present = torch.ones(N, dtype=torch.bool)
    present[list(absent)] = False
    nodes = present[:, None].repeat(1, regions)
    nodes[0, 1] = False
    usable = nodes[..., None]
    weight = (weight + weight.mT) * (1 - torch.eye(regions)) * usable * nodes[:, None]
    return Graphs(x * usable, Adjacency.from_dense(weight), nodes, present)


def population(only=range(N), absent=((), ())) -> Population:
    """Ten people of two sites, the last three of them new."""
    torch.manual_seed(1)
    inputs = {role: graphs(*SHAPES[role], gone) for role, gone in zip(SHAPES, absent, strict=True)}
    site = torch.arange(N) % 2
    agreement = (site[:, None] == site).float() * (torch.arange(N) < FITTED)
    agreement.fill_diagonal_(0)
    only = list(only)
    fitted = sum(i < FITTED for i in only)
    own = {role: value[only] for role, value in inputs.items()}
    return Population(own, agreement=agreement[only][:, only], fitted=fitted)


def network(**options) -> EHGCNNetwork:
    torch.manual_seed(0)
    return EHGCNNetwork(SHAPES, 2, **{"hidden": 5, "width": 8, "neighbours": 2, "dropout": 0.0, **options})


def test_a_prediction_does_not_depend_on_which_other_people_are_new():
    net = network().eval()
    whole = net(population())
    for new in ([7], [9], [9, 8], [8, 7, 9]):
        answers = net(population([*range(FITTED), *new]))
        torch.testing.assert_close(answers[FITTED:], whole[new])
        torch.testing.assert_close(answers[:FITTED], whole[:FITTED])


def test_states_of_the_bank_do_not_change_when_people_are_added():
    net, told = network().eval(), []
    bank = net.people.bank
    net.people.bank = lambda *arguments: told.append(bank(*arguments)) or told[-1]
    net(population(range(FITTED)))
    net(population())
    for before, after in zip(told[0].states, told[1].states, strict=True):
        torch.testing.assert_close(before, after)
    torch.testing.assert_close(told[0].sigma, told[1].sigma)


def test_no_parameter_depends_on_how_many_people_there_are():
    net = network().eval()
    assert net(population(range(5))).shape == (5, 2)  # a smaller bank, the same network
    assert net(population()).shape == (N, 2)
    assert not any(FITTED in p.shape or N in p.shape for p in net.parameters())


def test_a_person_is_read_with_those_whom_she_hears_and_alone_if_she_agrees_with_nobody():
    """Without its spatial layers the answer would be the same in both cases."""
    net, people = network().eval(), population()
    alone = Population(people.inputs, agreement=torch.zeros(N, N), fitted=FITTED)
    x = net.vectors(people)
    for conv in net.people.convs:
        x = (conv.lin_root(x) + conv.lin_rel.bias).relu()
    torch.testing.assert_close(net(alone), net.head(x))
    assert (net(alone) - net(people)).abs().amax(1).min() > 1e-4


def test_she_hears_the_two_most_alike_people_of_her_site_by_their_affinity():
    net, people = network().eval(), population()
    x = net.vectors(people).detach().double()
    correlation = torch.corrcoef(x)
    sigma = (1 - correlation[:FITTED, :FITTED]).mean()
    affinity = torch.exp(-((1 - correlation[8, :FITTED]) ** 2) / (2 * sigma**2)) * people.agreement[8, :FITTED]
    two = affinity.topk(2)
    layers, states = net.people.double().convs, x[:FITTED]
    bank = net.people.bank(states, people.agreement[:FITTED, :FITTED].double())
    expected = x[8]
    for conv, states in zip(layers, bank.states[:-1], strict=True):
        expected = conv.lin_root(expected) + conv.lin_rel(two.values.softmax(0) @ states[two.indices])
        expected = expected.relu()
    answer = net.people.predict(x[8:9], bank, people.agreement[8:9, :FITTED].double())[0]
    torch.testing.assert_close(answer, expected, rtol=1e-5, atol=1e-5)


def test_the_weights_tell_whom_each_person_hears_never_herself():
    people = population()
    heard = network().eval().weights(people)["heard"]
    assert heard.shape == (N, FITTED)
    assert (heard > 0).sum(1).tolist() == [2] * N
    torch.testing.assert_close(heard.sum(1), torch.ones(N))
    assert not heard[people.agreement[:, :FITTED] == 0].any()


def test_the_order_of_regions_does_not_matter_inside_a_branch_but_their_edges_do():
    net, own = network().eval(), population().inputs["structural"]
    order = torch.randperm(R + 1)
    weight = own.adjacency.to_dense()
    moved = Graphs(
        own.x[:, order], Adjacency.from_dense(weight[:, order][:, :, order]), own.nodes[:, order], own.present
    )
    bare = Graphs(own.x, own.adjacency.without_edges(), own.nodes, own.present)
    branch = net.branches["structural"]
    torch.testing.assert_close(branch(moved), branch(own))
    difference = (branch(bare) - branch(own)).abs().amax(0)
    assert (difference[:10] > 1e-4).any()
    assert not difference[10:].any()  # the global part reads no edges


def test_values_of_a_missing_modality_change_no_bit_and_who_has_none_gets_an_answer():
    people = population(absent=([2, 3, 8], [3]))
    own = people.inputs["functional"]
    other = Graphs(own.x + 9.0 * ~own.present[:, None, None], own.adjacency, own.nodes, own.present)
    changed = Population({**people.inputs, "functional": other}, agreement=people.agreement, fitted=FITTED)
    net = network().eval()
    answers = [net(p) for p in (people, changed)]
    assert torch.equal(*answers)
    assert answers[0].isfinite().all()


def test_gradients_reach_every_parameter():
    net, people = network().train(), population(range(FITTED), absent=([2], [4]))
    cross_entropy(net(people), CODES).backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_a_person_is_128_numbers_and_two_layers_of_128_follow():
    net = EHGCNNetwork({"functional": (110, 110), "structural": (68, 3)}, 2)
    assert net.fusion.project.out_features == 128
    assert [conv.lin_root.weight.shape for conv in net.people.convs] == [(128, 128), (128, 128)]


def test_it_learns_a_planted_effect(train, test):
    model = eh_gcn({"functional": "fmri", "structural": "smri"}).set_params(epochs=60, patience=60).fit(train)
    assert roc_auc_score(test.y, model.predict_proba(test)[:, 1]) > 0.8
