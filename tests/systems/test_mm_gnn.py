"""MM-GNN: one graph in which three must agree, two branches, and the mean of their probabilities."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch.nn.functional import cross_entropy

from graphfuse.cohort import Cohort
from graphfuse.estimators.population_system import EVERYTHING
from graphfuse.graph.rows import Rows
from graphfuse.kernels.adjacency import Adjacency
from graphfuse.nn.population import Population
from graphfuse.systems.mm_gnn import ROLES, MMGNNNetwork, joint_graph, mm_gnn

N, P = 12, 6
GRAPHS = (*ROLES, EVERYTHING)


def population(new: int = 0, **lacking: tuple[int, ...]) -> Population:
    """N fitted people and some attached ones; `lacking` says who lacks which role."""
    rng = torch.Generator().manual_seed(0)
    total = N + new
    inputs = {}
    for role in ROLES:
        present = torch.ones(total, dtype=torch.bool)
        present[list(lacking.get(role, ()))] = False
        inputs[role] = Rows(torch.where(present[:, None], torch.randn(total, P, generator=rng), 0.0), present)
    agreement = torch.randint(0, 3, (total, total), generator=rng).triu(1).float()
    agreement = agreement + agreement.T
    agreement[:, N:] = 0
    graphs = {}
    for name in GRAPHS:
        similarity = torch.rand(total, total, generator=rng)
        graphs[name] = Adjacency.from_dense(((similarity + similarity.T) * agreement)[None])
    return Population(inputs, graphs, agreement, torch.zeros(total, 0), N)


def network(**options) -> MMGNNNetwork:
    torch.manual_seed(0)
    return MMGNNNetwork({**dict.fromkeys(ROLES, (P,)), "phenotypes": (0,)}, 2, **options).eval()


def without_edge(people: Population, *names: str) -> Population:
    """The population with one pair parted in some graphs."""
    first, second = people.agreement[0].argmax(), 0
    graphs = dict(people.graphs)
    for name in names:
        weight = graphs[name].to_dense().clone()
        weight[0, first, second] = weight[0, second, first] = 0
        graphs[name] = Adjacency.from_dense(weight)
    return replace(people, graphs=graphs)


@pytest.mark.parametrize("name", GRAPHS)
def test_two_people_are_joined_only_if_all_three_graphs_join_them(name):
    model, people = network(), population()
    parted = model(without_edge(people, *GRAPHS))
    assert torch.equal(model(without_edge(people, name)), parted)
    assert not torch.allclose(model(people), parted)


def test_the_joint_graph_is_the_product_of_the_three():
    people = population(new=2)
    expected = np.prod([graph.to_dense().numpy() for graph in people.graphs.values()], 0)
    np.testing.assert_allclose(joint_graph(people).to_dense().numpy(), expected, rtol=1e-6)


def test_the_answer_is_the_mean_of_the_branches_probabilities():
    model, people = network(), population()
    first, second = (z.softmax(1) for z in model.branch_logits(people).values())
    torch.testing.assert_close(model(people).exp(), (first + second) / 2)
    told = model.weights(people)
    torch.testing.assert_close(told["first"], first.detach())
    assert told["edges"].shape == (N, N)


def test_a_missing_modality_drops_out_of_the_mean_and_of_the_product():
    model, people = network(), population(second=(2,), first=(5,))
    branches = model.branch_logits(people)
    torch.testing.assert_close(model(people)[2], branches["first"][2].log_softmax(0))
    torch.testing.assert_close(model(people)[5], branches["second"][5].log_softmax(0))
    dense = {name: graph.to_dense()[0] for name, graph in people.graphs.items()}
    expected = dense["first"][2] * people.agreement[2] * dense[EVERYTHING][2]
    expected[5] = people.agreement[2, 5] ** 2 * dense[EVERYTHING][2, 5]
    torch.testing.assert_close(joint_graph(people).to_dense()[0, 2], expected)


def test_who_has_nothing_is_answered_by_both_branches():
    model, people = network(), population(first=(4,), second=(4,))
    first, second = (z.softmax(1) for z in model.branch_logits(people).values())
    torch.testing.assert_close(model(people)[4].exp(), ((first + second) / 2)[4])


def test_the_loss_trains_each_branch_as_its_own_cross_entropy_would():
    model, people, codes = network(), population(second=(2, 3)), torch.arange(N) % 2
    model.loss(people, torch.arange(N), codes).backward()
    together = {name: part.grad.clone() for name, part in model.named_parameters()}
    for role, others in (("first", []), ("second", [2, 3])):
        model.zero_grad()
        rows = torch.tensor([i for i in range(N) if i not in others])
        cross_entropy(model.branch_logits(people)[role][rows], codes[rows]).backward()
        for name, part in model.branches[role].named_parameters():
            torch.testing.assert_close(part.grad, together[f"branches.{role}.{name}"])


def test_a_step_in_which_nobody_has_a_modality_leaves_its_branch_alone():
    model, people = network(), population(second=(0, 1))
    model.loss(people, torch.tensor([0, 1]), torch.tensor([0, 1])).backward()
    assert not any(part.grad.any() for part in model.branches["second"].parameters())
    assert any(part.grad.any() for part in model.branches["first"].parameters())


def test_attached_people_change_no_answer_of_the_fitted_nor_of_each_other():
    model, people = network(), population(new=4)
    alone = Population(
        {role: rows[range(N)] for role, rows in people.inputs.items()},
        {name: Adjacency.from_dense(graph.to_dense()[:, :N, :N]) for name, graph in people.graphs.items()},
        people.agreement[:N, :N],
        people.traits[:N],
        N,
    )
    torch.testing.assert_close(model(people)[:N], model(alone), atol=1e-6, rtol=1e-6)


def test_gradients_reach_every_parameter():
    model = network().train()
    model.loss(population(), torch.arange(N), torch.arange(N) % 2).backward()
    assert all(part.grad is not None and part.grad.any() for part in model.parameters())


def test_the_parameters_are_those_of_the_published_widths():
    model = MMGNNNetwork(dict.fromkeys(ROLES, (6786,)), 2)
    branch = 3 * 6786 * 32 + 32 + 3 * 32 * 32 + 32 + 32 * 2 + 2  # three terms, hidden 32
    assert sum(part.numel() for part in model.parameters()) == 2 * branch


def louder(cohort: Cohort) -> Cohort:
    """The cohort with a larger effect in the first four regions."""
    signals = {}
    for name in ("smri", "pet"):
        data = cohort.signals[name].data.copy()
        data[:, :4] += 3 * cohort.y[:, None, None]
        signals[name] = replace(cohort.signals[name], data=data)
    return replace(cohort, signals=signals)


def test_it_learns_what_was_planted(cohort):
    cohort = louder(cohort)
    train, test = cohort[np.arange(36)], cohort[np.arange(36, 48)]
    model = mm_gnn({"first": "smri", "second": "pet"}).set_params(epochs=60, patience=60, learning_rate=5e-3)
    model.fit(train)
    assert roc_auc_score(test.y, model.predict_proba(test)[:, 1]) > 0.8
