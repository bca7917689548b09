"""Who is like whom, by the modalities that two people both have."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from graphfuse._check import check_option, check_range

STRIP = 256  # people whose distances to all training people are held at one time

# How much a neighbour counts by its distance d >= 0; a neighbour at distance 0 counts alone.
WEIGHTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "distance": lambda d: 1 / np.maximum(d, 1e-12),
    "uniform": np.ones_like,
}


@dataclass(frozen=True, eq=False)
class People:
    """N people with some modalities: centred vectors, zeros where one is missing, and who has which.

    Parameters
    ----------
    blocks : dict of str to array (N, P_m)
    present : dict of str to bool array (N,)
    """

    blocks: Mapping[str, np.ndarray]
    present: Mapping[str, np.ndarray]

    def __len__(self) -> int:
        return len(next(iter(self.present.values())))

    def __getitem__(self, rows) -> People:
        return People(*({name: value[rows] for name, value in part.items()} for part in (self.blocks, self.present)))

    def lengths(self) -> dict[str, float]:
        """Mean squared length of the vectors of each modality; 1 where all are zeros."""
        return {
            name: float(np.square(block).sum(1).sum() / max(self.present[name].sum(), 1)) or 1.0
            for name, block in self.blocks.items()
        }


def shared_distances(new: People, known: People, lengths: Mapping[str, float]) -> np.ndarray:
    """Root mean squared distance over the modalities that both have; infinite where they share none.

    ``d_ij^2 = mean over m in M_i and M_j of ||x_i^m - x_j^m||^2 / l_m``, so that every modality counts the same,
    however many entries it has. The scaling by l_m is ours.

    Parameters
    ----------
    new : People
        M of them.
    known : People
        N of them.
    lengths : dict of float
        l_m, the mean squared length of a modality.

    Returns
    -------
    array (M, N)
    """
    total, shared = np.zeros((len(new), len(known))), np.zeros((len(new), len(known)), dtype=np.int64)
    for name, length in sorted(lengths.items()):
        a, b = new.blocks[name], known.blocks[name]
        both = new.present[name][:, None] & known.present[name]
        squared = np.square(a).sum(1)[:, None] + np.square(b).sum(1) - 2 * (a @ b.T)
        total += np.where(both, squared.clip(0) / length, 0.0)
        shared += both
    return np.where(shared > 0, np.sqrt(total / shared.clip(1)), np.inf)


def nearest_shares(
    new: People,
    known: People,
    lengths: Mapping[str, float],
    k: int,
    weights: str = "distance",
    own: np.ndarray | None = None,
) -> csr_array:
    """How much each new person takes from each known one, sparse (M, N); rows sum to 1, or to 0 with no neighbour.

    Parameters
    ----------
    new, known, lengths
        As in `shared_distances`.
    k : int
        Neighbours, the nearest; equal distances go by position.
    weights : str
        A key of `WEIGHTS`.
    own : int array (M,) or None
        Where the new people stand among the known ones; nobody is their own neighbour.
    """
    check_range("k", k, 1)
    weigh = WEIGHTS[check_option("weights", weights, WEIGHTS)]
    rows, columns, values = [], [], []
    for begin in range(0, len(new), STRIP):
        places = np.arange(begin, min(begin + STRIP, len(new)))
        distance = shared_distances(new[places], known, lengths)  # (strip, N)
        if own is not None:
            distance[np.arange(len(places)), own[places]] = np.inf
        chosen = np.argsort(distance, axis=1, kind="stable")[:, :k]
        near = np.take_along_axis(distance, chosen, axis=1)
        weight = np.where(np.isfinite(near), weigh(near), 0.0)
        weight /= np.maximum(weight.sum(1, keepdims=True), 1e-300)
        rows.append(np.repeat(places, chosen.shape[1]))
        columns.append(chosen.ravel())
        values.append(weight.ravel())
    entries = (np.concatenate([*values, []]), (_joined(rows), _joined(columns)))
    return csr_array(entries, shape=(len(new), len(known)))


def _joined(parts: list[np.ndarray]) -> np.ndarray:
    return np.concatenate([*parts, []]).astype(np.int64)
