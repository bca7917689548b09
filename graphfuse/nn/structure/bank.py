"""The inductive bank: people who stay, and whom each new person hears without being heard (EH-GCN)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn

from graphfuse._check import check_range, check_shape
from graphfuse.errors import NegativeWeights, ShapeMismatch
from graphfuse.kernels.finite import LIMIT, check_finite
from graphfuse.nn.dropout import Dropout
from graphfuse.nn.structure.contract import check_pairs, softmax_among
from graphfuse.nn.structure.geometry import unit_rows
from graphfuse.nn.structure.nearest import best_first

ALIKE = 1e-6  # a smaller mean distance is rounding: everybody is alike


class Bank(NamedTuple):
    """The people of reference at each layer.

    Parameters
    ----------
    states : tuple of tensor (N, D_l)
        What enters the first layer, what the first layer gives, and so on.
    sigma : tensor ()
        Width of the kernel: the mean distance of two of them.
    """

    states: tuple[Tensor, ...]
    sigma: Tensor


class Heard(NamedTuple):
    """Whom each of M people hears: places int64 (M, k) in the bank, and shares (M, k), summing to 1 or, alone, to 0."""

    place: Tensor
    share: Tensor


def centred_units(x: Tensor) -> Tensor:
    """Return rows (N, D) whose inner products are Pearson correlations; a constant row correlates with nobody."""
    return unit_rows(x - x.mean(-1, keepdim=True))


def hear(x: Tensor, bank: Tensor, sigma: Tensor, agreement: Tensor | None, k: int) -> Heard:
    """Return the k people of the bank (N, D) of greatest affinity to each row of x (M, D).

    ``a_su = exp(-rho^2 / (2 sigma^2)) gamma_su``, ``rho = 1 - pearson(v_s, v_u)``, share = softmax of a over the k.
    Nobody hears people of agreement gamma = 0; None means gamma = 1. Equal affinities go by position.
    """
    rho = 1.0 - centred_units(x) @ centred_units(bank).T
    affinity = torch.exp(-rho.square() / (2 * sigma**2))
    allowed = None if agreement is None else agreement > 0
    affinity = affinity if agreement is None else affinity * agreement.to(affinity.dtype)
    place, exist = best_first(affinity, allowed, k)
    return Heard(place, softmax_among(affinity.gather(1, place), exist))


class BankConv(nn.Module):
    """Spatial convolution onto a bank ``y_s = W_1 x_s + W_2 sum_u share_su v_u + b``, u in the k people s hears.

    Parameters are named as in ``torch_geometric.nn.GraphConv`` and may be loaded from it.

    Parameters
    ----------
    in_channels, out_channels : int
    """

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        self.lin_rel = nn.Linear(in_channels, out_channels)
        self.lin_root = nn.Linear(in_channels, out_channels, bias=False)

    def forward(self, x: Tensor, states: Tensor, heard: Heard) -> Tensor:
        """Return (M, out) of x (M, in) and the states (N, in) of the bank."""
        check_shape("x", x, (None, self.lin_root.in_features))
        check_shape("states", states, (None, self.lin_rel.in_features))
        told = (heard.share[..., None] * states[heard.place]).sum(1)  # (M, in)
        return check_finite("The output of the convolution", self.lin_root(x) + self.lin_rel(told))


class InductiveBank(nn.Module):
    """Layers ``v <- dropout(relu(BankConv(v)))`` in which new people hear a bank of fitted ones, one way.

    No parameter depends on how many people there are. ``bank(x)`` runs the layers among the people of reference, who
    hear each other and not themselves, and keeps their states at every layer; ``predict(new, bank)`` lets each new
    person hear the states that are kept, so that a prediction depends on no other new person and changes no state. The
    neighbours are found once, at the input. The source tells the idea; the equations are ours. Dense: N x N numbers
    for the bank, M x N for M new people.

    Parameters
    ----------
    in_channels : int
        Width of a person's vector.
    hidden : sequence of int
        Width of each layer.
    neighbours : int
        k, people that a person hears.
    dropout : float

    Raises
    ------
    InvalidOption, ShapeMismatch, NonFinite, NegativeWeights, MemoryBudget

    References
    ----------
    Tian et al. (2023). An extensible hierarchical graph convolutional network for early Alzheimer's disease
    identification. Computer Methods and Programs in Biomedicine 238:107597.
    """

    def __init__(
        self, in_channels: int, hidden: Sequence[int] = (128, 128), neighbours: int = 10, dropout: float = 0.0
    ):
        super().__init__()
        self.in_channels, self.neighbours = in_channels, check_range("neighbours", neighbours, 1)
        self.convs = nn.ModuleList(BankConv(wide, out) for wide, out in pairwise([in_channels, *hidden]))
        self.dropout = Dropout(check_range("dropout", dropout, 0.0, 1.0))

    def bank(self, x: Tensor, agreement: Tensor | None = None) -> Bank:
        """Return the bank of the people of reference.

        Parameters
        ----------
        x : tensor (N, F)
        agreement : tensor (N, N) or None
            gamma of each pair, >= 0, such as the number of phenotypes they share; the diagonal is not read.
        """
        self._check(x, agreement, len(x))
        others = x.new_ones(len(x), len(x)) if agreement is None else agreement.to(x.dtype)
        others = others.masked_fill(torch.eye(len(x), dtype=torch.bool, device=x.device), 0.0)
        sigma = 1.0 - centred_units(x.detach()).mean(0).square().sum()  # the mean of rho over all pairs
        sigma = torch.where(sigma > ALIKE, sigma, 1.0)
        heard = hear(x, x, sigma, others, self.neighbours)
        states = [x]
        for conv in self.convs:
            states.append(self._layer(conv, states[-1], states[-1], heard))
        return Bank(tuple(states), sigma)

    def forward(self, x: Tensor, agreement: Tensor | None = None) -> Tensor:
        """Return the embeddings (N, hidden[-1]) of the people of reference: what is trained on."""
        return self.bank(x, agreement).states[-1]

    def predict(self, new: Tensor, bank: Bank, agreement: Tensor | None = None) -> Tensor:
        """Return the embeddings (M, hidden[-1]) of new people.

        Parameters
        ----------
        new : tensor (M, F)
        bank : Bank
            Of this network.
        agreement : tensor (M, N) or None
            gamma of each new person and each of the bank.
        """
        self._check(new, agreement, len(bank.states[0]))
        due = len(self.convs) + 1
        if len(bank.states) != due:
            raise ShapeMismatch(f"bank must hold {due} states; got {len(bank.states)}. Use the bank of this network.")
        heard = hear(new, bank.states[0], bank.sigma, agreement, self.neighbours)
        for conv, states in zip(self.convs, bank.states[:-1], strict=True):  # the last states are heard by nobody
            new = self._layer(conv, new, states, heard)
        return new

    def _layer(self, conv: BankConv, x: Tensor, states: Tensor, heard: Heard) -> Tensor:
        return self.dropout(conv(x, states, heard).relu())

    def _check(self, x: Tensor, agreement: Tensor | None, people: int) -> None:
        check_finite("x", check_shape("x", x, (None, self.in_channels)), LIMIT)
        check_pairs(1, len(x), people, x.element_size())
        if agreement is None:
            return
        check_finite("agreement", check_shape("agreement", agreement, (len(x), people)), LIMIT)
        negative = int((agreement < 0).sum())
        if negative:
            raise NegativeWeights(f"agreement must be >= 0; {negative} numbers are negative. Clip them at 0.")
