"""Many networks of one shape as one: parameters get a leading model dimension, layers work on (M, N, D).

The code of the networks stays what it is; only the layers that hold numbers or draw them have a twin here. What a twin
gives a model does not depend on the models beside it: masks are drawn from the model's own generator, and products are
made in such blocks that each number is summed in the order in which it would be summed alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.nn.functional import layer_norm

from graphfuse.errors import InvalidOption
from graphfuse.nn.conv import ChebConv, GCNConv
from graphfuse.nn.drop_edge import DropEdge
from graphfuse.nn.dropout import Dropout, keep_factors

BLOCK = 16  # columns that a matrix product computes alike wherever they stand in a wider product


class StackedLinear(nn.Module):
    """``Y_m = X_m W_m^T + b_m``; X (M, N, F), or (1, N, F) that all models read.

    The product of a shared X is one product of M times the width. It is kept while X and the weights stay the same, so
    that the validation of one epoch and the first layer of the next share it.

    Parameters
    ----------
    linear : Linear
        One of the layers that are stacked.
    """

    def __init__(self, linear: nn.Linear):
        super().__init__()
        self.register_parameter("weight", None)
        self.register_parameter("bias", None)
        self._kept: tuple = (None, None, 0, None)

    def forward(self, x: Tensor) -> Tensor:
        """Return (M, N, D)."""
        read_by_all = len(x) == 1 and not x.requires_grad and self.weight.shape[1] % BLOCK == 0
        y = self._of_shared(x) if read_by_all else torch.bmm(x.expand(len(self.weight), -1, -1), self.weight.mT)
        return y if self.bias is None else y + self.bias

    def _of_shared(self, x: Tensor) -> Tensor:
        before, weight, version, y = self._kept
        if before is not x or weight is not self.weight or version != self.weight._version:
            with torch.enable_grad():
                wide = x[0] @ self.weight.flatten(0, 1).T  # (N, M D)
                y = wide.unflatten(1, self.weight.shape[:2]).transpose(0, 1)  # (M, N, D)
            self._kept = (x, self.weight, self.weight._version, y)
        return y


class StackedLayerNorm(nn.Module):
    """Layer normalisation over the last dimension with each model's own gain and bias.

    Parameters
    ----------
    norm : LayerNorm
    """

    def __init__(self, norm: nn.LayerNorm):
        super().__init__()
        self.shape, self.eps = norm.normalized_shape, norm.eps

    def forward(self, x: Tensor) -> Tensor:
        """Return (M, N, D) of x (M, N, D)."""
        return torch.addcmul(self.bias, layer_norm(x, self.shape, eps=self.eps), self.weight)


class StackedDropout(nn.Module):
    """Dropout whose mask of each model is drawn from the model's own generator.

    Parameters
    ----------
    dropout : Dropout of graphfuse.nn

    Attributes
    ----------
    generators : sequence of Generator
        One a model; given by `stack`.
    """

    generators: Sequence[torch.Generator] = ()

    def __init__(self, dropout: Dropout):
        super().__init__()
        self.p = dropout.p

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x * mask / (1 - p)``, (M, N, D)."""
        if not self.training or self.p == 0:
            return x
        factors = torch.empty_like(x, requires_grad=False)
        for own, generator in zip(factors, self.generators, strict=True):
            keep_factors(x.shape[1:], self.p, generator, x.dtype, own)
        return x * factors


TWINS = {Dropout: StackedDropout, nn.LayerNorm: StackedLayerNorm, nn.Linear: StackedLinear}
BIASED = (ChebConv, GCNConv)  # their own numbers are a bias, which broadcasts as it is


def stackable(network: nn.Module) -> bool:
    """Whether every layer of `network` that holds or draws numbers has a twin here; else it trains alone."""
    return all(type(module) in (*TWINS, *BIASED) or not _has_numbers(module) for module in network.modules())


def stack(networks: Sequence[nn.Module], generators: Sequence[torch.Generator]) -> nn.Module:
    """Return M networks of one shape as one network, whose output has a leading model dimension.

    Graph convolutions take an adjacency of M graphs. Matrices (D, F) become (M, D, F), vectors (D,) become (M, 1, D).

    Parameters
    ----------
    networks : sequence of Module
        Of one shape and `stackable`; they are copied.
    generators : sequence of Generator
        What each model's dropout masks are drawn from.

    Raises
    ------
    InvalidOption
        A layer has no twin.
    """
    if not stackable(networks[0]):
        raise InvalidOption(
            f"A stack is made of {', '.join(sorted(kind.__name__ for kind in (*TWINS, *BIASED)))} and layers without "
            f"parameters; {type(networks[0]).__name__} has others. Train these networks one by one."
        )
    stacked = _stacked(networks)
    _give(stacked, generators)
    return stacked


def unstack(values: dict[str, Tensor], networks: Sequence[nn.Module]) -> None:
    """Give each of M ordinary networks its share of a stack's named parameters."""
    with torch.no_grad():
        for m, network in enumerate(networks):
            for name, parameter in network.named_parameters():
                parameter.copy_(values[name][m].reshape(parameter.shape))


def take(stacked: nn.Module, rows: Tensor) -> None:
    """Keep only the models `rows` (m,) of a stack."""
    for module in stacked.modules():
        for name, value in list(module.named_parameters(recurse=False)):
            setattr(module, name, nn.Parameter(value.detach()[rows]))
        if isinstance(module, StackedDropout):
            module.generators = [module.generators[row] for row in rows.tolist()]


def _stacked(modules: Sequence[nn.Module]) -> nn.Module:
    first = modules[0]
    stacked = TWINS.get(type(first), deepcopy)(first)
    for name, _ in first.named_parameters(recurse=False):
        stacked.register_parameter(name, nn.Parameter(torch.stack([_matrix(getattr(m, name)) for m in modules])))
    for name, _ in first.named_children():
        setattr(stacked, name, _stacked([getattr(m, name) for m in modules]))
    return stacked


def _matrix(parameter: Tensor) -> Tensor:
    return parameter.detach() if parameter.dim() > 1 else parameter.detach()[None]


def _give(stacked: nn.Module, generators: Sequence[torch.Generator]) -> None:
    for module in stacked.modules():
        if isinstance(module, StackedDropout):
            module.generators = list(generators)


def _has_numbers(module: nn.Module) -> bool:
    """Whether it holds numbers of its own, or draws them."""
    if isinstance(module, DropEdge):
        return module.p > 0
    return any(True for _ in (*module.parameters(recurse=False), *module.buffers(recurse=False)))
