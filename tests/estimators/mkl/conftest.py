"""Small problems for the weights of kernels."""

from __future__ import annotations

import numpy as np
import pytest

from graphfuse.estimators.mkl.problem import Problem


@pytest.fixture(scope="session")
def problem_of():
    """Makes a `Problem` of one modality an effect: how far the classes are apart in it."""

    def make(effects, n=40, features=4, C=1.0, seed=0) -> Problem:
        rng = np.random.default_rng(seed)
        signs = np.where(np.arange(n) % 3 == 0, 1.0, -1.0)
        kernels = []
        for effect in effects:
            X = rng.normal(size=(n, features)) + effect * signs[:, None] / 2
            X = X - X.mean(0)
            kernels.append(X @ X.T / np.square(X).sum(1).mean())
        return Problem(np.stack(kernels), np.ones((len(effects), n), bool), signs, C)

    return make
