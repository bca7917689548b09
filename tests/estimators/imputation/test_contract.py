from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone

from graphfuse.errors import InvalidOption, MissingModality, NonFinite, NotFitted, ShapeMismatch
from graphfuse.estimators.imputation import IMPUTERS, NearestImputation, make_imputer


@pytest.fixture(params=list(IMPUTERS))
def imputer(request):
    return IMPUTERS[request.param]()


def rows_of(part, rows):
    return tuple({name: value[rows] for name, value in piece.items()} for piece in part)


def test_what_was_measured_comes_back_bit_for_bit_and_everything_else_is_filled_in(imputer, train, new):
    for blocks, full in ((train, imputer.fit_transform(*train)), (new, imputer.transform(*new))):
        for name, block in blocks[0].items():
            has = blocks[1][name]
            assert np.array_equal(full[name][has], block[has])
            assert full[name].dtype == block.dtype
            assert np.isfinite(full[name]).all()
            assert not np.array_equal(full[name][~has], block[~has])


def test_the_values_of_a_missing_modality_change_no_bit(imputer, train, new):
    def poisoned(part):
        blocks, present = part
        return {name: np.where(present[name][:, None], x, np.float32(np.nan)) for name, x in blocks.items()}, present

    plain = clone(imputer).fit(*train).transform(*new)
    other = clone(imputer).fit(*poisoned(train)).transform(*poisoned(new))
    assert all(np.array_equal(plain[name], other[name]) for name in plain)
    for name, full in clone(imputer).fit_transform(*poisoned(train)).items():
        assert np.array_equal(full, clone(imputer).fit_transform(*train)[name])


def test_a_new_person_is_filled_in_from_the_training_people_alone(imputer, train, new):
    imputer.fit(*train)
    together = imputer.transform(*new)
    for i in range(len(new[1]["a"])):
        alone = imputer.transform(*rows_of(new, [i]))
        for name in together:
            np.testing.assert_allclose(alone[name][0], together[name][i], rtol=1e-5, atol=1e-5)


def test_who_has_nothing_gets_the_training_mean(imputer, train, new):
    full = imputer.fit(*train).transform(*new)
    for name, block in train[0].items():
        assert not new[1][name][-1]
        np.testing.assert_allclose(full[name][-1], block[train[1][name]].mean(0), rtol=1e-5)


def test_the_order_of_training_people_and_of_modalities_does_not_matter(imputer, train, new):
    order = np.random.default_rng(0).permutation(len(train[1]["a"]))
    shuffled = rows_of(train, order)
    backwards = tuple(dict(reversed(part.items())) for part in shuffled)
    plain, other = (clone(imputer).fit(*part).transform(*new) for part in (train, backwards))
    for name in plain:
        np.testing.assert_allclose(plain[name], other[name], rtol=1e-4, atol=1e-5)


def test_every_imputer_says_that_it_reads_training_features_and_no_labels(imputer):
    assert (imputer.uses_y, imputer.scope) == (False, "training")


def test_only_the_mean_is_beaten_by_all(train, new):
    """The hidden factors are shared: whoever uses the other modalities is closer to what was hidden."""
    error = {}
    for name in IMPUTERS:
        full = IMPUTERS[name]().fit(*train).transform(*new)
        lacking = ~new[1]["c"] & (new[1]["a"] | new[1]["b"])
        error[name] = np.square(full["c"][lacking] - new[0]["c"][lacking]).mean()
    assert error["mean"] == max(error.values())
    assert error["ridge"] < 0.4 * error["mean"]
    assert max(error["nearest"], error["propagation"]) < 0.6 * error["mean"]


def test_what_does_not_fit_is_refused_by_name(imputer, train, new):
    blocks, present = train
    with pytest.raises(NotFitted):
        imputer.transform(*new)
    with pytest.raises(MissingModality, match="No training subject has 'b'"):
        imputer.fit(blocks, present | {"b": np.zeros_like(present["b"])})
    with pytest.raises(MissingModality, match="the same names"):
        imputer.fit(blocks, {"a": present["a"]})
    with pytest.raises(MissingModality, match="one modality at least"):
        imputer.fit({}, {})
    with pytest.raises(ShapeMismatch, match="blocks"):
        imputer.fit(blocks | {"b": blocks["b"][:-1]}, present)
    with pytest.raises(NonFinite, match="blocks"):
        imputer.fit(blocks | {"b": np.full_like(blocks["b"], np.inf)}, present)
    imputer.fit(*train)
    with pytest.raises(MissingModality, match="Fitted on"):
        imputer.transform({"a": new[0]["a"]}, {"a": new[1]["a"]})
    with pytest.raises(ShapeMismatch, match="blocks"):
        imputer.transform(new[0] | {"b": new[0]["b"][:, 1:]}, new[1])


def test_imputers_are_made_by_name_or_cloned():
    given = NearestImputation(k=3)
    made = make_imputer(given)
    assert made is not given
    assert made.k == 3
    assert isinstance(make_imputer("ridge"), IMPUTERS["ridge"])
    for bad in ("knn", NearestImputation, 3, object()):
        with pytest.raises(InvalidOption, match="impute must be one of"):
            make_imputer(bad)
