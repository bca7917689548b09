from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import log_softmax

from graphfuse.errors import NonFinite
from graphfuse.estimators.calibration import calibrated_loss, fit_temperature, probabilities


def scores_of(n=300, c=3, signal=1.0, seed=0):
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, c, n)
    return rng.standard_normal((n, c)) + signal * np.eye(c)[codes], codes


def loss(scores, codes, slope):
    return -log_softmax(slope * scores, axis=1)[np.arange(len(codes)), codes].mean()


@pytest.mark.parametrize("unit", [1e-3, 1.0, 1e4])
@pytest.mark.parametrize("classes", [2, 3])
def test_the_slope_has_the_smallest_loss_of_a_fine_grid_whatever_the_unit(classes, unit):
    scores, codes = scores_of(c=classes)
    slope = fit_temperature(unit * scores, codes)
    grid = [loss(unit * scores, codes, slope * factor) for factor in np.geomspace(0.1, 10, 201)]
    assert loss(unit * scores, codes, slope) <= min(grid) + 1e-6


def test_the_most_probable_class_stays():
    scores, codes = scores_of(signal=0.0)
    assert np.array_equal(probabilities(scores, fit_temperature(scores, codes)).argmax(1), scores.argmax(1))


def test_scores_that_are_wrong_or_nothing_give_even_chances():
    scores, codes = scores_of(c=2, signal=3.0)
    p = probabilities(-scores, fit_temperature(-scores, codes))
    assert np.abs(p - 0.5).max() < 0.02
    assert np.isfinite(fit_temperature(np.zeros((6, 2)), np.array([0, 1] * 3)))
    np.testing.assert_allclose(probabilities(np.zeros((6, 2)), 1e12), 0.5)


def test_perfect_scores_stay_finite():
    codes = np.array([0, 1] * 10)
    p = probabilities(np.eye(2)[codes], fit_temperature(np.eye(2)[codes], codes))
    assert np.isfinite(p).all()
    assert p[np.arange(20), codes].min() > 0.99


@pytest.mark.parametrize("n", [6, 60, 6000])
def test_with_a_prior_the_slope_has_the_largest_posterior_of_a_fine_grid(n):
    scores, codes = scores_of(n=n, c=2, signal=0.3)
    slope = fit_temperature(5 * scores, codes, spread=1.0)
    posterior = lambda a: n * loss(5 * scores, codes, a) + np.log(a) ** 2 / 2  # noqa: E731
    assert posterior(slope) <= min(posterior(a) for a in np.geomspace(1e-4, 1e4, 4001)) + 1e-3
    free = fit_temperature(5 * scores, codes)
    assert n < 6000 or slope == pytest.approx(free, rel=0.1)  # many scores speak for themselves


@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e3])
def test_with_a_prior_luck_of_few_subjects_is_neither_certainty_nor_despair(unit):
    codes = np.array([0, 1] * 3)
    scores = 2 * np.eye(2)[codes]
    assert fit_temperature(scores, codes) > 20
    assert 1 < fit_temperature(scores, codes, spread=1.0) < 2
    assert fit_temperature(-scores, codes) < 0.01
    assert 0.1 < fit_temperature(-scores, codes, spread=1.0) < 1
    assert fit_temperature(np.zeros((6, 2)), codes, spread=1.0) == pytest.approx(1, rel=1e-3)
    assert np.isfinite(fit_temperature(unit * scores, codes, spread=1.0))


def test_scores_that_are_no_numbers_are_refused():
    with pytest.raises(NonFinite, match="scores"):
        fit_temperature(np.array([[np.nan, 0.0]]), np.array([0]))


def judged(scores, codes):
    weight = torch.full((1, len(codes)), 1 / len(codes), dtype=torch.float64)
    return float(calibrated_loss(torch.as_tensor(scores)[None], torch.as_tensor(codes)[None], weight))


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("unit", [0.2, 1.0, 20.0])
def test_a_network_is_judged_as_it_will_answer_once_its_temperature_is_fitted(unit, classes):
    scores, codes = scores_of(120, classes)
    slope = fit_temperature(unit * scores, codes, spread=1.0)
    doubt = np.log(slope) ** 2 / 2 / len(codes)
    assert 0 <= judged(unit * scores, codes) - loss(unit * scores, codes, slope) - doubt < 0.002


def test_who_tells_more_and_is_too_sure_is_judged_better_than_who_knows_nothing():
    scores, codes = scores_of(120, 2)
    assert loss(20 * scores, codes, 1) > np.log(2)  # the plain log loss would have chosen who knows nothing
    assert judged(20 * scores, codes) < judged(np.zeros_like(scores), codes) == pytest.approx(np.log(2))


def test_networks_are_judged_apart_and_rows_that_fill_up_count_for_nothing():
    (a, one), (b, two) = scores_of(50, 2), scores_of(30, 2, seed=1)
    logits, target = torch.full((2, 64, 2), 7.0, dtype=torch.float64), torch.zeros(2, 64, dtype=torch.int64)
    weight = torch.zeros(2, 64, dtype=torch.float64)
    for row, (scores, codes) in enumerate([(a, one), (b, two)]):
        n = len(codes)
        logits[row, :n], target[row, :n], weight[row, :n] = torch.as_tensor(scores), torch.as_tensor(codes), 1 / n
    together = calibrated_loss(logits, target, weight)
    np.testing.assert_allclose(together, [judged(a, one), judged(b, two)], rtol=1e-12)
