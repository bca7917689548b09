from __future__ import annotations

import numpy as np
import pytest

from graphfuse.errors import InvalidOption
from graphfuse.estimators.imputation import neighbours
from graphfuse.estimators.imputation.neighbours import People, nearest_shares, shared_distances


def people(part):
    blocks, present = part
    return People({name: np.where(present[name][:, None], x, 0).astype(float) for name, x in blocks.items()}, present)


def by_hand(new, known, lengths):
    """Distances one pair at a time."""
    result = np.full((len(new), len(known)), np.inf)
    for i in range(len(new)):
        for j in range(len(known)):
            both = [name for name in lengths if new.present[name][i] and known.present[name][j]]
            if both:
                squares = [np.square(new.blocks[m][i] - known.blocks[m][j]).sum() / lengths[m] for m in both]
                result[i, j] = np.sqrt(np.mean(squares))
    return result


def test_distances_are_over_what_both_have(train, new):
    a, b = people(new), people(train)
    lengths = b.lengths()
    np.testing.assert_allclose(shared_distances(a, b, lengths), by_hand(a, b, lengths), atol=1e-6)
    assert np.isinf(shared_distances(a, b, lengths)[-1]).all()  # who has nothing


@pytest.mark.parametrize("weights", ["distance", "uniform"])
def test_shares_are_those_of_the_k_nearest(train, new, weights, monkeypatch):
    a, b = people(new), people(train)
    lengths = b.lengths()
    wanted = np.zeros((len(a), len(b)))
    for i, row in enumerate(by_hand(a, b, lengths)[:-1]):
        near = np.argsort(row)[:4]
        weight = 1 / row[near] if weights == "distance" else np.ones(4)
        wanted[i, near] = weight / weight.sum()
    got = nearest_shares(a, b, lengths, 4, weights).toarray()
    np.testing.assert_allclose(got, wanted, atol=1e-8)
    monkeypatch.setattr(neighbours, "STRIP", 7)
    np.testing.assert_allclose(nearest_shares(a, b, lengths, 4, weights).toarray(), got, atol=1e-12)


def test_nobody_is_their_own_neighbour_and_a_twin_counts_alone(train):
    b = people(train)
    own = np.arange(len(b))
    shares = nearest_shares(b, b, b.lengths(), 5, own=own).toarray()
    assert not np.diag(shares).any()
    np.testing.assert_allclose(shares[:-1].sum(1), 1)
    assert not shares[-1].any()
    twins = b[np.r_[0, own]]
    shares = nearest_shares(twins, twins, b.lengths(), 5, own=np.arange(len(twins))).toarray()
    assert shares[0, 1] > 0.999


def test_a_modality_of_zeros_has_length_one():
    flat = People({"v": np.zeros((3, 2))}, {"v": np.array([True, True, False])})
    assert flat.lengths() == {"v": 1.0}
    assert nearest_shares(flat, flat, {"v": 1.0}, 9).toarray()[:2].tolist() == [[0.5, 0.5, 0], [0.5, 0.5, 0]]


def test_options_are_checked(train):
    b = people(train)
    with pytest.raises(InvalidOption, match="k must"):
        nearest_shares(b, b, b.lengths(), 0)
    with pytest.raises(InvalidOption, match="weights"):
        nearest_shares(b, b, b.lengths(), 3, "gaussian")
