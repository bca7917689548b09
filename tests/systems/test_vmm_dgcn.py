"""VMM-DGCN: a graph of people at each scale, made of what the filters see."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch.nn import BatchNorm1d
from torch.nn.functional import adaptive_avg_pool1d, conv1d, cross_entropy

from graphfuse.cohort import Cohort
from graphfuse.errors import InvalidOption
from graphfuse.graph.rows import Rows
from graphfuse.nn.population import Population
from graphfuse.systems.vmm_dgcn import ROLE, ScaleFilter, VMMDGCNNetwork, vmm_dgcn

N, P = 20, 40
SMALL = {"channels": 2, "bins": 8, "hidden": 4, "num_layers": 3, "neighbours": 4, "dropout": 0.0, "drop_edge": 0.0}


def population(new: int = 0, lacking: tuple[int, ...] = ()) -> Population:
    """N fitted people at two sites and some attached ones."""
    rng = torch.Generator().manual_seed(0)
    total = N + new
    x, present = torch.randn(2 * N, P, generator=rng)[:total], torch.ones(total, dtype=torch.bool)
    present[list(lacking)] = False
    site = torch.arange(total) % 2
    agreement = (site[:, None] == site).float().fill_diagonal_(0)
    agreement[:, N:] = 0
    rows = Rows(torch.where(present[:, None], x, 0.0), present)
    return Population({ROLE: rows}, {}, agreement, torch.zeros(total, 0), N)


def network(**options) -> VMMDGCNNetwork:
    torch.manual_seed(0)
    return VMMDGCNNetwork({ROLE: (P,), "phenotypes": (0,)}, 2, **{**SMALL, **options}).eval()


def _gradient(model: VMMDGCNNetwork) -> torch.Tensor:
    """Of the widest filter."""
    cross_entropy(model(population()), torch.arange(N) % 2).backward()
    return model.filters["7"].taps.weight.grad


def test_the_graphs_are_made_of_what_the_filters_see():
    through, cut = network(grad_through_graph=True), network()
    assert torch.equal(through(population()), cut(population()))
    # The same answers from the same features: only a graph that depends on the filters makes another gradient.
    assert not torch.allclose(_gradient(through), _gradient(cut), rtol=1e-2)


def test_each_scale_has_its_own_graph_which_changes_with_its_filter_alone():
    model, people = network(), population()
    before = model.weights(people)
    torch.nn.init.normal_(model.filters["5"].taps.weight)
    after = model.weights(people)
    assert not torch.equal(before["edges 3"], before["edges 7"])
    assert [torch.equal(before[f"edges {k}"], after[f"edges {k}"]) for k in (3, 5, 7)] == [True, False, True]


def test_a_graph_is_similarity_times_agreement_at_the_strongest_pairs():
    model, people = network(), population()
    x = model.scales(people)["3"].detach().numpy().astype(float)
    rho = 1 - np.corrcoef(x)
    weight = np.exp(-(rho**2) / (2 * rho.mean() ** 2)) * people.agreement.numpy()
    kept = weight >= np.sort(weight, 1)[:, [-4]]
    edges = model.weights(people)["edges 3"].numpy()
    np.testing.assert_allclose(edges, np.where(kept | kept.T, weight, 0), atol=1e-5)
    np.testing.assert_array_equal(edges, edges.T)


def test_edges_are_dropped_in_training_only():
    model = network(drop_edge=0.5)
    answer = model(population())
    assert torch.equal(model(population()), answer)
    for part in model.modules():
        part.training = isinstance(part, type(model.stacks["3"].drop_edge))
    assert not torch.allclose(model(population()), answer)


def test_attached_people_change_no_answer_of_the_fitted_nor_of_each_other():
    model = network()
    alone, together = model(population()), model(population(new=5))
    torch.testing.assert_close(together[:N], alone, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(model(population(new=1))[N], together[N], atol=1e-5, rtol=1e-5)


def test_the_order_of_people_does_not_matter():
    model, people, order = network(), population(), torch.randperm(N)
    turned = Population(
        {ROLE: people.inputs[ROLE][order.numpy()]}, {}, people.agreement[order][:, order], people.traits, N
    )
    torch.testing.assert_close(model(turned), model(people)[order], atol=1e-5, rtol=1e-5)


def test_who_was_not_measured_shifts_no_norm_and_gets_an_answer():
    model = network().train()
    model(population(lacking=(3, 7)))
    shifted = model.filters["3"].norm.running_mean.clone()
    model = network().train()
    whole = population()
    model(
        Population(
            {ROLE: whole.inputs[ROLE][[i for i in range(N) if i not in (3, 7)]]}, {}, torch.zeros(18, 18), None, 18
        )
    )
    torch.testing.assert_close(model.filters["3"].norm.running_mean, shifted)
    assert torch.isfinite(model.eval()(population(lacking=(3, 7)))).all()
    assert not model.scales(population(lacking=(3,)))["3"][3].any()


@pytest.mark.parametrize(("fusion", "weighed"), [("attention", True), ("concat", False), ("mean", False)])
def test_each_fusion_of_scales_answers(fusion, weighed):
    model = network(fusion=fusion)
    assert model(population()).shape == (N, 2)
    told = model.weights(population())
    assert ("scales" in told) == weighed
    if weighed:
        torch.testing.assert_close(told["scales"].sum(1), torch.ones(N))


def test_an_unknown_fusion_and_an_even_filter_are_refused():
    with pytest.raises(InvalidOption, match="fusion"):
        network(fusion="outer")
    with pytest.raises(InvalidOption, match="odd width"):
        network(scales=(3, 4))


def test_a_filter_is_a_convolution():
    seen, x = ScaleFilter(5, 3, 4), torch.randn(6, 11)
    expected = conv1d(x[:, None], seen.taps.weight[:, None], padding=2)  # (6, 3, 11)
    torch.testing.assert_close(seen.convolved(x), expected.transpose(0, 1))
    rows = Rows(x, torch.ones(6, dtype=torch.bool))
    torch.testing.assert_close(seen(rows), adaptive_avg_pool1d(BatchNorm1d(3)(expected).relu(), 4).flatten(1))


def test_gradients_reach_every_parameter():
    model = network(dropout=0.2, drop_edge=0.3).train()
    cross_entropy(model(population()), torch.arange(N) % 2).backward()
    assert all(part.grad is not None and part.grad.any() for part in model.parameters())


def test_the_parameters_are_those_of_the_widths():
    model = VMMDGCNNetwork({ROLE: (2000,), "phenotypes": (0,)}, 2)
    filters = sum(4 * k + 2 * 4 for k in (3, 5, 7))
    stacks = 3 * (3 * 2000 * 16 + 16 + 7 * (3 * 16 * 16 + 16) + 8 * 2 * 16)  # 8 layers of three terms, and their norms
    fusion = 3 * (16 * 16 + 16) + 16 * 16 + 16 + 16
    head = 16 * 128 + 128 + 2 * 128 + 128 * 2 + 2
    assert sum(part.numel() for part in model.parameters()) == filters + stacks + fusion + head


def louder(cohort: Cohort) -> Cohort:
    """The cohort with fibres that hold a larger effect between the first four regions."""
    signal = cohort.signals["dti"]
    data = signal.data.copy()
    data[:, :4, :4] += 3 * cohort.y[:, None, None] * (1 - np.eye(4, dtype=np.float32))
    return replace(cohort, signals={"dti": replace(signal, data=data)})


def test_it_learns_what_was_planted(cohort):
    cohort = louder(cohort)
    train, test = cohort[np.arange(36)], cohort[np.arange(36, 48)]
    shallow = {"num_layers": 2}  # eight layers need more people
    model = vmm_dgcn({ROLE: "dti"}).set_params(epochs=30, patience=30, learning_rate=5e-3, options=shallow).fit(train)
    assert roc_auc_score(test.y, model.predict_proba(test)[:, 1]) > 0.8
