"""Every rule keeps the contract: rows that sum to 1, and not a bit of a missing opinion."""

from __future__ import annotations

import pytest
import torch

from graphfuse.errors import InvalidOption, MissingModality, NonFinite, ShapeMismatch
from graphfuse.fusion.output import OUTPUTS, output_rule
from graphfuse.fusion.output.contract import shares

NEEDS = {
    "auc": {"area": (0.8, 0.7, 0.6)},
    "precision": {"variance": (0.1, 0.2, 0.4)},
    "rank": {"area": (0.8, 0.7, 0.6)},
    "weighted": {"weights": (0.5, 0.3, 0.2)},
}
# Every rule, and every kind of a rule that has kinds.
CASES = [(name, NEEDS.get(name, {})) for name in sorted(OUTPUTS)] + [
    ("mean", {"space": "logit"}),
    ("vote", {"kind": "soft"}),
    ("bayes", {"prior": (0.2, 0.3, 0.1, 0.4)}),
]
PRESENT = torch.tensor([[1, 1, 1], [1, 1, 0], [0, 1, 1], [1, 0, 0], [0, 1, 0], [0, 0, 1]], dtype=torch.bool)
every = pytest.mark.parametrize(("name", "options"), CASES)


def opinions(dtype=torch.float32) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return (2 * torch.randn(6, 3, 4, generator=generator, dtype=dtype)).softmax(-1)


@every
def test_rows_are_distributions(name, options):
    fused = OUTPUTS[name](opinions(), PRESENT, **options)
    assert fused.shape == (6, 4)
    assert (fused >= 0).all()
    torch.testing.assert_close(fused.sum(1), torch.ones(6))


@every
def test_missing_values_change_no_bit_of_output_or_gradient(name, options):
    results = []
    for fill in (0.25, 0.0, 7.0, torch.nan, torch.inf, -torch.inf):
        p = torch.where(PRESENT[..., None], opinions(), fill).requires_grad_()
        fused = OUTPUTS[name](p, PRESENT, **options)
        gradient = torch.zeros_like(p)
        if fused.requires_grad:
            fused[:, 0].sum().backward()
            gradient = p.grad
        results.append((fused.detach(), gradient))
    assert all(torch.isfinite(part).all() for part in results[0])
    assert all(torch.equal(a, b) for other in results[1:] for a, b in zip(results[0], other, strict=True))


@pytest.mark.parametrize("name", sorted(NEEDS))
def test_numbers_of_a_missing_modality_change_no_bit(name):
    option, values = next(iter(NEEDS[name].items()))
    by_person = torch.tensor(values).repeat(6, 1)
    spoilt = torch.where(PRESENT, by_person, torch.nan)
    fused = OUTPUTS[name](opinions(), PRESENT, **{option: by_person})
    assert torch.equal(fused, OUTPUTS[name](opinions(), PRESENT, **{option: spoilt}))
    torch.testing.assert_close(fused, OUTPUTS[name](opinions(), PRESENT, **NEEDS[name]))


@every
def test_one_modality_alone_gives_its_own_answer(name, options):
    p = opinions(torch.float64)
    fused = OUTPUTS[name](p, PRESENT, **options)[3:]
    alone = p[3:][PRESENT[3:]]  # (3, C)
    assert torch.equal(fused.argmax(1), alone.argmax(1))
    if name != "vote" or options:
        torch.testing.assert_close(fused, alone)


@every
def test_a_missing_modality_is_one_that_was_never_there(name, options):
    p = opinions()
    kept = {key: value[:2] if len(value) == 3 else value for key, value in options.items()}  # a prior has 4
    fewer = OUTPUTS[name](p[1:2, :2], PRESENT[1:2, :2], **kept)
    torch.testing.assert_close(OUTPUTS[name](p, PRESENT, **options)[1:2], fewer)


@every
def test_the_order_of_the_modalities_does_not_matter(name, options):
    order = [2, 0, 1]
    turned = {key: [value[m] for m in order] if len(value) == 3 else value for key, value in options.items()}
    fused = OUTPUTS[name](opinions()[:, order], PRESENT[:, order], **turned)
    torch.testing.assert_close(fused, OUTPUTS[name](opinions(), PRESENT, **options))


@every
def test_people_do_not_see_each_other(name, options):
    one = OUTPUTS[name](opinions()[2:3], PRESENT[2:3], **options)
    torch.testing.assert_close(one, OUTPUTS[name](opinions(), PRESENT, **options)[2:3])


@every
def test_certain_opinions_that_contradict_each_other_have_an_answer(name, options):
    certain = torch.eye(4)[:3][None].expand(6, 3, 4).contiguous()
    fused = OUTPUTS[name](certain, PRESENT, **options)
    assert torch.isfinite(fused).all()
    torch.testing.assert_close(fused.sum(1), torch.ones(6))


@every
def test_errors_at_the_door(name, options):
    rule, p = OUTPUTS[name], opinions()
    nobody = PRESENT.clone()
    nobody[0] = False
    spoilt = p.clone()
    spoilt[0, 0, 0] = torch.nan
    with pytest.raises(MissingModality, match="1 of 6 have none"):
        rule(p, nobody, **options)
    with pytest.raises(NonFinite, match="probabilities"):
        rule(spoilt, PRESENT, **options)
    with pytest.raises(InvalidOption, match="sum to 1; 10 opinions"):
        rule(2 * p, PRESENT, **options)
    with pytest.raises(InvalidOption, match="boolean"):
        rule(p, PRESENT.float(), **options)
    with pytest.raises(ShapeMismatch, match="present"):
        rule(p, PRESENT[:, :2], **options)
    with pytest.raises(ShapeMismatch, match="probabilities"):
        rule(p[0], PRESENT, **options)


@pytest.mark.parametrize("name", sorted(NEEDS))
def test_a_rule_that_needs_numbers_says_so(name):
    option = next(iter(NEEDS[name]))
    with pytest.raises(InvalidOption, match=f"needs {option}"):
        OUTPUTS[name](opinions(), PRESENT)
    with pytest.raises(InvalidOption, match="at least 0"):
        OUTPUTS[name](opinions(), PRESENT, **{option: (0.5, -0.1, 0.5)})
    with pytest.raises(NonFinite, match=option):
        OUTPUTS[name](opinions(), PRESENT, **{option: (0.5, torch.nan, 0.5)})
    with pytest.raises(ShapeMismatch, match=option):
        OUTPUTS[name](opinions(), PRESENT, **{option: (0.5, 0.5)})


def test_shares_of_nobody_who_weighs_are_equal():
    mask = torch.tensor([[True, True, False], [True, True, True], [False, False, True]])
    weights = torch.tensor([[0.0, 0.0, 5.0], [1e38, 3e38, 0.0], [1.0, 1.0, 0.0]])
    expected = torch.tensor([[0.5, 0.5, 0.0], [0.25, 0.75, 0.0], [0.0, 0.0, 1.0]])
    torch.testing.assert_close(shares(weights, mask), expected)


def test_a_rule_is_a_name_or_a_callable():
    assert output_rule("bayes") is OUTPUTS["bayes"]
    assert output_rule(len) is len
    with pytest.raises(InvalidOption, match="Did you mean 'vote'"):
        output_rule("votes")
    with pytest.raises(InvalidOption, match="got a int"):
        output_rule(3)
