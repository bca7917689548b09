"""Similarities on the scale of the neighbourhood equal plain loops."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import norm

from graphfuse.graph.scaled_network import ScaledNetwork, neighbour_distance, scaled_similarity

K, MU = 3, 0.5


def people(n=9, seed=0):
    rng = np.random.default_rng(seed)
    return torch.as_tensor(rng.standard_normal((n, 4)) * [1, 10, 100, 0.1] + 3)


def loop(x, new=None):
    """Densities among the rows of x, or of new rows against them, features standardised by x."""
    z = (x - x.mean(0)) / x.std(0, ddof=1)
    distance = np.array([[np.linalg.norm(a - b) for b in z] for a in z])
    near = np.sort(distance, 1)[:, 1 : K + 1].mean(1)
    z_new = z if new is None else (new - x.mean(0)) / x.std(0, ddof=1)
    rho = np.array([[np.linalg.norm(a - b) for b in z] for a in z_new])
    mine = near if new is None else np.sort(rho, 1)[:, :K].mean(1)
    weight = np.zeros_like(rho)
    for i in range(len(rho)):
        for j in range(len(z)):
            weight[i, j] = norm.pdf(rho[i, j], 0, MU * (mine[i] + near[j] + rho[i, j]) / 3)
    own = np.array([norm.pdf(0, 0, MU * 2 * m / 3) for m in mine])
    return weight, own


def test_similarities_are_the_densities_in_a_plain_loop():
    x = people()
    _, weight = ScaledNetwork.of(x, torch.ones(9, dtype=torch.bool), K, MU)
    wanted, own = loop(x.numpy())
    np.testing.assert_allclose(weight, wanted, rtol=1e-10)
    np.testing.assert_allclose(weight.diagonal(), own, rtol=1e-10)
    assert torch.equal(weight, weight.T)


def test_new_people_are_compared_on_the_scale_of_the_fitted_ones():
    x, new = people(), people(5, seed=1)
    network, _ = ScaledNetwork.of(x, torch.ones(9, dtype=torch.bool), K, MU)
    weight, own = network.weight_of(new, torch.ones(5, dtype=torch.bool))
    wanted, wanted_own = loop(x.numpy(), new.numpy())
    np.testing.assert_allclose(weight, wanted, rtol=1e-10)
    np.testing.assert_allclose(own, wanted_own, rtol=1e-10)
    for i in range(5):
        alone, _ = network.weight_of(new[[i]], torch.ones(1, dtype=torch.bool))
        assert torch.equal(alone[0], weight[i])


def test_who_lacks_the_modality_enters_nowhere():
    x, has = people(), torch.tensor([1, 1, 0, 1, 1, 1, 1, 0, 1]).bool()
    full, weight = ScaledNetwork.of(x, has, K, MU)
    few, wanted = ScaledNetwork.of(x[has], has[has], K, MU)
    assert torch.equal(weight[has][:, has], wanted)
    assert not weight[~has].any()
    assert not weight[:, ~has].any()
    new, has_new = people(4, seed=1), torch.tensor([1, 0, 1, 1]).bool()
    weight, own = full.weight_of(new, has_new)
    torch.testing.assert_close(weight[has_new][:, has], few.weight_of(new[has_new], has_new[has_new])[0])
    assert not weight[~has_new].any()
    assert not weight[:, ~has].any()
    assert not own[~has_new].any()


@pytest.mark.parametrize("known", [0, 1, 2])
def test_few_people_equal_people_and_constant_features_give_finite_similarities(known):
    x, has = people(4), torch.arange(4) < known
    x[:, 2] = 7.0
    x[1] = x[0]
    network, among = ScaledNetwork.of(x, has, K, MU)
    assert among.isfinite().all()
    weight, own = network.weight_of(people(3, seed=1), torch.ones(3, dtype=torch.bool))
    assert weight.isfinite().all()
    assert own.isfinite().all()


def test_neighbours_are_as_many_as_there_are():
    distance = torch.tensor([[3.0, 1.0, 2.0]])
    assert neighbour_distance(distance, 2).item() == 1.5
    assert neighbour_distance(distance, 9).item() == 2.0
    assert neighbour_distance(distance[:, :0], 2).item() == 0.0
    got = scaled_similarity(torch.tensor([[1.0]]).double(), torch.tensor([2.0]), torch.tensor([3.0]), 0.5)
    np.testing.assert_allclose(got, norm.pdf(1.0, 0, 1.0), rtol=1e-12)
