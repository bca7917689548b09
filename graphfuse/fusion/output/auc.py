"""Weights by how well each model puts people in order."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from graphfuse._check import check_shape
from graphfuse.fusion.output.contract import by_modality, enter, shares
from graphfuse.losses.contract import as_mask


def auc(probabilities: Tensor, present: Tensor, area: Tensor | Sequence[float] | None = None) -> Tensor:
    """Return ``sum_m w_m p_m / sum_m w_m`` with ``w_m = max(2 AUC_m - 1, 0)`` over who is there, (B, C).

    A model no better than chance is silent, unless nobody there is better: then all weigh the same. The weight, the
    Gini coefficient, is ours; the sources name the idea without a formula.

    Parameters
    ----------
    probabilities, present
        See `graphfuse.fusion.output.contract.enter`, for the errors too.
    area : tensor or sequence (M,)
        Areas under the curve, in [0, 1]; needed. `area_under_curve` computes them.
    """
    p, mask = enter(probabilities, present)
    gain = (2 * by_modality("area", area, p, mask) - 1).clamp(min=0)
    return (shares(gain, mask)[..., None] * p).sum(1)


def area_under_curve(probabilities: Tensor, present: Tensor, labels: Tensor) -> Tensor:
    """Return the area under the curve of each model over who has it, (M,), float64.

    The share of pairs, one of the class and one not, that the class's probability puts in the right order (ties count
    half), averaged over classes; 0.5 for a model that nobody, or one class only, has.

    Parameters
    ----------
    probabilities : tensor (B, M, C)
        Of people whom the models were not trained on.
    present : bool tensor (B, M)
    labels : int tensor (B,)

    Raises
    ------
    InvalidOption, ShapeMismatch

    References
    ----------
    Hand and Till (2001). A simple generalisation of the area under the ROC curve. Machine Learning 45:171-186.
    """
    check_shape("probabilities", probabilities, (None, None, None))
    check_shape("labels", labels, (len(probabilities),))
    present = as_mask("present", present, *probabilities.shape[:2])
    areas = [_area(probabilities[own, m].double(), labels[own]) for m, own in enumerate(present.T)]
    return torch.stack(areas)


def _area(p: Tensor, labels: Tensor) -> Tensor:
    """Return the mean over classes of one model's areas, of p (n, C)."""
    pairs = [(p[labels == c, c], p[labels != c, c]) for c in range(p.shape[1])]
    areas = [_ordered(inside, outside) for inside, outside in pairs if len(inside) and len(outside)]
    return torch.stack(areas).mean() if areas else p.new_tensor(0.5)


def _ordered(inside: Tensor, outside: Tensor) -> Tensor:
    return (0.5 + 0.5 * (inside[:, None] - outside).sign()).mean()
