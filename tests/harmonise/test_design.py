from __future__ import annotations

import numpy as np
import pandas as pd

from graphfuse.harmonise.design import apply_design, fit_design


def test_columns_are_centred_on_training_and_unknown_is_nought():
    train = pd.DataFrame({"age": [10.0, 20, 30, np.nan], "sex": ["F", "M", "M", "M"], "scans": [2, 2, 2, 2]})
    train = pd.concat([train] * 10, ignore_index=True)
    design = fit_design(train, ["age", "sex", "scans"])
    D = apply_design(train, design)
    assert D.shape == (40, 3)
    np.testing.assert_allclose(D.mean(0), 0, atol=1e-12)
    np.testing.assert_allclose(D[:4, 0], [-np.sqrt(2), 0, np.sqrt(2), 0])
    new = pd.DataFrame({"age": [np.nan, 25], "sex": ["other", None], "scans": [9, 2]})
    np.testing.assert_allclose(apply_design(new, design), [[0, 0, 0], [np.sqrt(0.5), 0, 0]])


def test_booleans_nullable_numbers_and_categories_are_read():
    table = pd.DataFrame({
        "left": [True, False, True], "iq": pd.array([100, None, 120], "Int64"),
        "arm": pd.Categorical(["a", "b", "c"]), "inf": [np.inf, 1.0, 2.0],
    })  # fmt: skip
    table = pd.concat([table] * 10, ignore_index=True)
    D = apply_design(table, fit_design(table, list(table)))
    assert D.shape == (30, 5)
    assert np.isfinite(D).all()


def test_a_level_of_fewer_than_ten_people_is_not_remembered():
    """The mean of one person's features in a saved model would be that person."""
    table = pd.DataFrame({"language": ["en"] * 20 + ["de"] * 10 + ["xx"] + ["yy"] * 9})
    design = fit_design(table, ["language"])
    assert design["language"]["levels"] == ["de", "en"]
    D = apply_design(table, design)
    np.testing.assert_allclose(D.mean(0), 0, atol=1e-12)
    assert (D[30:] == 0).all()
    assert fit_design(table[30:], ["language"])["language"]["levels"] == []


def test_no_column_gives_no_regressor():
    assert apply_design(pd.DataFrame(index=range(3)), {}).shape == (3, 0)
