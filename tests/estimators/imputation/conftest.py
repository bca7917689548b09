"""People with three modalities that share two hidden factors; some modalities are missing."""

from __future__ import annotations

import numpy as np
import pytest

WIDTHS = {"a": 6, "b": 4, "c": 30}


def draw(n: int, seed: int, noise: float = 0.3):
    """Blocks (n, P_m) and who has which; everybody has one at least, but for the last person."""
    rng = np.random.default_rng(seed)
    weights = np.random.default_rng(99)
    factors = rng.standard_normal((n, 2))
    blocks = {
        name: (3 + factors @ weights.standard_normal((2, p)) + noise * rng.standard_normal((n, p))).astype(np.float32)
        for name, p in WIDTHS.items()
    }
    present = {name: rng.random(n) > 0.3 for name in WIDTHS}
    present["a"] |= ~(present["b"] | present["c"])
    for has in present.values():
        has[-1] = False
    return blocks, present


@pytest.fixture(scope="session")
def train():
    return draw(60, 0)


@pytest.fixture(scope="session")
def new():
    return draw(25, 1)
