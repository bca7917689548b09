"""Dempster's rule against the rule for two opinions, one after the other, and against sums over sets."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch

from graphfuse.errors import InvalidOption
from graphfuse.fusion.output.bayes import bayes
from graphfuse.fusion.output.dempster_shafer import combine_evidence, combine_opinions, dempster_shafer
from graphfuse.nn.heads.evidential import opinion

PRESENT = torch.tensor([[True, True, True], [True, False, True], [False, True, False]])


def evidence() -> torch.Tensor:
    return 4 * torch.rand(3, 3, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def two(b1, u1, b2, u2):
    """The rule for two opinions, in loops."""
    classes = range(len(b1))
    conflict = sum(b1[i] * b2[j] for i in classes for j in classes if i != j)
    belief = np.array([b1[c] * b2[c] + b1[c] * u2 + b2[c] * u1 for c in classes]) / (1 - conflict)
    return belief, u1 * u2 / (1 - conflict)


def test_all_at_once_is_two_after_two():
    together = combine_evidence(evidence(), PRESENT)
    for i in range(3):
        parts = [opinion(evidence()[i, m][None]) for m in range(3) if PRESENT[i, m]]
        belief, doubt = parts[0].belief[0].numpy(), float(parts[0].uncertainty)
        for part in parts[1:]:
            belief, doubt = two(belief, doubt, part.belief[0].numpy(), float(part.uncertainty))
        np.testing.assert_allclose(together.belief[i], belief, rtol=1e-12)
        np.testing.assert_allclose(together.uncertainty[i], doubt, rtol=1e-12)


def test_it_is_dempsters_sum_over_intersecting_sets():
    single = opinion(evidence()[0])
    everything, mass = frozenset(range(4)), {}
    focal = [frozenset([c]) for c in range(4)] + [everything]
    masses = torch.cat([single.belief, single.uncertainty[:, None]], 1).numpy()  # (M, C + 1)
    for chosen in product(range(5), repeat=3):
        common = everything.intersection(*(focal[k] for k in chosen))
        mass[common] = mass.get(common, 0) + np.prod([masses[m, k] for m, k in enumerate(chosen)])
    agreed = 1 - mass.pop(frozenset())
    together = combine_evidence(evidence()[:1], PRESENT[:1])
    np.testing.assert_allclose(together.belief[0], [mass[frozenset([c])] / agreed for c in range(4)], rtol=1e-12)
    np.testing.assert_allclose(together.uncertainty[0], mass[everything] / agreed, rtol=1e-12)


def test_masses_sum_to_one_and_doubt_only_shrinks():
    together = combine_evidence(evidence(), PRESENT)
    torch.testing.assert_close(together.belief.sum(1) + together.uncertainty, torch.ones(3, dtype=torch.float64))
    torch.testing.assert_close(together.probability.sum(1), torch.ones(3, dtype=torch.float64))
    single = opinion(evidence().flatten(0, 1)).uncertainty.view(3, 3)
    assert (together.uncertainty <= torch.where(PRESENT, single, 1).amin(1) + 1e-12).all()


def test_one_body_of_evidence_keeps_its_opinion():
    together = combine_evidence(evidence(), PRESENT)
    alone = opinion(evidence()[2, 1][None])
    for ours, own in zip(together, alone, strict=True):
        torch.testing.assert_close(ours[2:], own)


def test_no_evidence_at_all_is_no_belief():
    nothing = combine_evidence(torch.zeros(1, 2, 3), PRESENT[:1, :2])
    assert torch.equal(nothing.belief, torch.zeros(1, 3))
    torch.testing.assert_close(nothing.probability, torch.full((1, 3), 1 / 3))


@pytest.mark.parametrize("size", [1e-8, 1e15])
def test_faint_and_overwhelming_evidence_keep_their_masses(size):
    e = size * torch.tensor([[[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]], dtype=torch.float64)
    together = combine_evidence(e, PRESENT[:1])
    assert all(torch.isfinite(part).all() for part in together)
    torch.testing.assert_close(together.belief.sum(1) + together.uncertainty, torch.ones(1).double())
    assert all(torch.isfinite(part).all() for part in combine_evidence(e.float(), PRESENT[:1]))
    expected = 2.0 if size < 1 else 5e14  # beliefs add up while faint; each more body multiplies by e / 2 when not
    torch.testing.assert_close(together.belief[0, 1] / together.belief[0, 0], torch.tensor(expected).double())


def test_without_doubt_probabilities_are_multiplied_and_with_it_less_so():
    p = torch.rand(5, 3, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64).softmax(-1)
    everyone = torch.ones(5, 3, dtype=torch.bool)
    torch.testing.assert_close(dempster_shafer(p, everyone, 0.0), bayes(p, everyone), atol=1e-5, rtol=0)
    doubts = [dempster_shafer(p, everyone, u).amax(1) for u in (0.0, 0.3, 0.9)]
    assert (doubts[0] > doubts[1]).all()
    assert (doubts[1] > doubts[2]).all()


def test_a_doubtful_model_is_outvoted():
    p = torch.tensor([[[0.9, 0.1], [0.2, 0.8]]])
    both = torch.ones(1, 2, dtype=torch.bool)
    assert dempster_shafer(p, both, (0.05, 0.6)).argmax() == 0
    assert dempster_shafer(p, both, (0.9, 0.05)).argmax() == 1


def test_what_is_no_opinion_is_refused():
    p, both = torch.full((1, 2, 2), 0.5), torch.ones(1, 2, dtype=torch.bool)
    with pytest.raises(InvalidOption, match="below 1"):
        dempster_shafer(p, both, 1.0)
    with pytest.raises(InvalidOption, match="at least 0"):
        combine_evidence(-p, both)
    with pytest.raises(InvalidOption, match="sum to 1"):
        combine_opinions(p, torch.full((1, 2), 0.5), both)
    with pytest.raises(InvalidOption, match="above 0"):
        combine_opinions(p, torch.zeros(1, 2), both)
