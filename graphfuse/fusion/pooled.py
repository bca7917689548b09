"""Every fusion of tokens as a fusion of embeddings: split into tokens, fuse, pool."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import product

import torch
from torch import Tensor, nn

from graphfuse._check import check_range
from graphfuse.fusion.bottleneck import BottleneckFusion
from graphfuse.fusion.coattention import CoAttentionFusion
from graphfuse.fusion.contract import enter
from graphfuse.fusion.cross import CrossFusion
from graphfuse.fusion.intra import IntraFusion
from graphfuse.fusion.joint import JointFusion
from graphfuse.fusion.tokens import CLASS, SHARED, AttentionMap


class PooledTokens(nn.Module):
    """Embedding fusion through tokens: ``t_mi = A_mi v_m + a_mi``, a fusion of tokens, ``z = norm(pool)``.

    The pool is the class token where the fusion has one, else the mean over each modality's tokens and then over the
    present modalities. Of one token a modality, attention inside it, or between two, has nothing to choose; therefore
    each embedding is split, by a learned map, into several. Tokens, pool and norm are ours.

    Parameters
    ----------
    in_channels : dict of int
        Width d_m of each modality.
    out_channels : int
        Width D of z and of every token.
    fusion : callable
        Makes a fusion of tokens of ``(in_channels, out_channels, **options)``: one of its classes.
    tokens : int
        How many tokens a modality gets.
    **options
        Of the fusion.
    """

    def __init__(
        self,
        in_channels: Mapping[str, int],
        out_channels: int,
        fusion: Callable[..., nn.Module],
        tokens: int = 4,
        **options,
    ):
        super().__init__()
        self.in_channels, self.out_channels = dict(in_channels), out_channels
        self.names, self.tokens = sorted(in_channels), check_range("tokens", tokens, 1)
        self.split = nn.ModuleList(nn.Linear(in_channels[name], tokens * out_channels) for name in self.names)
        self.fusion = fusion(dict.fromkeys(self.names, out_channels), out_channels, **options)
        self.norm = nn.LayerNorm(out_channels)

    def forward(self, embeddings: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Return z (B, D), and each modality's share of the attention (B, M), detached, rows summing to 1.

        See `graphfuse.fusion.contract.enter` for the arguments and errors, `attention_mass` for the share.
        """
        values, mask = enter(embeddings, present, self.in_channels)
        tokens = {
            name: split(value).unflatten(1, (self.tokens, -1))  # (B, n, D)
            for name, split, value in zip(self.names, self.split, values, strict=True)
        }
        fused, maps = self.fusion(tokens, present)
        return self.norm(pool_tokens(fused, mask)), attention_mass(maps, self.names, mask)


def pool_tokens(fused: Mapping[str, Tensor], mask: Tensor) -> Tensor:
    """Return the class token (B, D) where there is one, else the mean over the present modalities of their means.

    Parameters
    ----------
    fused : dict of tensor (B, n_m, D)
        0 where missing.
    mask : bool tensor (B, M)
    """
    if CLASS in fused:
        return fused[CLASS][:, 0]
    return torch.stack([fused[name].mean(1) for name in sorted(fused)]).sum(0) / mask.sum(1, keepdim=True)


def attention_mass(maps: Sequence[AttentionMap], names: Sequence[str], mask: Tensor) -> Tensor:
    """Return which share of the attention went to each modality (B, M), rows summing to 1.

    ``w_m ~ sum over maps of the mean over heads and queries of the attention that the keys of m got``. The queries are
    the shared tokens where a fusion has some, as they carry what is exchanged, else every modality's. Who attended to
    nothing has equal shares of what is present. What residual paths carry is not in it; the measure is ours.

    Parameters
    ----------
    maps : list of AttentionMap
    names : list of str
        The M modalities, sorted.
    mask : bool tensor (B, M)
    """
    asking = [name for name in SHARED if any(name in map_.queries for map_ in maps)] or names
    mass = torch.zeros(mask.shape, dtype=maps[0].weights.dtype, device=mask.device)
    for map_ in maps:
        for query, key in product(map_.queries, map_.keys):
            if query in asking and key in names:
                mass[:, names.index(key)] += map_.block(query, key).sum(-1).mean((1, 2))
    mass = torch.where(mass.sum(1, keepdim=True) > 0, mass, mask.to(mass.dtype))
    return mass / mass.sum(1, keepdim=True)


POOLED = {
    "bottleneck": partial(PooledTokens, fusion=BottleneckFusion),
    "co-attention": partial(PooledTokens, fusion=CoAttentionFusion),
    "cross": partial(PooledTokens, fusion=CrossFusion),
    "intra": partial(PooledTokens, fusion=IntraFusion),
    "joint": partial(PooledTokens, fusion=JointFusion),
}
