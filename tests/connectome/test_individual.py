from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.base import clone

from graphfuse.connectome.individual import IndividualNetwork, individual_network
from graphfuse.errors import ClassTooSmall, InvalidOption, NonFinite, NotFitted, ShapeMismatch, UnusableRegion


@pytest.fixture
def cohort():
    rng = np.random.default_rng(0)
    controls = np.arange(20) % 2 == 0
    values = rng.normal([1, 2, 3, 4, 5], [1, 0.5, 2, 1, 0.1], size=(20, 5))
    return values, controls


def _loop(f, mean, spread):
    """(R, W) of one person, the long way."""
    r = np.empty((len(f), len(f)))
    for i in range(len(f)):
        for j in range(len(f)):
            pooled = np.sqrt((spread[i] ** 2 + spread[j] ** 2) / 2)
            e = abs((f[i] - mean[i]) - (f[j] - mean[j])) / pooled
            r[i, j] = (np.exp(2 * e) - 1) / (np.exp(2 * e) + 1)
    return r, 1 - r


@pytest.mark.parametrize("reference", ["W", "R", None])
def test_equals_a_loop(cohort, reference):
    values, controls = cohort
    own = values[controls]
    mean, spread = own.mean(0), own.std(0, ddof=1)
    networks = [_loop(f, mean, spread) for f in own]
    product = {"R": np.mean([r for r, _ in networks], 0), "W": np.mean([w for _, w in networks], 0), None: 1}
    expected = [_loop(f, mean, spread)[1] * product[reference] for f in values]
    got = IndividualNetwork(reference).fit(values, controls=controls).transform(values)
    np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-7)
    torch.testing.assert_close(got, got.mT, rtol=0, atol=0)


def test_the_networks_equal_a_loop_in_float64(cohort):
    values, controls = cohort
    mean, spread = values[controls].mean(0), values[controls].std(0, ddof=1)
    r, w = individual_network(values, mean, spread)
    np.testing.assert_allclose(r, [_loop(f, mean, spread)[0] for f in values], rtol=0, atol=1e-14)
    np.testing.assert_allclose(w, 1 - r, rtol=0, atol=1e-15)
    assert not r.diagonal(dim1=1, dim2=2).any()
    assert (w.diagonal(dim1=1, dim2=2) == 1).all()


def test_neither_patients_nor_test_subjects_change_what_is_fitted(cohort):
    values, controls = cohort
    fitted = IndividualNetwork().fit(values, controls=controls)
    before = fitted.transform(values[:3])
    mean, spread, reference = fitted.mean_.clone(), fitted.spread_.clone(), fitted.reference_.clone()
    changed = values.copy()
    changed[~controls] = 1e6
    again = IndividualNetwork().fit(changed, controls=controls)
    fitted.transform(changed)
    for model in (fitted, again):
        torch.testing.assert_close(model.mean_, mean, rtol=0, atol=0)
        torch.testing.assert_close(model.spread_, spread, rtol=0, atol=0)
        torch.testing.assert_close(model.reference_, reference, rtol=0, atol=0)
    torch.testing.assert_close(again.transform(values)[:3], before, rtol=0, atol=0)
    assert fitted.n_controls_ == 10


def test_controls_are_told_by_a_mask_or_by_a_label(cohort):
    values, controls = cohort
    by_mask = IndividualNetwork().fit_transform(values, controls=controls)
    label = np.where(controls, "healthy", "ill")
    by_label = IndividualNetwork(control="healthy").fit(values, label).transform(values)
    torch.testing.assert_close(by_mask, by_label, rtol=0, atol=0)
    by_code = IndividualNetwork().fit(torch.from_numpy(values), (~controls).astype(int)).transform(values)
    torch.testing.assert_close(by_mask, by_code, rtol=0, atol=0)


def test_the_unit_of_the_values_does_not_matter(cohort):
    values, controls = cohort
    fit = IndividualNetwork().fit(values * 1000 + 5, controls=controls)
    torch.testing.assert_close(
        fit.transform(values * 1000 + 5), IndividualNetwork().fit(values, controls=controls).transform(values)
    )


def test_what_it_reads_is_declared_and_it_clones(cohort):
    assert (IndividualNetwork.uses_y, IndividualNetwork.scope) == (True, "training")
    assert clone(IndividualNetwork("R", control=2)).get_params() == {"reference": "R", "control": 2}
    values, controls = cohort
    fitted = IndividualNetwork().fit(values, controls=controls)
    assert not hasattr(clone(fitted), "mean_")


def test_a_far_person_still_has_numbers(cohort):
    values, controls = cohort
    fitted = IndividualNetwork().fit(values, controls=controls)
    far = values[:1] * [1e100, 1, 1, -1e140, 1]
    assert fitted.transform(far).isfinite().all()
    assert fitted.transform(values[:0]).shape == (0, 5, 5)


def test_bad_input_is_named(cohort):
    values, controls = cohort
    with pytest.raises(NotFitted, match="fit"):
        IndividualNetwork().transform(values)
    with pytest.raises(InvalidOption, match="reference"):
        IndividualNetwork("B").fit(values, controls=controls)
    with pytest.raises(InvalidOption, match="know the controls"):
        IndividualNetwork().fit(values)
    with pytest.raises(InvalidOption, match="mask of True and False"):
        IndividualNetwork().fit(values, controls=np.arange(20))
    with pytest.raises(ShapeMismatch, match="controls"):
        IndividualNetwork().fit(values, controls=controls[:5])
    with pytest.raises(ClassTooSmall, match=r"at least 2 controls.*got 1"):
        IndividualNetwork().fit(values, controls=np.arange(20) == 3)
    with pytest.raises(ShapeMismatch, match="values"):
        IndividualNetwork().fit(values, controls=controls).transform(values[:, :3])
    with pytest.raises(UnusableRegion, match="Region 0"):
        individual_network(values, np.zeros(5), np.zeros(5))


def test_a_region_without_spread_among_controls_and_a_missing_value_are_named(cohort):
    values, controls = cohort
    flat = values.copy()
    flat[controls, 2] = 0.1
    with pytest.raises(UnusableRegion, match="Region 2 has no spread among the controls"):
        IndividualNetwork().fit(flat, controls=controls)
    fitted = IndividualNetwork().fit(values, controls=controls)
    for bad in (np.nan, np.inf, 1e200):
        holed = values.copy()
        holed[1, 3] = bad
        with pytest.raises(NonFinite, match="values"):
            IndividualNetwork().fit(holed, controls=controls)
        with pytest.raises(NonFinite, match="values"):
            fitted.transform(holed)
