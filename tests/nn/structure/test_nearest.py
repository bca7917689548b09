"""The k best candidates: ties by position, padding where there are too few."""

from __future__ import annotations

import torch

from graphfuse.nn.structure.nearest import best_first


def test_ties_go_by_position_and_too_few_are_padded():
    score = torch.tensor([[1.0, 3.0, 3.0, 2.0], [0.0, 0.0, 0.0, 0.0]])
    candidates = torch.tensor([[True, True, True, False], [False, False, True, False]])
    place, exist = best_first(score, candidates, 5)
    assert place.tolist() == [[1, 2, 0, 0, 0], [2, 0, 0, 0, 0]]
    assert exist.tolist() == [[True] * 3 + [False] * 2, [True] + [False] * 4]


def test_without_candidates_everybody_is_one():
    score = torch.randn(3, 50)
    place, exist = best_first(score, None, 7)
    assert exist.all()
    assert torch.equal(place, score.topk(7).indices)


def test_many_ties_go_by_position_however_many_columns_follow():
    score = torch.zeros(2, 3000)
    assert best_first(score, None, 9)[0].tolist() == [list(range(9))] * 2
    assert best_first(score[:, :10], None, 9)[0].tolist() == [list(range(9))] * 2
