from __future__ import annotations

import numpy as np
import pytest
import torch

from graphfuse.kernels.codes import Codes, agreement


def codes(n: int, seed: int = 0, traits: tuple[int, int] = (2, 1)) -> Codes:
    draw = np.random.default_rng(seed)
    categories = draw.integers(-1, 3, (traits[0], n))  # -1: missing
    quantities = draw.integers(0, 6, (traits[1], n)).astype(np.float32)
    quantities[draw.random(quantities.shape) < 0.2] = np.nan
    return Codes(torch.as_tensor(categories).int(), torch.as_tensor(quantities), torch.full((traits[1],), 2.0))


def loop(targets: Codes, sources: Codes) -> np.ndarray:
    count = np.zeros((targets.people, sources.people))
    for i in range(targets.people):
        for j in range(sources.people):
            for mine, others in zip(targets.categories, sources.categories, strict=True):
                count[i, j] += int(mine[i]) == int(others[j]) != -1
            for mine, others in zip(targets.quantities, sources.quantities, strict=True):
                count[i, j] += abs(float(mine[i]) - float(others[j])) < 2
    return count


@pytest.mark.parametrize("traits", [(2, 1), (1, 0), (0, 2)])
def test_agreement_is_the_count_of_a_plain_loop(traits):
    targets, sources = codes(9, 0, traits), codes(13, 1, traits)
    np.testing.assert_array_equal(agreement(targets, sources), loop(targets, sources))
    assert targets.highest == sum(traits)


def test_without_phenotypes_everybody_agrees_once():
    nothing = codes(4, traits=(0, 0))
    assert (agreement(nothing, nothing) == 1).all()
    assert nothing.highest == 1


def test_a_selection_holds_the_people_asked_for():
    all_of_them = codes(9)
    rows = torch.tensor([4, 4, 0])
    assert torch.equal(agreement(all_of_them[rows], all_of_them), agreement(all_of_them, all_of_them)[rows])
