"""One model, one vote; what happens to ties."""

from __future__ import annotations

import pytest
import torch

from graphfuse.errors import InvalidOption
from graphfuse.fusion.output.vote import vote


def everyone(p: torch.Tensor) -> torch.Tensor:
    return torch.ones(p.shape[:2], dtype=torch.bool)


def test_votes_are_counted():
    p = torch.tensor([[[0.6, 0.4], [0.51, 0.49], [0.01, 0.99]]])
    torch.testing.assert_close(vote(p, everyone(p)), torch.tensor([[2 / 3, 1 / 3]]))
    torch.testing.assert_close(vote(p, everyone(p), kind="soft"), p.mean(1))
    assert vote(p, everyone(p)).argmax() != vote(p, everyone(p), kind="soft").argmax()


def test_two_models_that_disagree_end_at_the_mean():
    p = torch.tensor([[[0.6, 0.4], [0.1, 0.9]]])
    torch.testing.assert_close(vote(p, everyone(p)), torch.tensor([[0.35, 0.65]]))


def test_the_votes_of_tied_leaders_are_dealt_out_and_those_of_the_others_stay():
    p = torch.tensor([[[0.7, 0.2, 0.1], [0.6, 0.3, 0.1], [0.4, 0.6, 0.0], [0.3, 0.7, 0.0], [0.1, 0.2, 0.7]]])
    mean = p.mean(1)[0]
    leaders = 0.8 * mean[:2] / mean[:2].sum()
    torch.testing.assert_close(vote(p, everyone(p))[0], torch.tensor([*leaders, 0.2]))


def test_a_model_that_is_torn_parts_its_vote():
    p = torch.tensor([[[0.4, 0.4, 0.2], [0.1, 0.8, 0.1], [0.2, 0.7, 0.1]]])
    torch.testing.assert_close(vote(p, everyone(p)), torch.tensor([[0.5 / 3, 2.5 / 3, 0.0]]))


def test_a_perfect_tie_stays_one():
    p = torch.tensor([[[0.8, 0.2], [0.2, 0.8]]])
    torch.testing.assert_close(vote(p, everyone(p)), torch.tensor([[0.5, 0.5]]))
    assert vote(p, everyone(p)).argmax() == 0


def test_an_unknown_kind_is_refused():
    p = torch.tensor([[[0.8, 0.2]]])
    with pytest.raises(InvalidOption, match="kind must be one of hard, soft"):
        vote(p, everyone(p), kind="loud")
