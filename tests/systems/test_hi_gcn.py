"""Hi-GCN knows the clusters of the group, hears neighbours at both levels, and trains both as one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from sklearn.metrics import roc_auc_score
from torch import nn
from torch.nn.functional import cross_entropy

from graphfuse.graph.graphs import Graphs
from graphfuse.kernels.adjacency import Adjacency
from graphfuse.nn.pool.eigen import EigenPooling
from graphfuse.nn.pool.spectral import mean_graph
from graphfuse.nn.population import Population
from graphfuse.systems.hi_gcn import HiGCNNetwork, hi_gcn

N, R, F, FITTED = 9, 8, 5, 7
CODES = torch.arange(FITTED) % 2
BLOCKS = torch.tensor([0, 0, 0, 0, 1, 1, 1, 1])


def population(mask=False, only=range(N)) -> Population:
    """Graphs of two blocks of regions; a ring of fitted people, and two new ones who each hear two of them."""
    torch.manual_seed(1)
    x, weight = torch.randn(N, R, F), torch.rand(N, R, R) * torch.where(BLOCKS[:, None] == BLOCKS, 1.0, 0.05)
    weight = (weight + weight.mT) * (1 - torch.eye(R))
    nodes = torch.ones(N, R, dtype=torch.bool)
    if mask:
        nodes[0, 4:], nodes[1, 2] = False, False
    usable = nodes[..., None]
    present = torch.ones(N, dtype=torch.bool)
    graphs = Graphs(x * usable, Adjacency.from_dense(weight * usable * nodes[:, None]), nodes, present)
    among = torch.zeros(N, N)
    ring = torch.arange(FITTED)
    among[ring, (ring + 1) % FITTED] = among[(ring + 1) % FITTED, ring] = 1.0
    among[7, [0, 3]] = among[8, [2, 5]] = 1.0
    only = list(only)
    return Population(
        {"functional": graphs[only]}, {"functional": Adjacency.from_dense(among[only][:, only])}, fitted=7
    )


def network(people=None, **options) -> HiGCNNetwork:
    torch.manual_seed(0)
    net = HiGCNNetwork({"functional": (R, F)}, 2, **{"width": 6, "cluster_size": 4, **options})
    net.prepare(population(only=range(FITTED)) if people is None else people)
    return net


def relabelled(graphs: Graphs, order) -> Graphs:
    weight = graphs.adjacency.to_dense()[:, order][:, :, order]
    return Graphs(graphs.x[:, order], Adjacency.from_dense(weight), graphs.nodes[:, order], graphs.present)


def test_regions_belong_to_clusters_of_the_group_so_that_relabelled_regions_give_another_vector():
    """Graph convolutions under a readout cannot tell: the part of the vector that is read of them stays the same."""
    net, own = network().eval(), population().inputs["functional"]
    moved = relabelled(own, torch.tensor([7, 1, 5, 3, 4, 2, 6, 0]))
    parts = [net.regions(graphs).unflatten(1, (3, -1)) for graphs in (own, moved)]  # a layer: 6 of regions, 18 of modes
    torch.testing.assert_close(parts[0][..., :6], parts[1][..., :6])
    assert (parts[0] - parts[1])[..., 6:].abs().amax((0, 1)).min() > 1e-3


def test_clusters_and_modes_are_those_of_the_mean_graph_of_the_fitted_people():
    net, people = network(), population(only=range(FITTED))
    expected = EigenPooling(mean_graph(people.inputs["functional"].adjacency), 2, 3)
    told = net.weights(people)
    assert torch.equal(told["clusters"], BLOCKS)
    assert torch.equal(told["modes"], expected.basis)
    assert torch.equal(network(population()).regions.pool.basis, expected.basis)  # attached people change nothing


def test_the_vector_is_the_maximum_over_regions_and_over_clusters_of_each_layer():
    net, people = network().eval(), population(mask=True)
    graphs = people.inputs["functional"]
    x, expected = graphs.x, []
    for conv, norm in zip(net.regions.convs, net.regions.norms, strict=True):
        x = norm(conv(x, graphs.adjacency)).relu()
        for g in range(N):
            usable = graphs.nodes[g]
            coefficients = []
            for k in range(2):
                members = usable & BLOCKS.eq(k)
                if members.any():
                    modes = net.regions.pool.basis[:, members, k]  # (3, members)
                    coefficients.append((modes @ x[g, members]).flatten())
            expected.append(torch.cat([x[g, usable].amax(0), torch.stack(coefficients).amax(0)]))
        x = x * graphs.nodes[..., None]
    expected = torch.stack(expected).view(3, N, -1).transpose(0, 1).flatten(1)
    torch.testing.assert_close(net.regions(graphs), expected)


def test_the_vector_has_the_published_1536_numbers_and_the_people_network_its_parameters():
    net = HiGCNNetwork({"functional": (110, 110)}, 2)
    assert net.regions.out_channels == 1536
    assert sum(p.numel() for p in net.convs.parameters()) == 4 * 1536 * 16 + 16 + 4 * 16 * 2 + 2
    assert net.regions.pool.members.shape == (110, 11)
    assert [conv.lin.weight.shape[0] for conv in net.regions.convs] == [128, 128, 128]


def test_the_loss_of_one_person_reaches_regions_of_her_neighbours():
    """Joint training: what is wrong about one person teaches how another one's regions are read."""
    net, people = network().eval(), population(only=range(FITTED))
    graphs = people.inputs["functional"]
    graphs.x.requires_grad_(True)
    vectors = net.regions(graphs)
    second_level = net.convs[1](net.convs[0](vectors[None], people.graphs["functional"]), people.graphs["functional"])
    second_level[0, 0].sum().backward()
    heard = graphs.x.grad.abs().amax((1, 2)) > 0
    assert heard.all()  # in six hops around a ring of seven, everybody
    alone = nn.Linear(vectors.shape[1], 2)
    graphs.x.grad = None
    alone(net.regions(graphs))[0].sum().backward()
    assert (graphs.x.grad.abs().amax((1, 2)) > 0).tolist() == [True] + [False] * 6


def test_gradients_reach_every_parameter():
    net, people = network().train(), population(only=range(FITTED))
    cross_entropy(net(people), CODES).backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_a_new_person_is_heard_by_nobody_and_hears_no_other_new_one():
    net = network().eval()
    both, first, second = net(population()), net(population(only=range(8))), net(population(only=[*range(7), 8]))
    torch.testing.assert_close(both[:7], net(population(only=range(7))))
    torch.testing.assert_close(both[7], first[7])
    torch.testing.assert_close(both[8], second[7])


def test_somebody_who_was_not_measured_counts_as_the_mean_and_moves_no_mean():
    people, net = population(), network().eval()
    graphs = people.inputs["functional"]
    present = torch.arange(N) != 6
    answers = []
    for fill in (0.0, 5.0):
        x = torch.where(present[:, None, None], graphs.x, fill)
        gone = Graphs(x, graphs.adjacency, graphs.nodes & present[:, None], present)
        answers.append(net(Population({"functional": gone}, people.graphs, fitted=7)))
    assert torch.equal(*answers)
    assert answers[0].isfinite().all()


def test_a_network_made_anew_takes_the_state_with_its_clusters():
    net, people = network().eval(), population()
    fresh = HiGCNNetwork({"functional": (R, F)}, 2, width=6, cluster_size=4).eval()
    fresh.load_state_dict(net.state_dict())
    assert torch.equal(fresh(people), net(people))


def louder(cohort):
    """The planted regions of the second class share a stronger signal."""
    signal, rng = cohort.signals["fmri"], np.random.default_rng(0)
    data = signal.data.copy()
    for start, length, label in zip(signal.start, signal.length, cohort.y, strict=True):
        data[start : start + length, :4] += 2 * label * rng.normal(size=(length, 1)).astype(np.float32)
    return replace(cohort, signals={**cohort.signals, "fmri": replace(signal, data=data)})


def test_it_learns_a_planted_effect(cohort):
    cohort = louder(cohort)
    train, test = cohort[np.arange(36)], cohort[np.arange(36, 48)]
    model = hi_gcn({"functional": "fmri"}).set_params(options={"width": 16}, epochs=40, patience=40).fit(train)
    assert roc_auc_score(test.y, model.predict_proba(test)[:, 1]) > 0.8
