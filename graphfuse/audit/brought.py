"""What a pipeline brings along that was fitted or chosen before the split: nobody can tell from which subjects."""

from __future__ import annotations

import numpy as np
import torch

from graphfuse.audit.finding import Finding
from graphfuse.audit.pipeline import Pipeline
from graphfuse.audit.walk import walk

CHECK = "brought along"
FEWEST = 16  # numbers; a shorter list is a setting, such as the penalties to choose from


def brought_along(pipeline: Pipeline) -> Finding:
    """Fitted attributes, weights, masks and lists of chosen features that the pipeline holds before it has seen a fold.

    Label flips cannot see these: a selection that was made once on everybody, and saved, looks like a setting.
    """
    found = [place for place, value in walk(pipeline.run, pipeline.name) if _is_fitted(place) or _is_chosen(value)]
    if found:
        text = f"holds what was made before the split: {', '.join(found[:3])}{' and more' if len(found) > 3 else ''}"
        remedy = (
            "Fit or choose it inside the pipeline, on the training subjects; or say from which other people it comes."
        )
        return Finding(CHECK, pipeline.name, "doubt", text, remedy)
    return Finding(CHECK, pipeline.name, "pass", "no fitted part, mask or list of features before the split")


def _is_fitted(place: str) -> bool:
    """scikit-learn's mark of what `fit` made: an attribute that ends in one underscore."""
    name = place.rpartition(".")[2]
    return name.isidentifier() and name.endswith("_") and not name.endswith("__")


def _is_chosen(value) -> bool:
    """An array, tensor or list of many numbers: a mask, indices, weights."""
    if isinstance(value, torch.nn.Parameter):
        return False  # a module's starting weights; its trained ones cannot be told apart, and copies start afresh
    if isinstance(value, (np.ndarray, torch.Tensor)):
        return int(np.prod(value.shape)) >= FEWEST
    return (
        isinstance(value, (list, tuple))
        and len(value) >= FEWEST
        and all(isinstance(item, (int, float)) for item in value)
    )
