"""Harmonised vectors of any numbers: finite, or refused by name."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from cases import few, finite_or_refused, many

import graphfuse as gf
from graphfuse.harmonise import apply_location_scale, fit_combat, fit_location_scale


@many
def test_site_models(d):
    n, p = d.one(2, 4, 9), d.one(1, 2, 4)
    site, C = d.rng.integers(0, d.one(1, 2, 3), n), d.one(None, d.rng.standard_normal((n, 1)))
    _, site = np.unique(site, return_inverse=True)
    fit = d.one(fit_location_scale, fit_combat)
    x = d.array(n, p, dtype=np.float64)
    parameters = finite_or_refused(fit, x, site, C)
    if parameters is not None:
        finite_or_refused(apply_location_scale, x, site, parameters, C)


STEPS = {
    "location-scale": lambda d: gf.LocationScale(d.one((), ("age",)), d.one("error", "reference"), min_site=2),
    "combat": lambda d: gf.ComBat(d.one((), ("age",)), d.one("error", "reference"), min_site=2),
    "regress-out": lambda d: gf.RegressOut(("age",)),
}


def people(d, n: int) -> gf.Cohort:
    table = pd.DataFrame({"site": d.rng.choice(["a", "b"], n), "age": d.array(n)}, index=[f"s{i}" for i in range(n)])
    return gf.Cohort(table, site="site")


@pytest.mark.parametrize("name", STEPS)
@few
def test_steps(name, d):
    """200 cases: one takes 5 ms."""
    p, step = d.one(1, 3), STEPS[name](d)
    train, new = people(d, d.one(2, 6, 9)), people(d, d.one(1, 3))
    fitted = finite_or_refused(lambda: step.fit(d.array(len(train), p), train, np.arange(len(train)) % 2) and ())
    if fitted is not None:
        finite_or_refused(step.transform, d.array(len(new), p), new)
