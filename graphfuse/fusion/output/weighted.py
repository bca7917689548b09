"""The weighted mean, and weights that are learned on predictions for people whom no model was trained on."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import log_softmax

from graphfuse._check import check_range, check_shape
from graphfuse.fusion.output.contract import CLIP, by_modality, enter, shares


def weighted(probabilities: Tensor, present: Tensor, weights: Tensor | Sequence[float] | None = None) -> Tensor:
    """Return ``sum_m w_m p_m / sum_m w_m`` over who is there, (B, C); equal weights where all who are there weigh 0.

    Parameters
    ----------
    probabilities, present
        See `graphfuse.fusion.output.contract.enter`, for the errors too.
    weights : tensor or sequence (M,), or (B, M)
        At least 0; needed. `softmax_weights` learns them.
    """
    p, mask = enter(probabilities, present)
    return (shares(by_modality("weights", weights, p, mask), mask)[..., None] * p).sum(1)


def softmax_weights(probabilities: Tensor, present: Tensor, labels: Tensor, spread: float = 1.0) -> Tensor:
    """Return the weights ``w = softmax(a)`` (M,) of the weighted mean with the smallest log loss, float64.

    ``min_a  -mean_i log sum_m w_m p_im(y_i) / sum_m w_m + |a|^2 / (2 B spread^2)``, sums over what person i has. The
    second term, a normal prior on a, keeps a few people from silencing a modality; it is ours.

    Parameters
    ----------
    probabilities : tensor (B, M, C)
        Of people whom the models were not trained on (out of fold), else the most overfitted model wins.
    present : bool tensor (B, M)
        People who have nothing are left out.
    labels : int tensor (B,)
    spread : float
        Standard deviation of a before anything was seen.

    Raises
    ------
    InvalidOption, NonFinite, ShapeMismatch
    """
    check_range("spread", spread, 0, open_low=True)
    check_shape("labels", labels, (len(probabilities),))
    rows = present.any(1)
    check_range("The number of people", int(rows.sum()), 1)
    p, mask = enter(probabilities[rows].double(), present[rows])
    own = p.gather(2, labels[rows][:, None, None].expand(-1, p.shape[1], 1))[..., 0].clamp(min=CLIP)  # (B, M)
    return _minimise(own.log().masked_fill(~mask, -torch.inf), mask, spread).softmax(0)


@torch.enable_grad()
def _minimise(log_own: Tensor, mask: Tensor, spread: float) -> Tensor:
    """Return a (M,); log_own (B, M) is what each model gave the right class, -inf where missing."""
    a = log_own.new_zeros(mask.shape[1], requires_grad=True)
    optimiser = torch.optim.LBFGS([a], max_iter=200, tolerance_grad=1e-9, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimiser.zero_grad()
        log_share = log_softmax(a.expand(len(mask), -1).masked_fill(~mask, -torch.inf), 1)
        loss = -(log_own + log_share).logsumexp(1).mean() + a.square().sum() / (2 * len(mask) * spread**2)
        loss.backward()
        return loss

    optimiser.step(closure)
    return a.detach()
