"""Modality dropout drops as often as it says, never everything, and only in training."""

from __future__ import annotations

import pytest
import torch

from graphfuse.errors import InvalidOption, ShapeMismatch
from graphfuse.fusion.modality_dropout import ModalityDropout, drop_modalities


def everybody(names="abc", n=20_000):
    return {name: torch.ones(n, dtype=torch.bool) for name in names}


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("p", [0.0, 0.3, 0.8, 1.0])
@pytest.mark.parametrize("names", ["a", "ab", "abc"])
def test_each_is_dropped_with_the_stated_probability_and_one_stays(p, names):
    kept = drop_modalities(everybody(names), p, generator())
    mask = torch.stack(list(kept.values()), 1)
    assert mask.any(1).all()
    expected = p - p ** len(names) / len(names)
    assert torch.allclose((~mask).float().mean(0), torch.tensor(expected), atol=0.02)  # 5 standard errors


def test_whoever_has_one_modality_keeps_it_and_whatever_is_missing_stays_missing():
    present = {"a": torch.tensor([True, False, False]), "b": torch.tensor([False, True, False])}
    for seed in range(20):
        kept = drop_modalities(present, 1.0, generator(seed))
        assert all(torch.equal(kept[name], present[name]) for name in present)


def test_the_same_seed_drops_the_same_whatever_the_order_of_the_dict():
    present = everybody(n=100)
    one = drop_modalities(present, 0.3, generator(4))
    again = drop_modalities(dict(reversed(present.items())), 0.3, generator(4))
    other = drop_modalities(present, 0.3, generator(5))
    assert all(torch.equal(one[name], again[name]) for name in present)
    assert not all(torch.equal(one[name], other[name]) for name in present)
    assert all(mask.all() for mask in present.values())  # the argument is left as it was


def test_the_module_acts_in_training_only():
    module, present = ModalityDropout(0.5, generator()), everybody(n=100)
    assert not all(mask.all() for mask in module(present).values())
    assert all(torch.equal(kept, present[name]) for name, kept in module.eval()(present).items())
    assert repr(module) == "ModalityDropout(p=0.5)"


def test_errors_at_the_door():
    with pytest.raises(InvalidOption, match="p must lie"):
        ModalityDropout(1.5)
    with pytest.raises(InvalidOption, match="p must lie"):
        drop_modalities(everybody(), -0.1)
    with pytest.raises(ShapeMismatch, match=r"present\['b'\]"):
        drop_modalities({"a": torch.ones(2), "b": torch.ones(3)}, 0.3)
