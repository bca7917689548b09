from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import graphfuse as gf
from graphfuse.errors import InvalidOption
from graphfuse.estimators.mkl.bank import KernelBank


def vectors(n=30, seed=0) -> tuple[gf.Cohort, np.ndarray, np.ndarray]:
    """A cohort with two vectors, all measured, and the vectors."""
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(n, 3)), rng.normal(size=(n, 2))
    table = pd.DataFrame(index=[f"s{i:02d}" for i in range(n)])
    signals = {name: gf.Signal.pack("vector", list(x)) for name, x in (("a", a), ("b", b))}
    return gf.Cohort(table.assign(site="x"), signals), a, b


def test_names_and_presence_of_each_term(train):
    bank = KernelBank(kernel={"fmri": ("linear", "rbf")}, terms="pairs")
    kernels = bank.fit_transform(train)
    one = [("fmri", "linear"), ("fmri", "rbf"), ("smri", "linear")]
    two = [("fmri x smri", "linear x linear"), ("fmri x smri", "rbf x linear")]  # never twice the same modality
    assert bank.names_ == one + two
    smri = train.has("smri")
    np.testing.assert_array_equal(kernels.has, [smri | True, smri | True, smri, smri, smri])


def test_a_product_is_the_kernel_of_the_outer_products_of_features():
    cohort, a, b = vectors()
    bank = KernelBank(terms="product", normalise="variance")
    rows = bank.fit_transform(cohort[:20]).rows[0]
    z = [(x - x[:20].mean(0)) / x[:20].std(0) for x in (a, b)]
    outer = np.einsum("ni,nj->nij", *z).reshape(30, -1)
    centred = outer - outer[:20].mean(0)
    unit = np.square(centred[:20]).sum(1).mean()
    np.testing.assert_allclose(rows, centred[:20] @ centred[:20].T / unit, atol=1e-5)
    new = bank.transform(cohort[20:]).rows[0]
    np.testing.assert_allclose(new, centred[20:] @ centred[:20].T / unit, atol=1e-5)


def test_features_may_differ_by_modality(train):
    mixed = KernelBank(("fmri", "smri"), features={"fmri": "tangent"}).fit_transform(train)
    tangent = KernelBank(("fmri",), features="tangent").fit_transform(train)
    smri = KernelBank(("smri",)).fit_transform(train)
    np.testing.assert_array_equal(mixed.rows, np.concatenate([tangent.rows, smri.rows]))


def test_no_modality_and_another_sort_of_terms_are_refused(train):
    with pytest.raises(InvalidOption, match="terms"):
        KernelBank(terms="triples").fit_transform(train)
    with pytest.raises(InvalidOption, match="No modality"):
        KernelBank(kernel={"fmri": (), "smri": ()}).fit_transform(train)
