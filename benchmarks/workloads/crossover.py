"""Where dense wins: one product and its gradient, edges against matrices, by density, regions and width.

This is where `DENSE_ABOVE` of kernels/adjacency.py comes from. "matrices" is ours too (``layout="dense"``, torch.bmm).
"""

from __future__ import annotations

import torch

from benchmarks.paired import OURS, compare
from benchmarks.workloads.subject_gcn import random_graphs
from graphfuse.kernels import Adjacency


def rows():
    """Ratios above 1: edges win."""
    for graphs, regions in ((100, 110), (50, 200), (2, 1000)):
        for width in (16, 64):
            for density in (0.1, 0.3, 0.5, 0.7):
                weight = random_graphs(graphs, regions, density)
                x = torch.randn(graphs, regions, width, requires_grad=True)
                grad = torch.randn(graphs, regions, width)
                contestants = {
                    OURS: _step(Adjacency.from_dense(weight, "sparse"), x, grad),
                    "matrices": _step(Adjacency.from_dense(weight, "dense"), x, grad),
                }
                yield compare(f"A x and gradient, R = {regions}, D = {width}, {density:.0%}", contestants)


def _step(adjacency, x, grad):
    return lambda: torch.autograd.grad(adjacency @ x, x, grad)[0]
