from __future__ import annotations

import torch

from graphfuse.graph.rows import Rows
from graphfuse.nn.population import Population


def test_everybody_may_hear_the_fitted_people_and_himself():
    people = Rows(torch.zeros(4, 2), torch.ones(4, dtype=torch.bool))
    candidates = Population({"a": people}, fitted=2).candidates[0]
    assert candidates.int().tolist() == [[1, 1, 0, 0], [1, 1, 0, 0], [1, 1, 1, 0], [1, 1, 0, 1]]


def test_vectors_stand_side_by_side_in_the_order_of_their_roles():
    ones, twos = (Rows(torch.full((3, n), float(n)), torch.ones(3, dtype=torch.bool)) for n in (1, 2))
    assert Population({"b": twos, "a": ones}).x[0].tolist() == [1, 2, 2]
