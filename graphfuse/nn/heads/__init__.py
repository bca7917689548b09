"""Heads that say how sure they are."""

from __future__ import annotations

from graphfuse.nn.heads.dropout import STOCHASTIC, drawing, mc_predict
from graphfuse.nn.heads.evidential import EvidentialHead, Opinion, evidential_loss, opinion
from graphfuse.nn.heads.uncertainty import Uncertainty, decompose
from graphfuse.nn.heads.variational import VariationalLinear

__all__ = [
    "STOCHASTIC",
    "EvidentialHead",
    "Opinion",
    "Uncertainty",
    "VariationalLinear",
    "decompose",
    "drawing",
    "evidential_loss",
    "mc_predict",
    "opinion",
]
