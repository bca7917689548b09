"""Weisfeiler-Lehman labels of sparse connectomes: which subtree stands below each region."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.base import BaseEstimator

from graphfuse._check import check_range
from graphfuse.cohort import Cohort
from graphfuse.connectome.functional import correlation
from graphfuse.graph.sparsify import TopDensity


class SubtreeLabels(BaseEstimator):
    """The labels of `subtree_labels` of each person's strongest edges, one row a person.

    The source of the kernel gives no graph and no first label for connectomes; ours are the strongest tenth of the
    edges and the number of binary digits of the degree.

    Parameters
    ----------
    signal : str
        Name of a time series (its correlations) or of a connectivity signal.
    density : float
        Share of the edges that is kept.
    rounds : int
        Depth of the subtrees.

    References
    ----------
    Shervashidze et al. 2011, Weisfeiler-Lehman graph kernels, JMLR 12:2539-2561
    """

    uses_y, scope = False, "own"

    def __init__(self, signal="fmri", density=0.1, rounds=2):
        self.signal = signal
        self.density = density
        self.rounds = rounds

    def fit_transform(self, cohort: Cohort, codes=None) -> np.ndarray:
        """Labels (N, R (rounds + 1)); nothing is learned."""
        check_range("rounds", self.rounds, 0)
        self.n_regions_ = cohort.signals[self.signal].n_regions
        return self.transform(cohort)

    def transform(self, cohort: Cohort) -> np.ndarray:
        """Labels (N, R (rounds + 1)), int64; 0, which is no label, for regions and people that were not measured."""
        signal = cohort.signals[self.signal]
        rows = np.zeros((len(cohort), self.n_regions_ * (self.rounds + 1)), np.int64)
        if signal.present.any():
            nodes = signal.usable[signal.present]
            given = signal.kind == "connectivity"
            matrices = signal.stack() if given else correlation(signal.arrays(), usable=torch.as_tensor(nodes))
            edges = TopDensity(self.density)(torch.as_tensor(matrices), torch.as_tensor(nodes)) != 0
            labels = subtree_labels(edges.numpy(), self.rounds)  # (n, rounds + 1, R)
            rows[signal.present] = np.where(nodes[:, None], labels, 0).reshape(len(labels), -1)
        return rows


def subtree_labels(edges: np.ndarray, rounds: int) -> np.ndarray:
    """Weisfeiler-Lehman labels: ``l_0 = digits(degree)``, ``l_t(r) = hash(t, l_{t-1}(r), {l_{t-1}(s) : s ~ r})``.

    Equal labels, equal trees of neighbours to depth t, whatever the order of the regions. Labels are 63-bit hashes;
    that of a set of neighbours is the sum of their hashes.

    Parameters
    ----------
    edges : bool array (n, R, R)
        Symmetric, without loops.
    rounds : int
        Depth of the subtrees.

    Returns
    -------
    int64 array (n, rounds + 1, R), above 0
    """
    edges = edges.astype(np.uint64)
    degree = edges.sum(2)
    labels = [_mixed(np.frexp(degree.astype(np.float64))[1].astype(np.uint64))]  # digits: 0, 1, 2-3, 4-7, ...
    for turn in range(1, rounds + 1):
        neighbours = (edges @ _mixed(labels[-1])[..., None])[..., 0]  # (n, R), modulo 2^64
        labels.append(_mixed(_mixed(labels[-1] + np.uint64(turn)) + neighbours))
    return (np.stack(labels, 1) >> np.uint64(1)).astype(np.int64) | 1


def _mixed(x: np.ndarray) -> np.ndarray:
    """A one-to-one scramble of 64 bits (splitmix64), so that sums of labels tell sets of labels apart."""
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
