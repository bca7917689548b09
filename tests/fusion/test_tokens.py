"""Every fusion of tokens keeps the contract: projected, masked, equivariant, with maps of who attended to whom."""

from __future__ import annotations

import pytest
import torch

from graphfuse.errors import InvalidOption, MissingModality, NonFinite, ShapeMismatch
from graphfuse.fusion.bottleneck import BottleneckFusion
from graphfuse.fusion.coattention import CoAttentionFusion
from graphfuse.fusion.cross import CrossFusion
from graphfuse.fusion.intra import IntraFusion
from graphfuse.fusion.joint import JointFusion
from graphfuse.fusion.tokens import AttentionMap, TokenProjection, enter_tokens

FUSIONS = {
    "bottleneck": BottleneckFusion,
    "co-attention": CoAttentionFusion,
    "cross": CrossFusion,
    "intra": IntraFusion,
    "joint": JointFusion,
}
WIDTHS = {"smri": 3, "dti": 4, "fmri": 5}
COUNTS = {"smri": 2, "dti": 2, "fmri": 3}
PRESENT = {
    "fmri": torch.tensor([True, True, False, False]),
    "smri": torch.tensor([True, False, True, False]),
    "dti": torch.tensor([True, False, False, True]),
}
every_fusion = pytest.mark.parametrize("name", sorted(FUSIONS))


def problem(name, seed=0):
    """A fusion, the tokens of four people, and who has what: all, and each modality alone."""
    torch.manual_seed(seed)
    modalities = ["smri", "fmri"] if name == "co-attention" else list(WIDTHS)
    fusion = FUSIONS[name]({m: WIDTHS[m] for m in modalities}, 8)
    tokens = {m: torch.randn(4, COUNTS[m], WIDTHS[m]) for m in modalities}
    present = {m: PRESENT[m].clone() for m in modalities}
    if name == "co-attention":
        present["fmri"][3] = True
    return fusion, tokens, present


def spread(sizes, present):
    """Who has which token of a map (4, n): shared tokens go with the modality they stand beside."""
    beside = torch.stack([present[m] for m in sizes if m in present]).any(0)
    return torch.stack([present.get(m, beside) for m, size in sizes.items() for _ in range(size)], 1)


@every_fusion
def test_missing_tokens_change_no_bit_of_output_map_or_gradient(name):
    fusion, tokens, present = problem(name)
    results = []
    for fill in (0.0, 3.0, torch.nan, torch.inf, -torch.inf):
        filled = {m: torch.where(present[m][:, None, None], t, fill).requires_grad_() for m, t in tokens.items()}
        fusion.zero_grad()
        fused, maps = fusion(filled, present)
        sum(x.square().sum() for x in fused.values()).backward()
        gradients = [t.grad for t in filled.values()] + [p.grad.clone() for p in fusion.parameters()]
        results.append([*(x.detach() for x in fused.values()), *(m.weights for m in maps), *gradients])
    assert all(torch.isfinite(tensor).all() for tensor in results[0])
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))


@every_fusion
def test_the_missing_give_zeros_and_are_never_attended_to(name):
    fusion, tokens, present = problem(name)
    fused, maps = fusion(tokens, present)
    for m, has in present.items():
        assert fused[m].shape == (4, COUNTS[m], 8)
        assert not fused[m][~has].any()
        assert fused[m][has].any(-1).all()
        for map_ in maps:
            if m in map_.queries:
                assert all(not map_.block(m, key)[~has].any() for key in map_.keys)
            if m in map_.keys:
                assert all(not map_.block(query, m)[~has].any() for query in map_.queries)


@every_fusion
def test_rows_of_maps_sum_to_one_where_somebody_listens_to_something(name):
    fusion, tokens, present = problem(name)
    _, maps = fusion(tokens, present)
    assert maps
    for map_ in maps:
        assert not map_.weights.requires_grad
        assert map_.weights.shape[2:] == (sum(map_.queries.values()), sum(map_.keys.values()))
        listens = spread(map_.queries, present) & spread(map_.keys, present).any(1, keepdim=True)  # (4, Q)
        rows = map_.weights.sum(-1)
        torch.testing.assert_close(rows, listens[:, None].expand_as(rows).float())


@every_fusion
def test_a_modality_alone_is_fused_as_if_it_were_the_only_one_given(name):
    fusion, tokens, present = problem(name)
    fused, _ = fusion(tokens, present)
    torch.manual_seed(9)
    others = {m: torch.where(present[m][:, None, None], t, torch.randn_like(t)) for m, t in tokens.items()}
    row = 1  # who has fmri alone
    alone, _ = fusion(
        {m: t[row : row + 1] for m, t in others.items()}, {m: p[row : row + 1] for m, p in present.items()}
    )
    assert torch.isfinite(alone["fmri"]).all()
    torch.testing.assert_close(alone["fmri"][0], fused["fmri"][row])


@every_fusion
def test_permuting_the_tokens_of_a_modality_permutes_its_output_and_nothing_else(name):
    fusion, tokens, present = problem(name)
    order = torch.tensor([2, 0, 1])
    fused, _ = fusion(tokens, present)
    permuted, _ = fusion({**tokens, "fmri": tokens["fmri"][:, order]}, present)
    for m, x in fused.items():
        torch.testing.assert_close(permuted[m], x[:, order] if m == "fmri" else x)


@every_fusion
def test_the_order_of_the_dicts_does_not_matter(name):
    fusion, tokens, present = problem(name)
    fused, _ = fusion(tokens, present)
    backwards, _ = fusion(dict(reversed(tokens.items())), dict(reversed(present.items())))
    assert all(torch.equal(fused[m], backwards[m]) for m in fused)


@every_fusion
def test_subjects_do_not_see_each_other(name):
    fusion, tokens, present = problem(name)
    fused, _ = fusion(tokens, present)
    one, _ = fusion({m: t[:1] for m, t in tokens.items()}, {m: p[:1] for m, p in present.items()})
    for m in fused:
        torch.testing.assert_close(one[m][0], fused[m][0])


@every_fusion
def test_gradients_reach_every_parameter_and_every_present_token(name):
    fusion, tokens, present = problem(name)
    tokens = {m: t.requires_grad_() for m, t in tokens.items()}
    fused, _ = fusion(tokens, present)
    sum((x * torch.randn_like(x)).sum() for x in fused.values()).backward()
    assert all(p.grad is not None and p.grad.abs().max() > 1e-6 for p in fusion.parameters())
    assert all(t.grad.any(-1).any(-1).eq(present[m]).all() for m, t in tokens.items())


@every_fusion
def test_errors_at_the_door(name):
    fusion, tokens, present = problem(name)
    with pytest.raises(MissingModality, match="needs the modalities"):
        fusion({"fmri": tokens["fmri"]}, present)
    with pytest.raises(MissingModality, match="4 of 4 have none"):
        fusion(tokens, {m: torch.zeros_like(p) for m, p in present.items()})
    with pytest.raises(ShapeMismatch, match=r"tokens\['fmri'\]"):
        fusion({**tokens, "fmri": tokens["fmri"][..., 1:]}, present)
    with pytest.raises(ShapeMismatch, match=r"tokens\['fmri'\]"):
        fusion({**tokens, "fmri": tokens["fmri"][:, 0]}, present)
    with pytest.raises(ShapeMismatch, match="one token at least"):
        fusion({**tokens, "fmri": tokens["fmri"][:, :0]}, present)
    with pytest.raises(NonFinite, match="fmri"):
        fusion({**tokens, "fmri": tokens["fmri"] * torch.nan}, present)


def test_enter_tokens_sorts_and_zeroes():
    tokens = {"b": torch.ones(2, 3, 4), "a": torch.ones(2, 1, 5)}
    present = {"b": torch.tensor([True, False]), "a": torch.tensor([True, True])}
    (a, b), mask = enter_tokens(tokens, present, {"b": 4, "a": 5})
    assert mask.tolist() == [[True, True], [True, False]]
    assert torch.equal(a, tokens["a"])
    assert b.sum((1, 2)).tolist() == [12.0, 0.0]


def test_projection_adds_the_type_embedding_to_who_is_there():
    torch.manual_seed(0)
    project = TokenProjection({"b": 4, "a": 5}, 3)
    tokens = {"a": torch.randn(2, 2, 5), "b": torch.randn(2, 3, 4)}
    (a, b), _ = project(tokens, {"a": torch.tensor([True, False]), "b": torch.tensor([True, True])})
    torch.testing.assert_close(a[0], tokens["a"][0] @ project.project[0].weight.T + project.kind[0])
    torch.testing.assert_close(b, tokens["b"] @ project.project[1].weight.T + project.kind[1])
    assert not a[1].any()


def test_names_of_shared_tokens_are_taken():
    with pytest.raises(InvalidOption, match="Rename"):
        TokenProjection({"[class]": 4, "a": 5}, 3)


def test_a_block_of_a_map_lies_where_its_names_say():
    weights = torch.arange(15.0).view(1, 1, 3, 5)
    map_ = AttentionMap(0, {"a": 1, "b": 2}, {"c": 4, "a": 1}, weights)
    assert torch.equal(map_.block("b", "a"), weights[:, :, 1:, 4:])
    assert torch.equal(map_.block("a", "c"), weights[:, :, :1, :4])
