"""The contract of every fusion of tokens: ``(tokens, present) -> (tokens, maps)``, keys sorted.

``tokens: {name: (B, n_m, d_m)}`` and ``present: {name: (B,) bool}`` go in; out come ``{name: (B, n_m, D)}``, 0 for who
lacks the modality, and a list of `AttentionMap`. A name in brackets is no modality: it is a token that all share. A
missing modality is no key to anybody, its own queries give zeros, and its values change no bit.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from graphfuse._check import check_shape
from graphfuse.errors import InvalidOption, ShapeMismatch
from graphfuse.fusion.contract import enter

CLASS, BOTTLENECK = "[class]", "[bottleneck]"
SHARED = (CLASS, BOTTLENECK)


class AttentionMap(NamedTuple):
    """Who attended to whom: one softmax, detached.

    Parameters
    ----------
    layer : int
        From 0.
    queries, keys : dict of int
        How many tokens of each name stand along Q, and along K, in this order.
    weights : tensor (B, H, Q, K)
        Rows sum to 1; they are 0 where the query is missing, or every key.
    """

    layer: int
    queries: dict[str, int]
    keys: dict[str, int]
    weights: Tensor

    def block(self, query: str, key: str) -> Tensor:
        """Return the part (B, H, n_query, n_key) between two names."""
        return self.weights[:, :, _span(self.queries, query), _span(self.keys, key)]


def _span(sizes: Mapping[str, int], name: str) -> slice:
    start = sum(list(sizes.values())[: list(sizes).index(name)])
    return slice(start, start + sizes[name])


def enter_tokens(
    tokens: Mapping[str, Tensor], present: Mapping[str, Tensor], in_channels: Mapping[str, int]
) -> tuple[list[Tensor], Tensor]:
    """Check what comes to a fusion of tokens, and replace the tokens of missing modalities by zeros.

    Parameters
    ----------
    tokens : dict of tensor (B, n_m, d_m)
        n_m is one at least.
    present : dict of bool tensor (B,)
    in_channels : dict of int
        Width d_m of each modality that the fusion was made for.

    Returns
    -------
    values : list of tensor (B, n_m, d_m)
        By sorted name.
    mask : bool tensor (B, M)

    Raises
    ------
    MissingModality
        A modality that the fusion was made for did not come, or a subject has none.
    NonFinite
        A NaN, or a number beyond `graphfuse.kernels.finite.LIMIT`, of somebody who has the modality.
    ShapeMismatch
    """
    for name in sorted(tokens.keys() & in_channels.keys()):
        shape = check_shape(f"tokens[{name!r}]", tokens[name], (None, None, in_channels[name])).shape
        if not shape[1]:
            raise ShapeMismatch(f"tokens[{name!r}] must hold one token at least; got {tuple(shape)}.")
    flat = {name: value.flatten(1) for name, value in tokens.items()}  # (B, n_m d_m), so that one function checks both
    values, mask = enter(flat, present, {name: flat[name].shape[1] if name in flat else 0 for name in in_channels})
    widths = [in_channels[name] for name in sorted(in_channels)]
    return [value.unflatten(1, (-1, width)) for value, width in zip(values, widths, strict=True)], mask


class TokenProjection(nn.Module):
    """Projection of each modality to one width, with its type embedding: ``x_mi = W_m t_mi + e_m``.

    e_m tells attention which modality a token is of; W_m has no bias, which would be a second e_m.

    Parameters
    ----------
    in_channels : dict of int
        Width d_m of each modality.
    out_channels : int
        Width D.

    Raises
    ------
    InvalidOption
        A modality that has the name of a shared token.
    """

    def __init__(self, in_channels: Mapping[str, int], out_channels: int):
        super().__init__()
        if taken := sorted(set(in_channels) & set(SHARED)):
            raise InvalidOption(f"The names {list(SHARED)} are those of shared tokens; got {taken}. Rename.")
        self.in_channels, self.names = dict(in_channels), sorted(in_channels)
        self.project = nn.ModuleList(nn.Linear(in_channels[name], out_channels, bias=False) for name in self.names)
        self.kind = nn.Parameter(0.02 * torch.randn(len(self.names), out_channels))

    def forward(self, tokens: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> tuple[list[Tensor], Tensor]:
        """Return M tensors (B, n_m, D) by sorted name, 0 where missing, and the mask (B, M); see `enter_tokens`."""
        values, mask = enter_tokens(tokens, present, self.in_channels)
        projected = [
            project(value) + kind for project, value, kind in zip(self.project, values, self.kind, strict=True)
        ]
        return [torch.where(mask[:, m, None, None], x, 0.0) for m, x in enumerate(projected)], mask


def token_mask(tokens: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> Tensor:
    """Return who has which token, bool (B, sum n_m), of tokens (B, n_m, D) in the order of their dict."""
    return torch.cat([present[name][:, None].expand(value.shape[:2]) for name, value in tokens.items()], 1)
