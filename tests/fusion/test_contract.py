"""Every fusion keeps the contract: sorted names, and not a bit of a missing value."""

from __future__ import annotations

import functools

import pytest
import torch

from graphfuse.errors import InvalidOption, MissingModality, NonFinite, ShapeMismatch
from graphfuse.fusion import FUSIONS, AddFusion, make_fusion

MANY = sorted(set(FUSIONS) - {"co-attention"})  # which is of two modalities
WIDTHS = {"smri": 3, "dti": 4, "fmri": 5}
PRESENT = {
    "fmri": torch.tensor([True, True, False, False]),
    "smri": torch.tensor([True, False, True, False]),
    "dti": torch.tensor([True, False, False, True]),
}


def embeddings(widths=WIDTHS):
    torch.manual_seed(0)
    return {name: torch.randn(4, width) for name, width in widths.items()}


@pytest.mark.parametrize(
    ("name", "modalities"),
    [(name, ["dti", "fmri", "smri"]) for name in MANY] + [(name, ["dti", "fmri"]) for name in FUSIONS],
)
def test_missing_values_change_no_bit_of_output_or_gradient(name, modalities):
    fusion = make_fusion(name, {m: WIDTHS[m] for m in modalities}, 6)
    present = {m: PRESENT[m] for m in modalities}
    present["dti"] = present["dti"] | torch.tensor([False, False, True, False])  # everybody has something
    results = []
    for fill in (0.0, 3.0, torch.nan, torch.inf, -torch.inf):
        values = {m: embeddings()[m] for m in modalities}
        values = {m: torch.where(present[m][:, None], v, fill).requires_grad_() for m, v in values.items()}
        fusion.zero_grad()
        z, weights = fusion(values, present)
        z.square().sum().backward()
        gradients = [values[m].grad for m in modalities] + [p.grad.clone() for p in fusion.parameters()]
        results.append([z.detach(), *([] if weights is None else [weights]), *gradients])
    assert all(torch.isfinite(tensor).all() for tensor in results[0])
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))


@pytest.mark.parametrize("name", MANY)
def test_the_order_of_the_dicts_does_not_matter(name):
    torch.manual_seed(1)
    fusion = make_fusion(name, WIDTHS, 6)
    torch.manual_seed(1)
    again = make_fusion(name, dict(sorted(WIDTHS.items())), 6)
    values = embeddings()
    z, _ = fusion(values, PRESENT)
    backwards, _ = again(dict(reversed(values.items())), dict(reversed(PRESENT.items())))
    assert torch.equal(z, backwards)


@pytest.mark.parametrize("name", MANY)
def test_subjects_do_not_see_each_other(name):
    fusion, values = make_fusion(name, WIDTHS, 6), embeddings()
    z, _ = fusion(values, PRESENT)
    one, _ = fusion({m: v[1:2] for m, v in values.items()}, {m: p[1:2] for m, p in PRESENT.items()})
    torch.testing.assert_close(one[0], z[1])


@pytest.mark.parametrize("name", MANY)
def test_every_parameter_learns(name):
    torch.manual_seed(0)
    fusion = make_fusion(name, WIDTHS, 6)
    optimiser = torch.optim.SGD(fusion.parameters(), lr=0.1)
    for _ in range(2):  # what stands behind a weight that starts at 0 learns from the second step on
        optimiser.zero_grad()
        (fusion(embeddings(), PRESENT)[0] - 1).square().mean().backward()
        optimiser.step()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in fusion.parameters())


@pytest.mark.parametrize("name", MANY)
def test_weights_are_shares_of_who_is_there(name):
    fusion = make_fusion(name, WIDTHS, 6)
    weights = fusion(embeddings(), PRESENT)[1]
    if weights is not None:
        there = torch.stack([PRESENT[m] for m in sorted(WIDTHS)], 1)
        assert not weights.requires_grad
        assert torch.equal(weights > 0, there)
        assert (weights.sum(1) <= 1 + 1e-6).all()


@pytest.mark.parametrize("name", MANY)
def test_one_modality_alone_can_be_fused(name):
    torch.manual_seed(0)
    z, _ = make_fusion(name, {"fmri": 5}, 6)({"fmri": torch.randn(2, 5)}, {"fmri": torch.ones(2, dtype=torch.bool)})
    assert z.shape == (2, 6)
    assert torch.isfinite(z).all()


@pytest.mark.parametrize("name", MANY)
def test_huge_embeddings_are_fused_or_refused(name):
    fusion, values = make_fusion(name, WIDTHS, 6), {m: 1e14 * v.sign() for m, v in embeddings().items()}
    try:
        z, _ = fusion(values, PRESENT)
    except NonFinite as error:
        assert "standardise" in str(error)  # noqa: PT017
    else:
        z.sum().backward()
        assert torch.isfinite(z).all()
        assert all(torch.isfinite(p.grad).all() for p in fusion.parameters())


@pytest.mark.parametrize("name", MANY)
def test_errors_at_the_door(name):
    fusion, values = make_fusion(name, WIDTHS, 6), embeddings()
    nobody = {m: p & torch.tensor([True, True, True, False]) for m, p in PRESENT.items()}
    with pytest.raises(MissingModality, match="1 of 4 have none"):
        fusion(values, nobody)
    with pytest.raises(MissingModality, match="needs the modalities"):
        fusion({"fmri": values["fmri"]}, PRESENT)
    with pytest.raises(ShapeMismatch, match=r"embeddings\['fmri'\]"):
        fusion({**values, "fmri": values["fmri"][:, 1:]}, PRESENT)
    with pytest.raises(ShapeMismatch, match=r"present\['fmri'\]"):
        fusion(values, {**PRESENT, "fmri": torch.ones(3, dtype=torch.bool)})


def test_make_fusion_takes_names_and_what_makes_a_module():
    fusion = make_fusion(functools.partial(AddFusion, activation="tanh"), WIDTHS, 6)
    assert isinstance(fusion.activation, torch.nn.Tanh)
    assert fusion.out_channels == 6
    with pytest.raises(InvalidOption, match="Did you mean 'gated'"):
        make_fusion("gate", WIDTHS, 6)
    with pytest.raises(InvalidOption, match="got a AddFusion"):
        make_fusion(fusion, WIDTHS, 6)
    with pytest.raises(InvalidOption, match="got a int"):
        make_fusion(3, WIDTHS, 6)
