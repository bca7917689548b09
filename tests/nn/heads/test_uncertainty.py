from __future__ import annotations

import math

import pytest
import torch
from scipy.stats import entropy

from graphfuse.errors import InvalidOption, NonFinite, ShapeMismatch
from graphfuse.nn.heads.uncertainty import decompose


def test_passes_that_contradict_each_other_are_all_disagreement():
    known = decompose(torch.tensor([[[1.0, 0.0]], [[0.0, 1.0]]]))
    torch.testing.assert_close(known.mean, torch.tensor([[0.5, 0.5]]))
    torch.testing.assert_close(known.entropy, torch.tensor([math.log(2)]))
    torch.testing.assert_close(known.mutual_information, torch.tensor([math.log(2)]))
    assert known.aleatoric == 0


def test_passes_that_agree_on_a_coin_are_all_aleatoric():
    known = decompose(torch.full((4, 1, 2), 0.5))
    torch.testing.assert_close(known.aleatoric, torch.tensor([math.log(2)]))
    assert known.mutual_information.abs() < 1e-6


def test_it_equals_scipys_entropies_and_adds_up():
    p = torch.randn(5, 3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).softmax(-1)
    known = decompose(p)
    torch.testing.assert_close(known.entropy, torch.tensor(entropy(p.mean(0).numpy(), axis=-1)))
    torch.testing.assert_close(known.aleatoric, torch.tensor(entropy(p.numpy(), axis=-1).mean(0)))
    torch.testing.assert_close(known.entropy, known.aleatoric + known.mutual_information)
    assert (known.mutual_information >= 0).all()


def test_what_is_no_prediction_is_refused():
    with pytest.raises(InvalidOption, match="Use a softmax"):
        decompose(torch.ones(2, 3, 4))
    with pytest.raises(InvalidOption, match="must hold a prediction"):
        decompose(torch.ones(0, 3, 4))
    with pytest.raises(NonFinite):
        decompose(torch.full((2, 3, 4), float("nan")))
    with pytest.raises(ShapeMismatch):
        decompose(torch.full((3, 2), 0.5))
