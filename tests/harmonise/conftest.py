"""People of several sites with an age, a sex and a class, as a blind cohort."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import graphfuse as gf


def people(site, codes=None, seed=0, **columns) -> gf.Cohort:
    """A blind cohort without signals: the sites given, age and sex drawn, the class as column dx if codes are given."""
    rng = np.random.default_rng(seed)
    n = len(site)
    columns = {
        "site": np.asarray(site, object), "age": rng.normal(20, 5, n),
        "sex": np.where(rng.random(n) < 0.5, "F", "M").astype(object), **columns,
    }  # fmt: skip
    codes = np.arange(n) % 2 if codes is None else codes
    table = pd.DataFrame({"dx": np.array(["a", "b"], object)[codes], **columns}, index=[f"s{i}" for i in range(n)])
    return gf.Cohort(table, {}, "dx", ("a", "b"), site="site").blind()


@pytest.fixture
def make():
    return people


@pytest.fixture
def four():
    """120 people of four sites, their cohort, classes and 30 columns with a planted site and age effect."""
    rng = np.random.default_rng(1)
    site = np.array(["w", "x", "y", "z"], object)[rng.integers(0, 4, 120)]
    codes = rng.integers(0, 2, 120)
    cohort = people(site, codes)
    number = np.unique(site.astype(str), return_inverse=True)[1]
    noise = rng.standard_normal((120, 30)) * (0.5 + 0.5 * number[:, None])
    X = noise + 2 * rng.standard_normal((4, 30))[number] + 0.3 * cohort.phenotypes[["age"]].to_numpy()
    return cohort, codes, X
