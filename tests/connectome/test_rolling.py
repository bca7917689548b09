from __future__ import annotations

import pytest
import torch

from graphfuse.connectome import rolling
from graphfuse.connectome.windows import taper_weights


@pytest.fixture
def z():
    z = torch.randn(60, 37, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return z - z.mean(0)


@pytest.mark.parametrize("taper", [None, "gaussian"])
@pytest.mark.parametrize("step", [1, 2, 5])
def test_moments_and_standardised_windows_equal_plain_torch(z, taper, step):
    z[5:30, 3] = 0.25
    weights, windows = taper_weights(taper, 12), (60 - 12) // step + 1
    got = rolling.window_moments(z, weights, step, windows)
    expected = rolling.moments_reference(z, weights, step, windows)
    for a, b in zip(got, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-14)
    arguments = z, weights.sqrt(), step, got[1].rsqrt().clamp(max=10), got[0], torch.float64
    torch.testing.assert_close(rolling._standardised(*arguments), rolling.standardised_reference(*arguments))


@pytest.mark.parametrize(("length", "step"), [(12, 1), (13, 2), (14, 3), (60, 1)])
def test_running_sums_equal_products(z, length, step):
    weights, windows = taper_weights(None, length), (60 - length) // step + 1
    mean, variance, _ = rolling.window_moments(z, weights, step, windows)
    running, product = z.new_empty(2, windows, 37, 37)
    rolling.running_covariance(z, length, step, variance.rsqrt(), mean, 1.0, running)
    rolling.product_covariance(z, weights, step, variance.rsqrt(), mean, 1.0, product)
    torch.testing.assert_close(running, product, rtol=0, atol=1e-12)
    assert torch.equal(running, running.mT)
    assert torch.equal(product, product.mT)


def test_the_bound_of_running_sums_holds_and_grows_with_what_was_loud(z):
    weights = taper_weights(None, 12)
    for size in (1.0, 1e2, 1e4):
        loud = z.clone()
        loud[:3] *= size
        mean, variance, constant = rolling.window_moments(loud, weights, 1, 49)
        running, product = z.new_empty(2, 49, 37, 37)
        rolling.running_covariance(loud, 12, 1, variance.rsqrt(), mean, 1.0, running)
        rolling.product_covariance(loud, weights, 1, variance.rsqrt(), mean, 1.0, product)
        bound = rolling.running_error(loud, variance, constant)
        assert float((running - product).abs().max()) <= bound
        assert bound < 1e-6 * size**2


def test_chunks_change_nothing(z, monkeypatch):
    weights = taper_weights("hamming", 12)
    whole, parts = z.new_empty(2, 49, 37, 37)
    rolling.window_covariance(z, weights, 1, None, whole)
    monkeypatch.setattr(rolling, "CHUNK_NUMBERS", 1)
    rolling.window_covariance(z, weights, 1, None, parts)
    torch.testing.assert_close(parts, whole, rtol=0, atol=1e-14)
