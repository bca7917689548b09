"""A cohort without any signal, where whatever scores above chance has cheated."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import graphfuse as gf


def noise_cohort(n=120, p=400, seed=0, **columns) -> gf.Cohort:
    rng = np.random.default_rng(seed)
    signal = gf.Signal.pack("vector", list(rng.standard_normal((n, p))), columns=[f"f{i}" for i in range(p)])
    table = pd.DataFrame(
        {
            "dx": np.tile(["patient", "control"], n // 2),
            "site": np.repeat(["a", "b", "c"], n // 3),
            "age": rng.normal(20, 4, n),
            **columns,
        },
        index=[f"s{i:03d}" for i in range(n)],
    )
    return gf.Cohort(
        table, {"fc": signal}, target="dx", classes=("control", "patient"), site="site", confounds=("age",)
    )


@pytest.fixture(scope="session")
def noise() -> gf.Cohort:
    return noise_cohort()
