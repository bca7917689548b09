from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import false_discovery_control, mannwhitneyu
from sklearn.metrics import roc_auc_score

from graphfuse.errors import InvalidOption
from graphfuse.evaluate.sites import site_table

CLASSES = ("control", "autism")
SIZES = {"large": 40, "medium": 20, "small": 8, "single": 12}


def predictions(model="m", gain=1.0, repeats=1, seed=0):
    rng = np.random.default_rng(seed)
    site = np.repeat(list(SIZES), list(SIZES.values()))
    y = np.where(site == "single", 0, np.arange(len(site)) % 2)
    parts = []
    for repeat in range(repeats):
        p = 1 / (1 + np.exp(-rng.standard_normal(len(site)) - gain * (y - 0.5)))
        columns = {"p_control": 1 - p, "p_autism": p, "y_true": np.array(CLASSES)[y]}
        place = {"model": model, "repeat": repeat, "fold": 0, "subject": [f"s{i}" for i in range(len(site))]}
        parts.append(pd.DataFrame(place | columns))
    return pd.concat(parts, ignore_index=True), pd.Series(site, index=parts[0]["subject"])


def test_each_site_is_tested_and_adjusted_within_its_model():
    a, sites = predictions("b-model", 2.0)
    b, _ = predictions("a-model", 0.2, seed=1)
    table = site_table(pd.concat([a, b]), sites, CLASSES)
    assert table["model"].unique().tolist() == ["b-model", "a-model"]  # as evaluated, not by alphabet
    for name, part in (("b-model", a), ("a-model", b)):
        rows = table[table["model"] == name].set_index("site")
        assert rows["n"].to_dict() == SIZES
        ps = []
        for site in ("large", "medium"):
            here = part[(sites == site).to_numpy()]
            ill = here["y_true"] == "autism"
            assert rows.loc[site, "auc"] == pytest.approx(roc_auc_score(ill, here["p_autism"]))
            ps.append(mannwhitneyu(here["p_autism"][ill], here["p_autism"][~ill]).pvalue)
        assert rows.loc[["large", "medium"], "p"].tolist() == pytest.approx(ps)
        assert rows.loc[["large", "medium"], "p_fdr"].tolist() == pytest.approx(false_discovery_control(ps))


def test_what_cannot_be_judged_says_why():
    table = site_table(*predictions(), CLASSES).set_index("site")
    assert table["note"].to_dict() == {"large": "", "medium": "", "small": "n < 10", "single": "one class"}
    assert table.loc["single", ["auc", "p", "p_fdr"]].isna().all()
    assert table.loc["small", ["p", "p_fdr"]].isna().all()
    assert np.isfinite(table.loc["small", "auc"])
    assert table.loc["single", "positive"] == 0


def test_repeats_are_averaged_so_that_nobody_counts_twice():
    many, sites = predictions(repeats=3)
    table = site_table(many, sites, CLASSES).set_index("site")
    assert table["n"].to_dict() == SIZES
    mean = many.groupby("subject", sort=False)["p_autism"].mean()[(sites == "large").to_numpy()]
    ill = (many["y_true"][: len(sites)] == "autism").to_numpy()[(sites == "large").to_numpy()]
    assert table.loc["large", "auc"] == pytest.approx(roc_auc_score(ill, mean))


def test_a_cohort_of_single_class_sites_gives_notes_only():
    table, sites = predictions()
    table, sites = table[(sites == "single").to_numpy()], sites[sites == "single"]
    found = site_table(table, sites, CLASSES)
    assert found["note"].tolist() == ["one class"]


def test_a_subject_without_a_site_and_a_missing_column_are_refused():
    table, sites = predictions()
    with pytest.raises(InvalidOption, match="Every subject needs a site"):
        site_table(table, sites.iloc[1:], CLASSES)
    with pytest.raises(InvalidOption, match="p_autism"):
        site_table(table.drop(columns="p_autism"), sites, CLASSES)
