"""Fusions of embeddings by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import nn

from graphfuse._check import check_option
from graphfuse.errors import InvalidOption
from graphfuse.fusion.add import AddFusion
from graphfuse.fusion.attention import AttentionFusion
from graphfuse.fusion.bilinear import BilinearFusion
from graphfuse.fusion.concat import ConcatFusion
from graphfuse.fusion.experts import MixtureOfExperts, ProductOfExperts
from graphfuse.fusion.film import FiLMFusion
from graphfuse.fusion.gated import GatedFusion
from graphfuse.fusion.interaction import InteractionFusion
from graphfuse.fusion.low_rank import LowRankFusion
from graphfuse.fusion.outer import OuterFusion
from graphfuse.fusion.pooled import POOLED
from graphfuse.fusion.squeeze import SqueezeFusion

FUSIONS = {
    "add": AddFusion,
    "attention": AttentionFusion,
    "bilinear": BilinearFusion,
    "concat": ConcatFusion,
    "experts": ProductOfExperts,
    "film": FiLMFusion,
    "gated": GatedFusion,
    "interaction": InteractionFusion,
    "low-rank": LowRankFusion,
    "mixture": MixtureOfExperts,
    "outer": OuterFusion,
    "squeeze": SqueezeFusion,
    **POOLED,
}


def make_fusion(fusion: str | Callable[..., nn.Module], in_channels: Mapping[str, int], out_channels: int) -> nn.Module:
    """Return a new fusion of the modalities `in_channels`.

    Parameters
    ----------
    fusion : str or callable
        A key of `FUSIONS`, or what makes a module of ``(in_channels, out_channels)``: a class, a `functools.partial`.
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
