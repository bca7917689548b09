"""Training that trusts its own judgement of a label: bootstrapped targets, and only the easy people."""

from __future__ import annotations

from math import ceil

import torch
from torch import Tensor, nn

from graphfuse._check import check_range, check_shape
from graphfuse.kernels.finite import check_finite
from graphfuse.losses.soft_label import one_hot, soft_cross_entropy


class BootstrapLoss(nn.Module):
    """Self-training ``CE(y~, p)`` with ``y~ = b onehot(y) + (1 - b) p_ema``, p_ema a person's past predictions.

    ``p_ema <- momentum p_ema + (1 - momentum) p`` at every look at a person in training mode, kept apart from
    gradients. Until a person was seen `warm_up` times his label stands alone. The source names self-training and gives
    no formula; this is ours.

    Parameters
    ----------
    num_subjects : int
        Training subjects; each has one row of the memory.
    num_classes : int
    trust : float
        b in 0 .. 1: how far a label is believed.
    momentum : float
        In 0 .. 1.
    warm_up : int
        Looks before the predictions count.

    Raises
    ------
    InvalidOption

    References
    ----------
    Reed et al. (2015). Training deep neural networks on noisy labels with bootstrapping. ICLR workshop.
    """

    def __init__(
        self, num_subjects: int, num_classes: int, trust: float = 0.8, momentum: float = 0.9, warm_up: int = 10
    ):
        super().__init__()
        self.trust, self.momentum = check_range("trust", trust, 0, 1), check_range("momentum", momentum, 0, 1)
        self.warm_up = check_range("warm_up", warm_up, 1)
        self.register_buffer("average", torch.zeros(num_subjects, num_classes))
        self.register_buffer("looks", torch.zeros(num_subjects, dtype=torch.long))

    def forward(self, logits: Tensor, labels: Tensor, rows: Tensor) -> Tensor:
        """Return the loss of each person, (B,).

        Parameters
        ----------
        logits : tensor (B, C)
        labels : int tensor (B,)
        rows : int tensor (B,)
            Which of the training subjects they are, each once.

        Raises
        ------
        InvalidOption, NonFinite, ShapeMismatch
        """
        check_shape("logits", logits, (None, self.average.shape[1]))
        loss = soft_cross_entropy(logits, self.target(labels, rows).to(logits))
        if self.training:
            self._remember(logits.detach().softmax(1), rows)
        return loss

    def target(self, labels: Tensor, rows: Tensor) -> Tensor:
        """Return y~, (B, C)."""
        given = one_hot(labels, self.average.shape[1]).to(self.average)
        warm = (self.looks[rows] >= self.warm_up)[:, None]
        return torch.where(warm, self.trust * given + (1 - self.trust) * self.average[rows], given)

    def _remember(self, p: Tensor, rows: Tensor) -> None:
        p, first = p.to(self.average), (self.looks[rows] == 0)[:, None]
        self.average[rows] = torch.where(first, p, self.momentum * self.average[rows] + (1 - self.momentum) * p)
        self.looks[rows] += 1


def small_losses(losses: Tensor, drop: float) -> Tensor:
    """Return which people to keep, (B,) bool: the ``ceil((1 - r) B)`` smallest losses, the earlier of equals.

    Parameters
    ----------
    losses : tensor (B,)
    drop : float
        r in 0 .. 1.

    Raises
    ------
    InvalidOption, NonFinite, ShapeMismatch
    """
    check_range("drop", drop, 0, 1)
    check_finite("losses", check_shape("losses", losses, (None,)))
    kept = ceil(round((1 - drop) * len(losses), 9))  # 0.7 * 10 is 7, not 8
    mask = torch.zeros(len(losses), dtype=torch.bool, device=losses.device)
    mask[losses.detach().argsort(stable=True)[:kept]] = True
    return mask


def co_teaching(first: Tensor, second: Tensor, drop: float) -> tuple[Tensor, Tensor]:
    """Return the mean losses of two networks, each over the people whom the *other* finds easy, see `small_losses`.

    Parameters
    ----------
    first, second : tensor (B,)
        Losses of the same people in two networks.
    drop : float
        In 0 .. 1, not all; raise it from 0 over the first epochs.

    Raises
    ------
    InvalidOption, NonFinite, ShapeMismatch

    References
    ----------
    Han et al. (2018). Co-teaching: robust training of deep neural networks with extremely noisy labels. NeurIPS.
    """
    check_shape("second", second, tuple(first.shape))
    easy_first, easy_second = small_losses(first, drop), small_losses(second, drop)
    return _mean_of(first, easy_second), _mean_of(second, easy_first)


def _mean_of(losses: Tensor, kept: Tensor) -> Tensor:
    return losses[kept].sum() / kept.sum().clamp(min=1)
