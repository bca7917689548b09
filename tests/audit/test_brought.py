from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator

import graphfuse as gf
from graphfuse.audit.brought import brought_along
from graphfuse.audit.pipeline import Pipeline


class Model(gf.Ridge):
    def __init__(self, part=None):
        self.part = part


def verdict(part) -> str:
    return brought_along(Pipeline("m", Model(part))).verdict


@pytest.mark.parametrize(
    "part",
    [
        PCA(2).fit(np.random.default_rng(0).random((9, 3))),
        FrozenEstimator(PCA(2).fit(np.random.default_rng(0).random((9, 3)))),
        np.arange(40),
        list(range(40)),
        torch.ones(40, dtype=torch.bool),
    ],
    ids=["fitted", "frozen", "indices", "list", "mask"],
)
def test_what_was_fitted_or_chosen_before_the_split_is_doubted(part):
    assert verdict(part) == "doubt"


@pytest.mark.parametrize(
    "part", [None, PCA(2), (0.1, 1.0, 10.0), {"x": "y"}], ids=["none", "unfitted", "grid", "names"]
)
def test_settings_are_no_matter(part):
    assert verdict(part) == "pass"
