from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from graphfuse.errors import InvalidOption, SingleClassFold
from graphfuse.explain import faithfulness, region_importance
from graphfuse.explain.attribution import scores
from graphfuse.explain.removal import without_regions


@pytest.fixture(scope="module")
def curves(wide):
    return faithfulness(wide, steps=[1, 2, 4])


def test_planted_regions_are_missed_far_more_than_random_ones(curves):
    assert curves.attrs["faithful"]
    assert curves.attrs["area"] > 0.1
    assert curves.attrs["beaten"] == 1
    assert curves["important"].iloc[-1] > 2 * curves["random_high"].iloc[-1]  # random orders may meet one of the five
    assert curves["least"].abs().max() < 0.03


def test_with_permuted_labels_nothing_is_missed(wide_nothing):
    table = faithfulness(wide_nothing, steps=[1, 2, 4])
    assert not table.attrs["faithful"]
    assert table.attrs["area_low"] < 0 < table.attrs["area_high"]


def test_equals_the_auc_of_models_fed_without_these_regions(result):
    table = faithfulness(result, steps=[2], draws=1)
    order = region_importance(result).head(2)
    gone = [(row.modality, result.cohort.signals[row.modality].names.index(row.region)) for row in order.itertuples()]
    drops = []
    for (_, _, fold), model in result.fitted.items():
        part = result.folds[(result.folds["fold"] == fold) & (result.folds["role"] == "test")]
        test = result.cohort[result.cohort.subjects.get_indexer(part["subject"])]
        graphs = model.graphs(test.blind())
        left = scores(model.network_, without_regions(graphs, gone, frozenset({"fmri"})))
        drops.append(roc_auc_score(test.y, scores(model.network_, graphs)) - roc_auc_score(test.y, left))
    assert table.loc[0, "important"] == pytest.approx(np.mean(drops))


def test_the_area_is_the_mean_gap_between_the_curves(curves):
    assert curves.attrs["area"] == pytest.approx((curves["important"] - curves["random"]).mean())
    assert curves.attrs["area_low"] < curves.attrs["area"] < curves.attrs["area_high"]
    assert (curves["random_low"] <= curves["random_high"]).all()


def test_the_wrong_order_is_not_faithful(wide):
    importance = region_importance(wide)
    backwards = importance.assign(rank=importance["rank"].to_numpy()[::-1])
    table = faithfulness(wide, importance=backwards, steps=[1, 2, 4])
    assert table.attrs["area"] < 0
    assert not table.attrs["faithful"]


def test_taking_half_of_the_edges_is_missed_less(wide, curves):
    half = faithfulness(wide, steps=[1, 2, 4], share=0.5)
    assert 0 < half.attrs["area"] < curves.attrs["area"]


def test_equal_seeds_equal_tables(result):
    first, again, other = (faithfulness(result, steps=2, draws=3, random_state=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first["random"], other["random"])
    assert list(first["k"]) == [1, 3]  # a quarter of 14 regions
    assert list(faithfulness(result, steps=1, draws=1)["k"]) == [1]


def test_labels_decide_nothing_but_the_auc(wide, curves):
    flipped = wide.cohort.phenotypes["dx"].map({"control": "patient", "patient": "control"})
    cohort = replace(wide.cohort, phenotypes=wide.cohort.phenotypes.assign(dx=flipped))
    table = faithfulness(replace(wide, cohort=cohort), steps=[1, 2, 4])
    assert table.attrs["auc"] == pytest.approx(1 - curves.attrs["auc"])
    np.testing.assert_allclose(table["important"], -curves["important"], atol=1e-12)


def test_bad_arguments_are_named(result):
    for options in ({"steps": 0}, {"steps": [0, 3]}, {"steps": [99]}, {"draws": 0}, {"share": 0}, {"model": "x"}):
        with pytest.raises(InvalidOption, match=next(iter(options))):
            faithfulness(result, **options)


def test_test_folds_of_one_class_are_refused(result):
    table = result.cohort.phenotypes.assign(dx="control")
    with pytest.raises(SingleClassFold, match="both classes"):
        faithfulness(replace(result, cohort=replace(result.cohort, phenotypes=table)), steps=[1])
