from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from nilearn.connectome import ConnectivityMeasure
from sklearn.covariance import EmpiricalCovariance, LedoitWolf

from graphfuse.connectome import KINDS, correlation, covariance, fisher_z, functional_connectivity, partial_correlation
from graphfuse.errors import GraphFuseError, InvalidOption, NonFinite, NotPositiveDefinite, UnusableRegion

NILEARN = {
    "covariance": "covariance",
    "correlation": "correlation",
    "partial": "partial correlation",
    "precision": "precision",
}
ESTIMATES = {
    "empirical": EmpiricalCovariance(store_precision=False),
    "ledoit-wolf": LedoitWolf(store_precision=False),
}


@pytest.fixture
def series():
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(6, 6))
    return [rng.normal(size=(t, 6)) @ mixing + 100 for t in (40, 25, 40, 31)]


@pytest.mark.parametrize("estimator", ESTIMATES)
@pytest.mark.parametrize("kind", NILEARN)
def test_equals_nilearn(series, kind, estimator):
    expected = ConnectivityMeasure(ESTIMATES[estimator], kind=NILEARN[kind]).fit_transform(series)
    got = functional_connectivity(series, kind, estimator, dtype=torch.float64)
    np.testing.assert_allclose(got, expected, rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(got, got.mT, rtol=0, atol=0)


@pytest.mark.parametrize("kind", NILEARN)
def test_float32_series_give_the_same_to_single_precision(series, kind):
    single = [x.astype(np.float32) for x in series]
    expected = functional_connectivity(series, kind, dtype=torch.float64).float()
    torch.testing.assert_close(
        functional_connectivity(single, kind, dtype=torch.float32), expected, rtol=2e-3, atol=2e-4
    )


def test_an_estimator_that_a_kind_has_no_use_for_is_refused(series):
    with pytest.raises(InvalidOption, match="takes no estimator"):
        functional_connectivity(series, "spearman", "ledoit-wolf")


def test_defaults():
    x = torch.randn(2, 20, 4, generator=torch.Generator().manual_seed(0))
    assert {kind: function(x).dtype for kind, function in KINDS.items()} == {
        "correlation": torch.float32,
        "covariance": torch.float64,
        "partial": torch.float64,
        "precision": torch.float64,
        "gaussian-information": torch.float32,
        "mutual-information": torch.float32,
        "normalised-mutual-information": torch.float32,
        "spearman": torch.float32,
    }
    torch.testing.assert_close(functional_connectivity(x, "correlation"), correlation(x, "empirical"))
    torch.testing.assert_close(functional_connectivity(x, "partial"), partial_correlation(x, "ledoit-wolf"))


@pytest.mark.parametrize("estimator", ESTIMATES)
@pytest.mark.parametrize("kind", NILEARN)
def test_a_mask_gives_the_connectivity_of_the_usable_regions(series, kind, estimator):
    usable = np.ones((4, 6), bool)
    usable[0, [1, 4]] = usable[3, 0] = False
    alone = [functional_connectivity(x[:, keep], kind, estimator) for x, keep in zip(series, usable, strict=True)]
    series[0][:, 1] = np.nan
    series[0][:, 4] = 5.0
    series[3][3, 0] = np.inf
    got = functional_connectivity(series, kind, estimator, usable=usable)
    for matrix, block, keep in zip(got, alone, torch.from_numpy(usable), strict=True):
        torch.testing.assert_close(matrix[keep][:, keep], block[0], rtol=1e-6, atol=1e-6)
        rest = matrix - torch.diag(matrix.diagonal())
        assert not rest[~keep].any()
        assert not rest[:, ~keep].any()
    diagonal = got[0].diagonal()[[1, 4]]
    usable_diagonal = covariance(series, estimator, usable=usable)[0].diagonal()[[0, 2, 3, 5]].mean()
    expected = {"covariance": usable_diagonal, "precision": 1 / usable_diagonal}.get(kind, torch.tensor(1.0))
    torch.testing.assert_close(diagonal, expected.expand(2).to(diagonal))


def test_a_masked_covariance_is_positive_definite(series):
    usable = np.ones((4, 6), bool)
    usable[0, :3] = False
    assert (torch.linalg.eigvalsh(covariance(series, "ledoit-wolf", usable=usable)) > 0).all()


@pytest.mark.parametrize("kind", NILEARN)
def test_a_subject_does_not_depend_on_the_others(series, kind):
    together = functional_connectivity(series, kind)
    alone = torch.cat([functional_connectivity(x, kind) for x in series])
    torch.testing.assert_close(together, alone, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("estimator", ESTIMATES)
@pytest.mark.parametrize(
    ("kind", "dtype"), [("correlation", torch.float32), *((kind, torch.float64) for kind in NILEARN)]
)
def test_the_bits_of_a_subject_depend_neither_on_the_others_nor_on_the_threads(kind, estimator, dtype):
    rng = np.random.default_rng(2)
    cohort = [rng.normal(size=(t, 37)) for t in (60, 50, 60, 60, 50, 60)]
    together = functional_connectivity(cohort, kind, estimator, dtype=dtype)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        several = functional_connectivity(cohort, kind, estimator, dtype=dtype)
    finally:
        torch.set_num_threads(before)
    alone = torch.cat([functional_connectivity(x, kind, estimator, dtype=dtype) for x in cohort])
    assert several.equal(together)
    exact = kind in ("correlation", "covariance")  # MKL's inverse also looks at where in memory a matrix lies
    torch.testing.assert_close(alone, together, rtol=0, atol=0 if exact else 1e-12)


def test_the_input_stays_as_it_was(series):
    before = [x.copy() for x in series]
    stack = torch.from_numpy(np.stack([x[:25] for x in series]))
    kept = stack.clone()
    for kind in NILEARN:
        functional_connectivity(series, kind)
        functional_connectivity(stack, kind)
    assert all((x == y).all() for x, y in zip(series, before, strict=True))
    assert stack.equal(kept)


def test_what_has_no_inverse_is_named(series):
    with pytest.raises(NotPositiveDefinite, match=r"series\[1\].*5 frames, 6 regions.*ledoit-wolf"):
        partial_correlation([series[0], series[1][:5]], "empirical")
    series[2][:, 5] = series[2][:, 0] - 2 * series[2][:, 1]
    with pytest.raises(NotPositiveDefinite, match=r"series\[2\]"):
        partial_correlation(series, "empirical")


def test_bad_input_is_named(series):
    with pytest.raises(InvalidOption, match="kind"):
        functional_connectivity(series, "corelation")
    with pytest.raises(InvalidOption, match="ledoit-wolf"):
        correlation(series, "ledoitwolf")
    with pytest.raises(NonFinite, match=r"series\[1\].*too large"):
        covariance([series[0], series[1] * 1e200])
    series[1][:, 2] = 4.0
    with pytest.raises(UnusableRegion, match=r"series\[1\], region 2"):
        correlation(series)


def test_the_unit_of_a_region_does_not_matter(series):
    units = np.array([1e-150, 1e150, 1, 1e-310, 3, 1e300])
    torch.testing.assert_close(correlation([x * units for x in series]), correlation(series), rtol=0, atol=1e-4)


@settings(max_examples=60, deadline=None)
@given(
    x=hnp.arrays(
        st.sampled_from([np.float32, np.float64]),
        st.tuples(st.integers(1, 3), st.integers(2, 6), st.integers(1, 4)),
        elements=st.floats(width=32),
    ),
    kind=st.sampled_from(sorted(NILEARN)),
    estimator=st.sampled_from(sorted(ESTIMATES)),
)
def test_a_number_or_a_named_error_comes_out(x, kind, estimator):
    with np.errstate(all="ignore"):
        usable = np.isfinite(x).all(1) & (np.ptp(x, axis=1) > 0)
    for mask in (None, usable):
        try:
            got = functional_connectivity(x, kind, estimator, usable=mask)
        except GraphFuseError:
            continue
        assert got.isfinite().all()
        if kind in ("correlation", "partial"):
            assert got.abs().max() <= 1
            assert (got.diagonal(dim1=1, dim2=2) == 1).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_fisher_z(dtype):
    r = torch.tensor([-1, -0.5, 0, 0.25, 0.999, 1, 1 + 1e-6], dtype=dtype)
    z = fisher_z(r)
    assert z.dtype == dtype
    np.testing.assert_allclose(z[1:5], np.arctanh([-0.5, 0, 0.25, 0.999]), rtol=1e-4)
    assert z.abs().max() < 8.5
    assert z[0] == -z[5]
    with pytest.raises(InvalidOption, match="covariances"):
        fisher_z(torch.tensor([2.0]))
    with pytest.raises(NonFinite):
        fisher_z(np.array([0.5, np.nan]))
