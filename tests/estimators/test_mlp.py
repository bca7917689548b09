from __future__ import annotations

import numpy as np
import torch

import graphfuse as gf


def test_the_network_reads_the_standardised_vectors_of_all_modalities(train, test):
    mlp = gf.MLP(epochs=2, hidden=4, members=1).fit(train)
    X = mlp.vector_.transform(test)
    assert X.shape == (len(test), 100 * 99 // 2 + 68 * 5)
    deviation = mlp.vector_.transform(train).std(0)
    np.testing.assert_allclose(deviation, 1, atol=1e-3)
    weights = mlp.network_.members[0].state_dict()
    hidden = np.maximum(X @ weights["1.weight"].numpy().T + weights["1.bias"].numpy(), 0)
    logits = hidden @ weights["4.weight"].numpy().T + weights["4.bias"].numpy()
    logits = logits / mlp.network_.temperature.numpy()
    wanted = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    np.testing.assert_allclose(mlp.predict_proba(test), wanted, atol=1e-5)


def test_seeds_differ_and_leave_the_users_generator_alone(train, test):
    torch.manual_seed(7)
    wanted = torch.rand(3)
    torch.manual_seed(7)
    a = gf.MLP(epochs=2, hidden=4, random_state=0).fit(train).predict_proba(test)
    assert torch.equal(torch.rand(3), wanted)
    b = gf.MLP(epochs=2, hidden=4, random_state=1).fit(train).predict_proba(test)
    assert not np.array_equal(a, b)


def test_it_learns_a_planted_effect():
    cohort = gf.simulate_cohort(100, auc=0.97, modalities=("smri",), missing={}, site_offset=0, seed=1).cohort
    model = gf.MLP(hidden=8, epochs=40).fit(cohort[:70])
    assert model.score(cohort[:70]) > 0.8
    assert model.score(cohort[70:]) > 0.6


def test_who_lacks_a_modality_is_imputed_from_training_people_alone(cohort):
    people = cohort.without("smri", np.arange(len(cohort)) % 2 == 0)
    train, test = people[:44], people[44:]
    model = gf.MLP(epochs=3, hidden=4, impute="propagation").fit(train)
    p = model.predict_proba(test)
    np.testing.assert_allclose(model.predict_proba(test[[0]])[0], p[0], atol=1e-5)
    plain = gf.MLP(epochs=3, hidden=4).fit(train).predict_proba(test)
    assert np.abs(p - plain)[~test.has("smri")].max() > 1e-4
