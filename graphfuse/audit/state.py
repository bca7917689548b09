"""A hash of all that fitting has left behind, the same bits giving the same hash in every process."""

from __future__ import annotations

import re
from hashlib import blake2b

import numpy as np
import pandas as pd
import torch

from graphfuse.audit.walk import walk

CLOCK = re.compile(r"_time_?(\W|$)")


def state_digest(fitted) -> str:
    """Hash of every number, text, array, tensor and table that can be reached from `fitted`.

    What scikit-learn's searches note of the clock (``mean_fit_time``, ``refit_time_``) is left out.

    Parameters
    ----------
    fitted : object
        A fitted estimator, or whatever a pipeline says it has fitted.
    """
    mark = blake2b(digest_size=16)
    for place, value in walk(fitted):
        content = None if CLOCK.search(place) else _content(value)
        if content is not None:
            mark.update(f"{place}={type(value).__qualname__}:".encode())
            mark.update(content)
    return mark.hexdigest()


def _content(value) -> bytes | None:
    """The bytes of a leaf; None for what only holds other things."""
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu()
        return _content(value.to_dense().numpy() if value.layout is not torch.strided else value.numpy())
    if isinstance(value, np.ndarray):
        return None if value.dtype == object else repr(value.shape).encode() + np.ascontiguousarray(value).tobytes()
    if isinstance(value, (pd.DataFrame, pd.Series)):
        return value.to_csv().encode()
    if isinstance(value, pd.Index):
        return repr(value.tolist()).encode()
    if isinstance(value, (str, bytes, int, float, complex, bool, type(None), np.generic)):
        return repr(value).encode()
    return None
