"""Every combination equals its formula in a plain loop, over the modalities that an edge has."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from graphfuse.errors import InvalidOption, NegativeWeights, ShapeMismatch
from graphfuse.graph.combine import COMBINATIONS, hadamard, min_max_sum, noisy_or, weighted

NAMES = ("dti", "fmri", "smri")
GRAPHS, REGIONS = 4, 5


def scaled(matrix: np.ndarray) -> np.ndarray:
    """The edges off the diagonal between 0 and 1."""
    edges = matrix[~np.eye(len(matrix), dtype=bool)]
    return (matrix - edges.min()) / (edges.max() - edges.min()) * (1 - np.eye(len(matrix)))


# What P modalities, of M, say together of one graph: lists of matrices and M.
LOOPS = {
    "mean": lambda parts, m: sum(parts) / len(parts),
    "weighted": lambda parts, m: sum(parts) / len(parts),
    "max": lambda parts, m: np.maximum.reduce(parts),
    "hadamard": lambda parts, m: np.prod(parts, 0) ** (m / len(parts)),
    "noisy-or": lambda parts, m: 1 - np.prod([1 - part for part in parts], 0) ** (m / len(parts)),
    "min-max": lambda parts, m: sum(scaled(part) for part in parts) * m / len(parts),
}


def modalities(seed=0):
    rng = np.random.default_rng(seed)
    weights = rng.random((3, GRAPHS, REGIONS, REGIONS))
    weights = (weights + weights.swapaxes(2, 3)) / 2 * (1 - np.eye(REGIONS))
    has = np.array([[1, 1, 1, 0], [1, 0, 1, 1], [1, 1, 0, 0]], bool)  # graph 0 has all, graph 3 one
    return dict(zip(NAMES, torch.as_tensor(weights), strict=True)), dict(zip(NAMES, torch.as_tensor(has), strict=True))


@pytest.mark.parametrize("kind", COMBINATIONS)
def test_equals_a_plain_loop_over_the_present_modalities(kind):
    weights, present = modalities()
    got = COMBINATIONS[kind](weights, present)
    for g in range(GRAPHS):
        parts = [weights[name][g].numpy() for name in NAMES if present[name][g]]
        np.testing.assert_allclose(got[g], LOOPS[kind](parts, 3), atol=1e-12)


@pytest.mark.parametrize("kind", COMBINATIONS)
def test_changing_a_missing_modality_changes_no_bit_of_values_or_gradients(kind):
    weights, present = modalities()
    weights = {name: weight.float().requires_grad_() for name, weight in weights.items()}
    plain = COMBINATIONS[kind](weights, present)
    plain.square().sum().backward()
    spoilt = {}
    for name in NAMES:
        value = weights[name].detach().clone()
        value[~present[name]] = torch.nan
        spoilt[name] = value.requires_grad_()
    again = COMBINATIONS[kind](spoilt, present)
    again.square().sum().backward()
    assert torch.equal(again, plain)
    for name in NAMES:
        assert torch.equal(spoilt[name].grad, weights[name].grad)
        assert weights[name].grad[present[name]].abs().sum() > 0
        assert not weights[name].grad[~present[name]].any()


@pytest.mark.parametrize("kind", COMBINATIONS)
def test_an_edge_that_no_modality_has_weighs_nothing(kind):
    weights, present = modalities()
    nodes = {name: has[:, None].repeat(1, REGIONS) for name, has in present.items()}
    for name in NAMES:
        nodes[name][0, 2] = False
    got = COMBINATIONS[kind](weights, nodes)
    assert not got[0, 2].any()
    assert not got[0, :, 2].any()
    torch.testing.assert_close(got[1:], COMBINATIONS[kind](weights, present)[1:])


@pytest.mark.parametrize("kind", COMBINATIONS)
def test_renumbered_nodes_give_the_renumbered_graph_and_symmetry_stays(kind):
    weights, present = modalities()
    order = torch.randperm(REGIONS, generator=torch.Generator().manual_seed(1))
    got = COMBINATIONS[kind](weights, present)
    permuted = COMBINATIONS[kind]({name: w[:, order][:, :, order] for name, w in weights.items()}, present)
    torch.testing.assert_close(permuted, got[:, order][:, :, order])
    assert torch.equal(got, got.mT)


@pytest.mark.parametrize("kind", COMBINATIONS)
def test_modalities_of_other_sizes_are_refused_and_never_padded(kind):
    weights, present = modalities()
    with pytest.raises(ShapeMismatch, match="same atlas"):
        COMBINATIONS[kind](weights | {"dti": torch.rand(GRAPHS, 6, 6)}, present)


def test_equal_modalities_and_a_missing_one_say_the_same():
    same = dict.fromkeys(NAMES, modalities()[0]["fmri"])
    everybody = {name: torch.ones(GRAPHS, dtype=torch.bool) for name in NAMES}
    one_less = everybody | {"smri": torch.zeros(GRAPHS, dtype=torch.bool)}
    for combination in COMBINATIONS.values():
        torch.testing.assert_close(combination(same, one_less), combination(same, everybody))


def test_weighted_shares_are_the_softmax_of_the_scores_and_learn():
    weights, present = modalities()
    scores = {name: torch.tensor(float(m), dtype=torch.float64, requires_grad=True) for m, name in enumerate(NAMES)}
    got = weighted(weights, present, scores)
    share = np.exp([0.0, 2.0]) / np.exp([0.0, 2.0]).sum()  # graph 1 has dti and smri
    np.testing.assert_allclose(
        got[1].detach(), share[0] * weights["dti"][1] + share[1] * weights["smri"][1], atol=1e-12
    )
    far = weighted(weights, present, {"dti": 0.0, "fmri": 1e4, "smri": -1e4})
    torch.testing.assert_close(far[1], weights["dti"][1])  # fmri, which would have had it all, is missing
    torch.testing.assert_close(far[2], weights["fmri"][2])
    got.square().sum().backward()
    assert all(float(score.grad.abs()) > 0 for score in scores.values())
    with pytest.raises(InvalidOption, match="scores"):
        weighted(weights, present, {"fmri": 1.0})


def test_weights_that_a_formula_cannot_take_are_refused():
    weights, present = modalities()
    with pytest.raises(NegativeWeights, match="hadamard"):
        hadamard(weights | {"fmri": -weights["fmri"]}, present)
    with pytest.raises(InvalidOption, match="noisy_or"):
        noisy_or(weights | {"fmri": 2 + weights["fmri"]}, present)


def test_min_max_takes_negative_weights_and_a_graph_of_equal_edges_counts_as_zeros():
    weights, present = modalities()
    flat = torch.full_like(weights["dti"], 0.3)
    shifted = {"dti": flat, "fmri": weights["fmri"] * 4 - 2, "smri": weights["smri"]}
    got = min_max_sum(shifted, present)
    parts = [scaled(weights[name][0].numpy()) for name in ("fmri", "smri")]
    np.testing.assert_allclose(got[0], sum(parts), atol=1e-12)
