from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import graphfuse as gf
from graphfuse.errors import InvalidOption, LeakageError, NotFitted
from graphfuse.estimators.inspection import inspect_model
from graphfuse.estimators.model_file import read_model_file
from graphfuse.estimators.prototypes import gather, prototypes
from graphfuse.evaluate.metrics import auc
from graphfuse.harmonise import ComBat

N = 240


@pytest.fixture(scope="module")
def cohort():
    return gf.simulate_cohort(N + 120, n_frames=(40, 60), auc=0.9, seed=2).cohort


@pytest.fixture(scope="module")
def train(cohort):
    return cohort[:N]


@pytest.fixture(scope="module")
def test(cohort):
    return cohort[N:]


@pytest.fixture(scope="module")
def model(train):
    graph = gf.PopulationGraph(same=("site", "sex"), within={"age": 4.0})
    return gf.PopulationClassifier(graph=graph, epochs=60, components=32, members=1).fit(train.blind(), train.y)


@pytest.fixture(scope="module")
def shared(model):
    return prototypes(model, 10)


def members(model, size=10) -> list[np.ndarray]:
    """Who is behind each prototype, from the public function."""
    categories = np.stack([model.graph_.traits_[name].numpy() for name in model.graph_.same], axis=1)
    return gather(model.x_.numpy(), categories, size)


def test_every_stored_row_is_the_mean_of_ten_people_or_more(model, shared, train, tmp_path):
    groups = members(model)
    assert min(map(len, groups)) >= 10
    assert sorted(np.concatenate(groups)) == list(range(N))  # everybody is behind exactly one
    stored = read_model_file(gf.save_model(shared, tmp_path / "m")).tensors
    means = np.stack([model.x_.numpy()[rows].mean(0) for rows in groups])
    np.testing.assert_allclose(stored["model.x_"], means, atol=1e-5)
    centred = means - means.mean(1, keepdims=True)
    units = centred / np.linalg.norm(centred, axis=1, keepdims=True)
    np.testing.assert_allclose(stored["model.graph_.units_"], units, atol=1e-5)
    ages = train.phenotypes["age"].to_numpy()
    np.testing.assert_allclose(
        stored["model.graph_.traits_.age"], [ages[rows].mean() for rows in groups], rtol=1e-5
    )  # fmt: skip


def test_there_are_at_most_a_tenth_as_many_rows_as_people(model, shared):
    assert N / 20 <= len(shared.x_) <= N / 10
    assert len(prototypes(model, 30).x_) <= N / 30
    for name, values in shared.graph_.traits_.items():
        assert values.shape == (len(shared.x_),), name


def test_no_row_of_the_file_is_a_person(model, tmp_path):
    """No stored row of nodes correlates with a training row as one of them does with itself."""
    stored = read_model_file(gf.save_model(model, tmp_path / "m", prototype_size=10)).tensors
    people = model.x_.numpy()
    for name in ("model.x_", "model.graph_.units_"):
        r = np.corrcoef(stored[name].numpy(), people)[: len(stored[name]), len(stored[name]) :]
        assert np.abs(r).max() < 0.9


def test_a_category_is_kept_only_where_ten_people_share_it(model, shared, train):
    sites = train.phenotypes["site"].to_numpy()
    codes = model.graph_.levels_["site"]
    for rows, code in zip(members(model), shared.graph_.traits_["site"].numpy(), strict=True):
        if np.isnan(code):
            assert max((sites[rows] == site).sum() for site in codes) < 10
        else:
            (site,) = [name for name, value in codes.items() if value == code]
            assert (sites[rows] == site).sum() >= 10


def test_a_site_of_few_people_is_forgotten(train, tmp_path):
    sites = train.phenotypes["site"].to_numpy(object).copy()
    sites[:3] = "tiny hospital"
    cohort = replace(train, phenotypes=train.phenotypes.assign(site=sites))
    model = gf.PopulationClassifier(epochs=2, components=8, members=1).fit(cohort.blind(), cohort.y)
    assert "tiny hospital" in model.graph_.levels_["site"]
    assert "tiny hospital" not in prototypes(model).graph_.levels_["site"]
    assert b"tiny hospital" not in gf.save_model(model, tmp_path / "m", prototype_size=10).read_bytes()


def test_predictions_agree_with_the_full_model_as_far_as_is_said(model, shared, test):
    """Correlation above .6, and an AUC within .1: no more is promised."""
    full, few = model.predict_proba(test)[:, 1], shared.predict_proba(test)[:, 1]
    assert np.corrcoef(full, few)[0, 1] > 0.6
    assert abs(auc(test.y, model.predict_proba(test)) - auc(test.y, shared.predict_proba(test))) < 0.1


def test_prototypes_come_back_from_a_file_to_the_bit(model, shared, test, tmp_path):
    path = gf.save_model(model, tmp_path / "m", prototype_size=10)
    assert np.array_equal(gf.load_model(path).predict_proba(test), shared.predict_proba(test))
    again = gf.save_model(gf.load_model(path), tmp_path / "again")  # without being asked again
    assert again.read_bytes() == path.read_bytes()


def test_the_model_itself_stays_as_it_was(model, test):
    before = model.predict_proba(test)
    prototypes(model)
    assert len(model.x_) == len(model.graph_.units_) == N
    assert np.array_equal(model.predict_proba(test), before)


def test_the_full_model_is_refused_and_says_what_to_do(model, tmp_path):
    with pytest.raises(LeakageError, match="prototype_size=10"):
        gf.save_model(model, tmp_path / "m")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("size", [1, 9, N + 1])
def test_fewer_than_ten_people_a_prototype_are_refused(model, size):
    with pytest.raises(InvalidOption, match="size must lie in"):
        prototypes(model, size)


def test_a_transductive_and_an_unfitted_model_have_no_prototypes(train, test):
    with pytest.raises(NotFitted):
        prototypes(gf.PopulationClassifier())
    model = gf.PopulationClassifier(epochs=2, components=8, members=1).fit(train, unlabelled=test)
    with pytest.raises(LeakageError, match="transductive"):
        prototypes(model)


def test_the_table_of_the_file_tells_people_from_means(model, tmp_path):
    table = inspect_model(gf.save_model(model, tmp_path / "m", include_cohort=True)).set_index("part")
    assert table.loc["model.x_", "about"] == f"people: {N} rows"
    assert table.loc["model.graph_.traits_.age", "about"] == f"people: {N} rows"
    table = inspect_model(gf.save_model(model, tmp_path / "m", prototype_size=10)).set_index("part")
    assert table.loc["model.x_", "about"] == f"means of >= 10 people: {len(prototypes(model).x_)} rows"
    assert not table["about"].str.startswith("people").any()


def test_a_harmonisation_that_keeps_means_of_fewer_people_is_refused(train):
    for fewest, allowed in ((2, False), (10, True)):
        step = ComBat(min_site=fewest)
        model = gf.PopulationClassifier(adjust=step, epochs=1, components=8, members=1).fit(train.blind(), train.y)
        if allowed:
            assert len(prototypes(model).x_) <= N / 10
        else:
            with pytest.raises(LeakageError, match="min_site=10"):
                prototypes(model)


@given(
    st.integers(10, 80), st.integers(1, 4), st.integers(0, 3), st.integers(10, 25), st.integers(0, 2**31)
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_any_gathering_covers_everybody_once_in_groups_large_enough(n, width, traits, size, seed):
    draw = np.random.default_rng(seed)
    categories = draw.integers(0, 4, (n, traits)).astype(float)
    categories[draw.random((n, traits)) < 0.2] = np.nan
    if n < size:
        return
    groups = gather(draw.standard_normal((n, width)), categories, size)
    assert sorted(np.concatenate(groups)) == list(range(n))
    assert min(map(len, groups)) >= size


def test_people_without_a_trait_are_no_obstacle(train):
    table = train.phenotypes.assign(age=np.where(np.arange(N) % 3, train.phenotypes["age"], np.nan))
    graph = gf.PopulationGraph(within={"age": 4.0})
    cohort = replace(train, phenotypes=table, confounds=())
    model = gf.PopulationClassifier(graph=graph, epochs=2, components=8, members=1).fit(cohort.blind(), cohort.y)
    few = prototypes(model)
    assert torch.isfinite(few.x_).all()
    assert np.isfinite(few.predict_proba(cohort)).all()
