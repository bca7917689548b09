"""From windows to one vector a person: ``module(x (B, W, D), present (B, W) or None) -> (B, D')``."""

from __future__ import annotations

from graphfuse.nn.temporal.attention import AttentionPooling
from graphfuse.nn.temporal.gru import GRUReadout
from graphfuse.nn.temporal.lstm import LSTMReadout
from graphfuse.nn.temporal.transformer import TimeTransformer

__all__ = ["AttentionPooling", "GRUReadout", "LSTMReadout", "TimeTransformer"]
