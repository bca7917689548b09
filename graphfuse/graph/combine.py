"""Adjacencies of several modalities combined edge by edge into one.

Every combination is a function ``(weights, present) -> Tensor (G, R, R)``, see `graphfuse.graph.layers.stack_layers`
for the arguments and the errors of all. It runs over the modalities P that an edge has, of M: the values of a missing
one are never read, and what is left is brought to the scale of M. An edge that no modality has gets weight 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from graphfuse.errors import InvalidOption, NegativeWeights
from graphfuse.graph.layers import Layers, stack_layers
from graphfuse.kernels.finite import check_finite


def average(weights: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> Tensor:
    """Mean ``1 / |P| sum_{m in P} A_m`` over the modalities an edge has."""
    values, there, _ = stack_layers(weights, present)
    return values.sum(0) / there.sum(0).clamp(min=1)


def maximum(weights: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> Tensor:
    """Largest weight ``max_{m in P} A_m``: an edge of any modality is one of the result."""
    values, there, _ = stack_layers(weights, present)
    return torch.where(there.any(0), values.masked_fill(~there, -torch.inf).amax(0), 0.0)


def weighted(
    weights: Mapping[str, Tensor], present: Mapping[str, Tensor], scores: Mapping[str, float | Tensor] | None = None
) -> Tensor:
    """Weighted sum ``sum_{m in P} softmax_P(a)_m A_m``; the shares of missing modalities go to the present ones.

    Parameters
    ----------
    weights, present
        See `stack_layers`.
    scores : dict of float or scalar Tensor, or None
        a, one a modality, perhaps learned; None = all equal, the mean.
    """
    values, there, _ = stack_layers(weights, present)
    scores = _scores(scores, sorted(weights), values)[:, None, None, None]
    share = torch.where(there | ~there.any(0), scores, -torch.inf).softmax(0)  # where nobody is there, any share does
    return (share * values).sum(0)


def hadamard(weights: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> Tensor:
    """Agreement ``(prod_{m in P} A_m)^(M / |P|)``: an edge stays where every modality that has it says so.

    The plain product ``A_1 * .. * A_M`` of Zhang and others where nothing is missing. The exponent puts the geometric
    mean of the present modalities in the place of each missing one; the source says nothing of missing ones, this is
    ours.

    Raises
    ------
    NegativeWeights
        A negative weight: two of them would agree on a positive edge.
    NonFinite
        Weights so large that their product overflows.

    References
    ----------
    Zhang et al. (2023). Multi-modal graph neural network for early diagnosis of Alzheimer's disease from sMRI and PET
    scans. Computers in Biology and Medicine 164:107328.
    """
    layers = _non_negative(stack_layers(weights, present))
    return check_finite("The product of the weights", _renormalised(layers.values, layers.there))


def noisy_or(weights: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> Tensor:
    """Chance ``1 - (prod_{m in P} (1 - A_m))^(M / |P|)`` that one of M independent edges is there.

    Weights are probabilities. Without the exponent a missing modality would say "no edge"; with it, it says what the
    others say on average. The exponent is ours.

    Raises
    ------
    InvalidOption
        A weight outside [0, 1].
    """
    values, there, _ = stack_layers(weights, present)
    if values.numel() and not 0 <= float(values.detach().min()) <= float(values.detach().max()) <= 1:
        raise InvalidOption("noisy_or needs weights in [0, 1], chances of an edge; scale them, or use min_max_sum.")
    return torch.where(there.any(0), 1 - _renormalised(1 - values, there), 0.0)


def min_max_sum(weights: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> Tensor:
    """Sum ``M / |P| sum_{m in P} (A_m - min A_m) / (max A_m - min A_m)``, each graph scaled by its own edges.

    The joined functional and grey-matter network of Chen and others, where nothing is missing; the factor M / |P| for
    what is missing is ours, as is leaving the diagonal out (it stays 0): a graph here holds no self-loops. A graph
    whose edges are all equal counts as zeros. Scale first, sparsify afterwards.

    References
    ----------
    Chen et al. (2023). Frontiers in Neuroscience 17:1140801; the scaling as in the authors' public code.
    """
    values, there, _ = stack_layers(weights, present)
    edges = there & ~torch.eye(values.shape[-1], dtype=torch.bool, device=values.device)
    low = values.masked_fill(~edges, torch.inf).amin((-2, -1), keepdim=True)
    high = values.masked_fill(~edges, -torch.inf).amax((-2, -1), keepdim=True)
    spread = torch.where(high > low, high - low, 1.0)  # low is infinite where a modality has no edge
    scaled = torch.where(edges & (high > low), (values - torch.where(low.isinf(), 0.0, low)) / spread, 0.0)
    return scaled.sum(0) * len(scaled) / there.sum(0).clamp(min=1)


COMBINATIONS: dict[str, Callable[..., Tensor]] = {
    "hadamard": hadamard,
    "max": maximum,
    "mean": average,
    "min-max": min_max_sum,
    "noisy-or": noisy_or,
    "weighted": weighted,
}


def _renormalised(values: Tensor, there: Tensor) -> Tensor:
    """``(prod_{m in P} values_m)^(M / |P|)``, (G, R, R), 0 where P is empty."""
    product = torch.where(there, values, 1.0).prod(0)
    count = there.sum(0)
    exponent = len(values) / count.clamp(min=1).to(values.dtype)
    safe = torch.where(count == len(values), 1.0, product)  # no power, and no gradient through one, where none is due
    powered = torch.where(count == len(values), product, safe**exponent)
    return torch.where(count > 0, powered, 0.0)


def _non_negative(layers: Layers) -> Layers:
    negative = int((layers.values.detach() < 0).sum())
    if negative:
        raise NegativeWeights(
            f"hadamard needs edge weights >= 0; {negative} are negative. Build the graphs with signed='absolute' or "
            "'positive', or take the mean."
        )
    return layers


def _scores(scores: Mapping[str, float | Tensor] | None, names: list[str], like: Tensor) -> Tensor:
    if scores is None:
        return like.new_zeros(len(names))
    if sorted(scores) != names:
        raise InvalidOption(f"scores must name the modalities {names}; got {sorted(scores)}.")
    listed = torch.stack([torch.as_tensor(scores[name]).to(like) for name in names])
    return check_finite("scores", listed)
