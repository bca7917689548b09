"""The hypergraph of people equals plain loops, and new people leave its fitted rows alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from graphfuse.errors import InvalidOption, MissingModality, NotFitted
from graphfuse.graph.hypergraph import PopulationHypergraph, theta
from graphfuse.kernels.hypergraph import Hypergraph
from graphfuse.nn.conv.hypergraph import HypergraphConv

N, K, WIDTH = 15, 3, 0.8


def people(n=N, seed=0):
    rng = np.random.default_rng(seed)
    return {"fmri": rng.standard_normal((n, 6)), "smri": rng.standard_normal((n, 4))}


def model(**options):
    return PopulationHypergraph(**{"neighbours": K, "width": WIDTH} | options)


def incidence(x, has, soft=True):
    """H of one modality in a plain loop; a column a person who has it."""
    who = np.flatnonzero(has)
    h = np.zeros((len(x), len(who)))
    for e, centre in enumerate(who):
        distance = np.array([np.linalg.norm(x[centre] - x[j]) for j in who])
        members = [centre, *who[[j for j in np.argsort(distance, kind="stable") if who[j] != centre][:K]]]
        for j in members:
            d = np.linalg.norm(x[centre] - x[j])
            h[j, e] = np.exp(-(d**2) / (WIDTH * distance.mean()) ** 2) if soft else 1.0
    return h


def closed_form(h, m=None):
    m = h if m is None else m
    root = np.diag(h.sum(1) ** -0.5)
    return root @ h @ np.diag(1 / m.sum(0)) @ m.T @ root


@pytest.mark.parametrize("membership", ["soft", "binary"])
def test_the_operator_is_that_of_the_concatenated_incidences_in_plain_loops(membership):
    features, has = people(), np.ones(N, bool)
    h = np.hstack([incidence(features[name], has, membership == "soft") for name in ("fmri", "smri")])
    fitted = model(membership=membership).fit(features)
    np.testing.assert_allclose(fitted.hypergraph().to_dense()[0], closed_form(h), atol=1e-6)
    np.testing.assert_allclose(fitted.adjacency().to_dense()[0], closed_form(h), atol=1e-6)
    assert fitted.adjacency().symmetric


def test_who_lacks_a_modality_is_in_none_of_its_hyperedges_and_its_values_change_no_bit():
    features, has = people(), np.ones(N, bool)
    has[[2, 6]] = False
    h = np.hstack([incidence(features["fmri"], np.ones(N, bool)), incidence(features["smri"], has)])
    present = {"fmri": np.ones(N, bool), "smri": has}
    fitted = model().fit(features, present)
    assert fitted.hypergraph().spread.shape == (1, N, 2 * N - 2)
    np.testing.assert_allclose(fitted.adjacency().to_dense()[0], closed_form(h), atol=1e-6)
    features["smri"][~has] = np.nan
    assert torch.equal(model().fit(features).adjacency().to_dense(), fitted.adjacency().to_dense())


def test_a_new_person_hears_her_own_hyperedge_over_fitted_people_in_a_plain_loop():
    features, new = people(), people(1, seed=1)
    fitted = np.hstack([incidence(features[name], np.ones(N, bool)) for name in ("fmri", "smri")])
    h, m = (np.vstack([fitted, np.zeros(2 * N)]) for _ in "hm")
    for name in ("fmri", "smri"):
        distance = np.linalg.norm(features[name] - new[name], axis=1)
        member = np.zeros(N + 1)
        near = np.argsort(distance)[:K]
        member[near] = np.exp(-(distance[near] ** 2) / (WIDTH * distance.sum() / (N + 1)) ** 2)
        member[N] = 1.0
        m = np.hstack([m, member[:, None]])
        h = np.hstack([h, np.eye(N + 1)[:, [N]]])
    got = model().fit(features).attach(new).to_dense()[0]
    np.testing.assert_allclose(got, closed_form(h, m), atol=1e-6)


def test_new_people_change_no_bit_of_a_fitted_row_and_nobody_hears_them():
    features, new = people(), people(4, seed=1)
    fitted = model().fit(features)
    before, attached = fitted.adjacency().to_dense()[0], fitted.attach(new).to_dense()[0]
    assert torch.equal(attached[:N, :N], before)
    assert not attached[:N, N:].any()
    assert torch.equal(attached[N:, N:], torch.diag(attached[N:, N:].diagonal()))
    assert (attached[N:, :N].count_nonzero(1) >= K).all()


def test_a_convolution_gives_fitted_people_the_same_bits_with_and_without_new_ones():
    features, new = people(), people(4, seed=1)
    fitted, conv = model().fit(features), HypergraphConv(5, 3)
    x, x_new = torch.randn(1, N, 5), torch.randn(1, 4, 5)
    alone = conv(x, fitted.hypergraph())
    together = conv(torch.cat([x, x_new], 1), fitted.extended(new))
    assert torch.equal(together[:, :N], alone)
    stored = conv(torch.cat([x, x_new], 1), fitted.attach(new))
    assert torch.equal(stored[:, :N], conv(x, fitted.adjacency()))
    torch.testing.assert_close(stored, together)


def test_a_new_persons_row_does_not_depend_on_who_else_is_new():
    fitted, new = model().fit(people()), people(4, seed=1)
    together = fitted.attach(new).to_dense()[0]
    for i in range(4):
        alone = fitted.attach({name: x[[i]] for name, x in new.items()}).to_dense()[0]
        assert torch.equal(alone[N, :N], together[N + i, :N])
        assert alone[N, N] == together[N + i, N + i]


def test_a_new_person_without_a_modality_is_attached_by_the_other_one():
    fitted, new = model().fit(people()), people(2, seed=1)
    present = {"fmri": np.ones(2, bool), "smri": np.array([True, False])}
    got = fitted.attach(new, present).to_dense()
    assert (got[0, N + 1, :N] > 0).sum() == K
    new["smri"][1] = np.nan
    assert torch.equal(fitted.attach(new).to_dense(), got)


def test_equal_people_are_members_by_position_and_the_centre_always_is_one():
    features = {"fmri": np.ones((6, 2))}
    got = model(neighbours=2).fit(features).hypergraph().spread.to_dense()[0]
    assert ((got > 0).sum(0) == 3).all()
    assert (got.diagonal() > 0).all()
    assert (got[:2] > 0).all()  # the first two are everybody's nearest


def test_theta_stores_the_operator_of_a_weighted_stack_of_hypergraphs():
    torch.manual_seed(0)
    incidence = torch.rand(3, 6, 4) * (torch.rand(3, 6, 4) < 0.6)
    hypergraph = Hypergraph.of(incidence, torch.rand(3, 4))
    torch.testing.assert_close(theta(hypergraph).to_dense(), hypergraph.to_dense())


def test_wrong_settings_and_other_modalities_are_refused():
    features = people()
    for options in ({"neighbours": 0}, {"width": 0}, {"membership": "hard"}):
        with pytest.raises(InvalidOption, match=next(iter(options))):
            model(**options).fit(features)
    with pytest.raises(NotFitted):
        model().adjacency()
    with pytest.raises(NotFitted):
        model().attach(features)
    with pytest.raises(MissingModality, match="Expected"):
        model().fit(features).attach({"fmri": features["fmri"]})
