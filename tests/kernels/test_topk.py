from __future__ import annotations

import numpy as np
import pytest
import torch

from graphfuse.kernels.codes import Codes, agreement
from graphfuse.kernels.topk import (
    Heaps,
    most_agreeing,
    offer_candidates,
    offer_second,
    offer_tile,
    strongest_reference,
)


def people(n: int, seed: int = 0, traits: tuple[int, int] = (2, 1)) -> tuple[torch.Tensor, Codes]:
    draw = np.random.default_rng(seed)
    units = torch.nn.functional.normalize(torch.as_tensor(draw.standard_normal((n, 9)), dtype=torch.float32))
    quantities = draw.uniform(0, 9, (traits[1], n)).astype(np.float32)
    quantities[draw.random(quantities.shape) < 0.1] = np.nan
    categories = torch.as_tensor(draw.integers(-1, 3, (traits[0], n))).int()
    return units, Codes(categories, torch.as_tensor(quantities), torch.full((traits[1],), 2.0))


def fused(dots, codes, scale, k, tile):
    """All tiles of one population."""
    heaps = Heaps.empty(len(dots), k, codes.highest)
    for i in range(0, len(dots), tile):
        for j in range(0, len(dots), tile):
            part = dots[i : i + tile, j : j + tile].contiguous()
            offer_tile(heaps, part, codes, codes, (i, j), scale, own=True)
    return heaps.sorted()


def without_themselves(dots: torch.Tensor) -> torch.Tensor:
    return dots.clone().fill_diagonal_(-1e9)  # their weight is 0


@pytest.mark.parametrize("tile", [1000, 130, 64, 7])
@pytest.mark.parametrize("traits", [(2, 1), (1, 0), (0, 1), (0, 0)])
def test_tiles_give_the_neighbours_and_weights_of_the_dense_definition(tile, traits):
    units, codes = people(201, traits=traits)
    dots = units @ units.T
    dots = (dots + dots.T) / 2  # the same both ways to the bit
    source, weight = fused(dots, codes, 0.7, 10, tile)
    wanted_source, wanted_weight = strongest_reference(without_themselves(dots), codes, codes, 0.7, 10)
    torch.testing.assert_close(weight, wanted_weight, atol=1e-6, rtol=0)
    assert torch.equal(source, wanted_source)


def test_the_same_bits_for_every_tile_and_number_of_threads():
    units, codes = people(400)
    dots = units @ units.T
    dots = (dots + dots.T) / 2
    threads = torch.get_num_threads()
    wanted = fused(dots, codes, 0.7, 5, 1000)
    try:
        for count in (1, 3):
            torch.set_num_threads(count)
            for tile in (400, 150):
                got = fused(dots, codes, 0.7, 5, tile)
                assert all(torch.equal(a, b) for a, b in zip(got, wanted, strict=True))
    finally:
        torch.set_num_threads(threads)


def test_equal_weights_go_by_position_however_the_tiles_come():
    dots = torch.full((90, 90), 0.25)
    _, nothing = people(90, traits=(0, 0))
    heaps = Heaps.empty(90, 3, 1)
    for first in (60, 0, 30):
        offer_tile(heaps, dots[:, :30].contiguous(), nothing, nothing, (0, first), 1.0, own=True)
    source, weight = heaps.sorted()
    assert source[0].tolist() == [1, 2, 3]
    assert source[50].tolist() == [0, 1, 2]
    torch.testing.assert_close(weight, torch.full((90, 3), float(np.exp(-0.5625))))


def test_other_people_are_compared_with_everybody():
    units, codes = people(150)
    new, new_codes = people(11, seed=1)
    heaps = Heaps.empty(11, 4, codes.highest)
    for first in range(0, 150, 40):
        dots = new @ units[first : first + 40].T
        offer_tile(heaps, dots, new_codes, codes, (0, first), 0.7, own=False)
    source, weight = heaps.sorted()
    wanted_source, wanted_weight = strongest_reference(new @ units.T, new_codes, codes, 0.7, 4)
    assert torch.equal(source, wanted_source)
    torch.testing.assert_close(weight, wanted_weight, atol=1e-6, rtol=0)


def test_a_weight_that_rounds_to_zero_is_no_edge():
    dots = torch.tensor([[1.0, -1.0, 0.99]])
    _, nothing = people(3, traits=(0, 0))
    heaps = Heaps.empty(1, 3, 1)
    offer_tile(heaps, dots, nothing, nothing, (0, 0), 1e4, own=True)
    source, weight = heaps.sorted()
    assert source.tolist() == [[2, -1, -1]]  # herself is none either
    np.testing.assert_allclose(weight, [[np.exp(-1.0), 0, 0]], rtol=1e-5)


def test_chosen_pairs_are_weighed_like_all_pairs():
    units, codes = people(120)
    everybody = torch.arange(120, dtype=torch.int32).expand(120, 120)
    some = torch.where(torch.rand(120, 120, generator=torch.Generator().manual_seed(0)) < 0.5, everybody, -1)
    heaps = Heaps.empty(120, 5, codes.highest)
    offer_candidates(heaps, some.contiguous(), units, codes, 0.7)
    source, weight = heaps.sorted()
    dots = without_themselves(units @ units.T).masked_fill(some < 0, -1e9)
    wanted_source, wanted_weight = strongest_reference(dots, codes, codes, 0.7, 5)
    torch.testing.assert_close(weight, wanted_weight, atol=1e-6, rtol=0)
    assert torch.equal(source, wanted_source)


def test_the_best_of_the_best_are_offered_and_nobody_is_kept_twice():
    """On a line where each person first knows the next one only, the second hop finds the one after that."""
    angle = torch.arange(20) * 0.01
    units, nothing = torch.stack([angle.cos(), angle.sin()], 1), people(20, traits=(0, 0))[1]
    following = torch.arange(1, 21, dtype=torch.int32)[:, None]
    following[19] = -1
    heaps = Heaps.empty(20, 3, 1)
    offer_candidates(heaps, following, units, nothing, 1e6)
    for known in ([1, 2, -1], [1, 2, 3]):
        offer_second(heaps, units, nothing, 1e6)
        assert sorted(heaps.source[0].tolist()) == sorted(known)


@pytest.mark.parametrize("traits", [(2, 1), (1, 0), (0, 0)])
@pytest.mark.parametrize("k", [1, 4, 70])
def test_those_who_agree_most_come_first_and_equal_ones_by_position(traits, k):
    _, targets = people(40, traits=traits)
    _, sources = people(230, seed=1, traits=traits)
    source, weight = most_agreeing(targets, sources, k)
    count, order = agreement(targets, sources).sort(dim=1, descending=True, stable=True)
    assert torch.equal(weight, count[:, :k])
    assert torch.equal(source, order[:, :k].int().masked_fill(weight == 0, -1))


def test_a_large_population_stops_looking_once_enough_people_agree():
    """A million pairs a person would take minutes; few are looked at."""
    n = 1_000_000
    columns = torch.zeros(1, n, dtype=torch.int32)
    same = Codes(columns, torch.zeros(0, n), torch.zeros(0))
    source, weight = most_agreeing(same[slice(0, 20_000)], same, 3)
    assert (weight == 1).all()
    assert (source == torch.tensor([0, 1, 2])).all()
