from __future__ import annotations

import numpy as np
import pytest
from sklearn.impute import KNNImputer

from graphfuse.estimators.imputation.nearest import NearestImputation


@pytest.mark.parametrize("weights", ["distance", "uniform"])
def test_with_one_modality_that_all_have_it_is_sklearns(train, new, weights):
    everybody = [{"a": part["a"], "c": part["c"]} for part in (train[0], new[0])]
    has = [{"a": np.ones(len(part["c"]), bool), "c": part["c"]} for part in (train[1], new[1])]
    imputer = NearestImputation(k=4, weights=weights).fit(everybody[0], has[0])
    holed = [
        np.hstack([part["a"].astype(float), np.where(present["c"][:, None], part["c"].astype(float), np.nan)])
        for part, present in zip(everybody, has, strict=True)
    ]
    oracle = KNNImputer(n_neighbors=4, weights=weights).fit(holed[0])
    for part, present, values in zip(everybody, has, holed, strict=True):
        lacking = ~present["c"]
        got = imputer.transform(part, present)["c"][lacking]
        np.testing.assert_allclose(got, oracle.transform(values)[lacking, part["a"].shape[1] :], atol=2e-5)


def test_only_people_who_have_it_give(train):
    """With as many neighbours as people, the guess is the mean of those who have it and share something else."""
    blocks, present = train
    full = NearestImputation(k=1000, weights="uniform").fit_transform(blocks, present)
    some = ~present["c"] & present["a"] & present["b"]
    donors = present["c"] & (present["a"] | present["b"])
    assert 0 < some.sum() < (~present["c"]).sum()
    np.testing.assert_allclose(full["c"][some], np.tile(blocks["c"][donors].mean(0), (some.sum(), 1)), rtol=1e-4)
