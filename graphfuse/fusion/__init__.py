"""Fusions of embeddings: ``fusion({name: (B, d_m)}, {name: (B,) bool}) -> (z (B, D), weights (B, M) or None)``."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import nn

from graphfuse._check import check_option
from graphfuse.errors import InvalidOption
from graphfuse.fusion.add import AddFusion
from graphfuse.fusion.concat import ConcatFusion
from graphfuse.fusion.gated import GatedFusion

FUSIONS = {"add": AddFusion, "concat": ConcatFusion, "gated": GatedFusion}

__all__ = ["FUSIONS", "AddFusion", "ConcatFusion", "GatedFusion", "make_fusion"]


def make_fusion(fusion: str | Callable[..., nn.Module], in_channels: Mapping[str, int], out_channels: int) -> nn.Module:
    """Return a new fusion of the modalities `in_channels`.

    Parameters
    ----------
    fusion : {"add", "concat", "gated"} or callable
        A name, or what makes a module of ``(in_channels, out_channels)``: a class, a `functools.partial`.
    in_channels : dict of int
        Width d_m of each modality.
    out_channels : int
        Width D of the fused embedding.

    Raises
    ------
    InvalidOption
        An unknown name, a module that is already made, or something that cannot be called.
    """
    if isinstance(fusion, nn.Module) or not (isinstance(fusion, str) or callable(fusion)):
        raise InvalidOption(
            f"fusion must be one of {', '.join(sorted(FUSIONS))}, or make a module of (in_channels, out_channels); "
            f"got a {type(fusion).__name__}. Give its class, or a functools.partial of it."
        )
    make = FUSIONS[check_option("fusion", fusion, FUSIONS)] if isinstance(fusion, str) else fusion
    return make(in_channels, out_channels)
