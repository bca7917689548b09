from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from graphfuse.errors import GraphFuseError
from graphfuse.evaluate.leaks import is_instrument, leak_columns


def cohort(n=400, seed=0):
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    table = pd.DataFrame({
        "age": rng.normal(15, 4, n),
        "sex": rng.choice(["M", "F"], n),
        "site": rng.choice([f"site {k}" for k in range(20)], n),
        "record": [f"id {i}" for i in rng.permutation(n)],
        "scan_number": np.arange(n),
        "constant": 1,
        "empty": np.nan,
        "motion": np.exp(rng.normal(0, 1, n) + 0.5 * y),
        "severity": rng.normal(0, 1, n) + 4 * y,
        "medication": np.where(y & (rng.random(n) < 0.9), rng.choice(["x", "y"], n), "none"),
        "subtype": np.where(y, rng.choice([0, 2], n), 1),
        "interview": np.where(y & (rng.random(n) < 0.9), rng.normal(0, 1, n), np.nan),
        "remark": np.where(rng.random(n) < 0.8 * y, "see file", " "),
        "SRS_VERSION": rng.integers(1, 3, n),
    })  # fmt: skip
    return table, y


def test_leaks_confounds_and_harmless_columns_are_told_apart():
    table, y = cohort()
    found = leak_columns(table, y).set_index("column")
    assert set(found.index[found["verdict"] == "leak"]) == {
        "severity", "medication", "subtype", "interview", "remark", "SRS_VERSION",
    }  # fmt: skip
    assert set(found.index[found["verdict"] == "confound"]) == {"motion"}
    assert found.loc["SRS_VERSION", "reason"] == "a clinical instrument by its name"
    assert "missing" in found.loc["interview", "reason"]
    assert list(found["verdict"]) == sorted(found["verdict"], key=["leak", "confound", "ok"].index)


def test_the_numbers_are_areas_under_the_curve():
    table, y = cohort()
    found = leak_columns(table, y).set_index("column")
    assert found.loc["motion", "value_auc"] == pytest.approx(roc_auc_score(y, table["motion"]))
    assert found.loc["interview", "missing_auc"] == pytest.approx(roc_auc_score(y, table["interview"].notna()))
    assert np.isnan(found.loc["empty", "value_auc"])
    assert found.loc["record", "value_auc"] == 0.5
    assert (found["missing_auc"] >= 0.5).all()


def test_the_verdict_does_not_depend_on_which_class_is_called_positive():
    table, y = cohort()
    here, there = (leak_columns(table, labels).set_index("column") for labels in (y, 1 - y))
    assert here["verdict"].to_dict() == there["verdict"].to_dict()


def test_labels_at_random_accuse_no_column_but_instruments():
    table, y = cohort()
    for seed in range(10):
        shuffled = np.random.default_rng(seed).permutation(y)
        found = leak_columns(table.drop(columns="SRS_VERSION"), shuffled)
        assert set(found["verdict"]) == {"ok"}


def test_a_few_subjects_prove_nothing():
    table = pd.DataFrame({"lucky": [1.0, 2, 3, 4, 5, 6, 7, 8]})
    assert leak_columns(table, np.repeat([0, 1], 4))["verdict"].item() == "ok"


def test_more_than_two_classes():
    y = np.arange(300) % 3
    rng = np.random.default_rng(0)
    found = leak_columns(
        pd.DataFrame({"third": rng.normal(0, 1, 300) + 5 * (y == 1), "none": rng.normal(0, 1, 300)}), y
    )
    assert found.set_index("column")["verdict"].to_dict() == {"third": "leak", "none": "ok"}


@pytest.mark.parametrize("name", ["ADOS_TOTAL", "ados2_comm", "ADI_R_SOCIAL", "baseline.SRS", "DSM_IV_TR", "adosTotal"])
def test_instruments_are_known_by_name(name):
    assert is_instrument(name)


@pytest.mark.parametrize(
    "name", ["AGE_AT_SCAN", "SEX", "SITE_ID", "FIQ", "func_mean_fd", "radios", "address", "madison"]
)
def test_other_names_are_not_instruments(name):
    assert not is_instrument(name)


def test_wrong_arguments_are_named():
    with pytest.raises(GraphFuseError, match="y must have shape"):
        leak_columns(pd.DataFrame({"a": [1, 2]}), np.zeros(3, int))
    assert len(leak_columns(pd.DataFrame(index=range(4)), np.array([0, 1, 0, 1]))) == 0


@pytest.fixture
def abide():
    """The phenotypes of ABIDE I: 1035 people with a series, and who has autism."""
    named = os.environ.get("GRAPHFUSE_REAL_DATA")
    folder = Path(named) / "ABIDE_pcp" if named else Path(__file__).parents[3] / "shared" / "abide1"
    path = folder / "Phenotypic_V1_0b_preprocessed1.csv"
    if not path.is_file():
        pytest.skip("real ABIDE I data are absent: set GRAPHFUSE_REAL_DATA to the folder that holds ABIDE_pcp")
    table = pd.read_csv(path, na_values=[-9999], low_memory=False).query("FILE_ID != 'no_filename'")
    return table.drop(columns="DX_GROUP"), (table["DX_GROUP"] == 1).to_numpy(int)


@pytest.mark.real
def test_the_leaks_of_abide_are_named_and_its_confounds_are_not_among_them(abide):
    table, y = abide
    found = leak_columns(table, y).set_index("column")
    leaks = set(found.index[found["verdict"] == "leak"])
    assert len(y) == 1035
    assert len([c for c in leaks if c.startswith(("ADOS", "ADI", "SRS", "SCQ", "AQ", "VINELAND", "DSM"))]) >= 15
    assert not leaks & {"AGE_AT_SCAN", "SEX", "SITE_ID", "FIQ", "func_mean_fd", "func_perc_fd"}
    assert found.loc["ADOS_TOTAL", "value_auc"] == pytest.approx(0.999, abs=1e-3)
    assert found.loc["ADOS_MODULE", "missing_auc"] == pytest.approx(0.916, abs=1e-3)
    assert set(found.loc[["func_mean_fd", "func_perc_fd"], "verdict"]) == {"confound"}
    by_numbers = found[found["value_auc"].ge(0.8) | found["missing_auc"].ge(0.8)]  # what the names add nothing to
    assert found["instrument"].sum() - by_numbers["instrument"].sum() <= 4
