"""Connectomes of a large cohort on a dask cluster: the same call as on one machine, inside ``parallel_config``.

    pip install graphfuse[cluster]
    python examples/cluster.py OUT

On a queue, put ``dask_jobqueue.SLURMCluster(cores=4, memory="8GB")`` and its ``scale(jobs=20)`` in place of
`LocalCluster`; `OUT` must be a folder that all machines see. Killed, it goes on where it was.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import joblib
import numpy as np
from distributed import Client, LocalCluster

from graphfuse.connectome.stream import stream_connectomes


class Cohort(Sequence):
    """Time series that are read when they are asked for; here they are simulated."""

    def __len__(self) -> int:
        return 1000

    def __getitem__(self, i: int) -> np.ndarray:
        return np.random.default_rng(i).normal(size=(176, 100)).astype(np.float32)


def main(out: str) -> None:
    """Write ``OUT/connectomes.npy``: (1000, 4950) correlations."""
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster),
        joblib.parallel_config(backend="dask"),
    ):
        connectomes = stream_connectomes(Cohort(), "correlation", out, vectors=True, chunk=50, jobs=-1)
    print(f"{connectomes.shape[0]} connectomes of {connectomes.shape[1]} edges in {out}")


if __name__ == "__main__":
    main(*sys.argv[1:])
