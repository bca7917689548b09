"""Every fusion of tokens serves as a fusion of embeddings."""

from __future__ import annotations

import functools

import pytest
import torch

from graphfuse.errors import InvalidOption, MissingModality, ShapeMismatch
from graphfuse.fusion import make_fusion
from graphfuse.fusion.cross import CrossFusion
from graphfuse.fusion.pooled import POOLED, PooledTokens, attention_mass, pool_tokens
from graphfuse.fusion.tokens import AttentionMap

WIDTHS = {"smri": 3, "dti": 4, "fmri": 5}
PRESENT = {
    "fmri": torch.tensor([True, True, False, True]),
    "smri": torch.tensor([True, False, True, True]),
    "dti": torch.tensor([True, False, False, False]),
}
every_name = pytest.mark.parametrize("name", sorted(POOLED))


def problem(name):
    torch.manual_seed(0)
    modalities = ["smri", "fmri"] if name == "co-attention" else list(WIDTHS)
    fusion = make_fusion(POOLED[name], {m: WIDTHS[m] for m in modalities}, 6)
    return fusion, {m: torch.randn(4, WIDTHS[m]) for m in modalities}, {m: PRESENT[m] for m in modalities}


@every_name
def test_missing_values_change_no_bit_of_output_or_gradient(name):
    fusion, values, present = problem(name)
    results = []
    for fill in (0.0, 3.0, torch.nan, torch.inf, -torch.inf):
        filled = {m: torch.where(present[m][:, None], v, fill).requires_grad_() for m, v in values.items()}
        fusion.zero_grad()
        z, weights = fusion(filled, present)
        z[:, 0].square().sum().backward()
        gradients = [v.grad for v in filled.values()] + [p.grad.clone() for p in fusion.parameters()]
        results.append([z.detach(), weights, *gradients])
    assert all(torch.isfinite(tensor).all() for tensor in results[0])
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))


@every_name
def test_weights_are_shares_of_what_is_present(name):
    fusion, values, present = problem(name)
    z, weights = fusion(values, present)
    mask = torch.stack([present[m] for m in sorted(present)], 1)
    assert z.shape == (4, 6)
    assert not weights.requires_grad
    assert not weights[~mask].any()
    assert (weights[mask] > 0).all()
    torch.testing.assert_close(weights.sum(1), torch.ones(4))
    assert weights[1, sorted(present).index("fmri")] == 1  # who has nothing else


@every_name
def test_gradients_reach_every_parameter(name):
    fusion, values, present = problem(name)
    z, _ = fusion(values, present)
    (z * torch.randn_like(z)).sum().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 1e-6 for p in fusion.parameters())


@every_name
def test_errors_at_the_door(name):
    fusion, values, present = problem(name)
    with pytest.raises(MissingModality, match="4 of 4 have none"):
        fusion(values, {m: torch.zeros_like(p) for m, p in present.items()})
    with pytest.raises(ShapeMismatch, match=r"embeddings\['fmri'\]"):
        fusion({**values, "fmri": values["fmri"][:, 1:]}, present)


def test_it_is_split_fuse_pool_and_norm():
    fusion, values, present = problem("cross")
    tokens = {m: fusion.split[i](values[m]).view(4, 4, 6) for i, m in enumerate(sorted(values))}
    fused, maps = fusion.fusion(tokens, present)
    means = torch.stack([sum(fused[m][i].mean(0) for m in fused if present[m][i]) for i in range(4)])
    means = means / sum(p.float() for p in present.values())[:, None]
    z, weights = fusion(values, present)
    torch.testing.assert_close(z, fusion.norm(means))
    assert torch.equal(
        weights, attention_mass(maps, sorted(values), torch.stack([present[m] for m in sorted(values)], 1))
    )


def test_options_reach_the_fusion():
    fusion = make_fusion(functools.partial(POOLED["cross"], tokens=2, dominant="dti", layers=3), WIDTHS, 6)
    assert fusion.tokens == 2
    assert fusion.fusion.asking == ["dti"]
    assert len(fusion.fusion.layers) == 3
    with pytest.raises(InvalidOption, match="tokens"):
        PooledTokens(WIDTHS, 6, CrossFusion, tokens=0)


def test_the_pool_is_the_class_token_or_the_mean_over_what_is_present():
    fused = {"a": torch.tensor([[[1.0], [3.0]], [[1.0], [3.0]]]), "b": torch.tensor([[[4.0]], [[0.0]]])}
    mask = torch.tensor([[True, True], [True, False]])
    assert pool_tokens(fused, mask).tolist() == [[3.0], [2.0]]
    assert pool_tokens({**fused, "[class]": torch.tensor([[[7.0]], [[8.0]]])}, mask).tolist() == [[7.0], [8.0]]


def test_mass_is_the_mean_attention_that_keys_got_from_who_gathers():
    mask = torch.tensor([[True, True]])
    weights = torch.tensor([[0.5, 0.2, 0.1, 0.2], [0.0, 0.9, 0.1, 0.0], [0.0, 1.0, 0.0, 0.0], [0.25] * 4])
    sizes = {"[class]": 1, "a": 1, "b": 2}
    joint = AttentionMap(0, sizes, sizes, weights[None, None])
    torch.testing.assert_close(attention_mass([joint], ["a", "b"], mask), torch.tensor([[0.4, 0.6]]))
    asked = [
        AttentionMap(0, {"a": 2}, {"b": 2}, torch.tensor([[[[0.5, 0.5], [0.1, 0.9]]]])),
        AttentionMap(0, {"b": 2}, {"a": 2}, torch.tensor([[[[1.0, 0.0], [0.3, 0.7]]]])),
    ]
    torch.testing.assert_close(attention_mass(asked, ["a", "b"], mask), torch.tensor([[0.5, 0.5]]))
    torch.testing.assert_close(attention_mass(asked[:1], ["a", "b"], mask), torch.tensor([[0.0, 1.0]]))
    nothing = [AttentionMap(0, {"a": 1}, {"b": 1}, torch.zeros(1, 1, 1, 1))]
    assert attention_mass(nothing, ["a", "b"], torch.tensor([[True, False]])).tolist() == [[1.0, 0.0]]
