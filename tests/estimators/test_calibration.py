from __future__ import annotations

import numpy as np
import pytest
from scipy.special import log_softmax

from graphfuse.estimators.calibration import fit_temperature, probabilities


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
