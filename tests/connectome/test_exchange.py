from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from graphfuse.connectome.exchange import permuted_orders
from graphfuse.errors import InvalidOption, ShapeMismatch


def test_every_order_is_as_likely_as_any_other():
    orders = [tuple(order.tolist()) for order in permuted_orders(3, 6000, random_state=1)]
    counts = [orders.count(order) for order in permutations(range(3))]
    assert sum(counts) == 6000
    assert min(counts) > 850  # 1000 expected, five standard deviations are 144


def test_nobody_leaves_their_site():
    site = np.array(["a", "b", "a", "b", "b", "a", None, None], dtype=object)
    moved = False
    for order in permuted_orders(8, 50, within=site):
        assert (site[order] == site).all()
        moved |= (order != np.arange(8)).any()
    assert moved


def test_families_swap_as_a_whole_with_families_of_their_size_and_sites():
    family = np.array([0, 0, 1, 1, 2, 3, 4, 4])
    site = np.array(["x", "y", "x", "y", "x", "x", "x", "x"])
    seen = set()
    for order in permuted_orders(8, 100, within=site, groups=family):
        assert sorted(order[:4]) == [0, 1, 2, 3]
        assert family[order[0]] == family[order[1]]
        assert family[order[2]] == family[order[3]]
        assert (site[order] == site).all()
        assert order[6:].tolist() == [6, 7]  # no other family has two members at x
        seen.add(tuple(order.tolist()))
    assert len(seen) == 4


def test_the_seed_decides():
    a, b, c = (np.stack(list(permuted_orders(9, 5, random_state=seed))) for seed in (1, 1, 2))
    assert np.array_equal(a, b)
    assert not np.array_equal(a, c)


def test_blocks_in_which_nobody_can_move_are_refused():
    with pytest.raises(InvalidOption, match="swap"):
        permuted_orders(4, 5, within=[0, 1, 2, 3])
    with pytest.raises(ShapeMismatch, match="groups"):
        permuted_orders(4, 5, groups=[0, 1])
