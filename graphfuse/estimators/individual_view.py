"""A view that gives one vector a subject: how unlike the training controls each pair of regions deviates."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.base import BaseEstimator

from graphfuse._check import check_option
from graphfuse.connectome.individual import IndividualNetwork
from graphfuse.connectome.vectorise import upper_triangle
from graphfuse.errors import ClassTooSmall, UnusableRegion
from graphfuse.graph.rows import Rows
from graphfuse.signal import Signal

MAX_Z = 10.0  # an entry that hardly varies in training may lie far out in a new person


class IndividualNetworkView(BaseEstimator):
    """Individual networks of regional values as standardised vectors, referenced to the controls of the training fold.

    Each measure has its network ``B = W o M`` (`IndividualNetwork`); their upper triangles, diagonals included, stand
    side by side: ``P = M R (R + 1) / 2``. Each entry is brought to mean 0 and deviation 1 over the training subjects;
    an entry of a region that cannot be used is 0. Regions without spread among the controls are left out.

    Parameters
    ----------
    column : str or None
        The measure to take; None = each one.
    reference : {"R", "W"} or None
        Which network of the controls is multiplied, see `IndividualNetwork`.
    control : int
        Class code of the controls.
    """

    READS = ("measures", "vector")
    uses_y, scope = True, "training"

    def __init__(self, column=None, reference="W", control=0):
        self.column = column
        self.reference = reference
        self.control = control

    def fit(self, signal: Signal, codes: np.ndarray) -> IndividualNetworkView:
        """Learn the reference from the controls, means and deviations from everybody, among these subjects only.

        Parameters
        ----------
        signal : Signal
        codes : int array (N,)
            Class codes.

        Raises
        ------
        ClassTooSmall
            Fewer than 2 controls were measured.
        UnusableRegion
            Fewer than 2 regions vary among the controls.
        InvalidOption
            A measure that the signal lacks.
        """
        values, known = self._values(signal)
        controls = np.asarray(codes)[signal.present] == self.control
        if controls.sum() < 2:
            raise ClassTooSmall(f"A reference needs at least 2 measured controls; got {int(controls.sum())}.")
        self.fill_ = _mean(values[controls], known[controls])  # (R, M)
        own = np.where(known[..., None], values, self.fill_)[controls]
        self.kept_ = ((own.max(0) > own.min(0)) & (own.std(0) > 0)).all(1)
        if self.kept_.sum() < 2:
            raise UnusableRegion(f"{int(self.kept_.sum())} regions vary among the controls; a network needs 2.")
        self.networks_ = [
            IndividualNetwork(self.reference).fit(x, controls=np.ones(len(x), bool)) for x in self._by_measure(own)
        ]
        vectors, known = self._vectors(values, known)
        self.mean_ = _mean(vectors, known)
        deviation = np.sqrt(_mean(np.square(vectors - self.mean_), known))
        self.scale_ = np.where(deviation > 1e-6, deviation, np.inf)  # constant in training: 0 for all
        return self

    def transform(self, signal: Signal) -> Rows:
        """Vectors (N, P) of these subjects, each from its own data alone; zeros for who lacks the modality."""
        x = np.zeros((len(signal), len(self.mean_)), np.float32)
        if signal.present.any():
            vectors, known = self._vectors(*self._values(signal))
            z = np.where(known, (vectors - self.mean_) / self.scale_, 0)
            x[signal.present] = z.clip(-MAX_Z, MAX_Z)
        return Rows(torch.as_tensor(x), torch.as_tensor(signal.present))

    def _values(self, signal: Signal) -> tuple[np.ndarray, np.ndarray]:
        """Values (n, R, M) of the measured subjects, and which regions (n, R) of each are known."""
        values = signal.stack().astype(np.float64)
        if signal.kind == "vector":  # each entry is a region
            return values[..., None], np.ones(values.shape, bool)
        if self.column is not None:
            place = signal.columns.index(check_option("column", self.column, signal.columns))
            values = values[..., [place]]
        return values, signal.usable[signal.present]

    def _by_measure(self, values: np.ndarray) -> list[np.ndarray]:
        """Values (n, R kept) of each measure of values (n, R, M)."""
        return list(np.moveaxis(values[:, self.kept_], 2, 0))

    def _vectors(self, values: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Upper triangles (n, P) of all measures, and which entries join two known regions."""
        filled = self._by_measure(np.where(known[..., None], values, self.fill_))
        parts = [
            upper_triangle(network.transform(x), diagonal=True)
            for network, x in zip(self.networks_, filled, strict=True)
        ]
        known = torch.as_tensor(known[:, self.kept_]).float()
        both = upper_triangle(known[:, :, None] * known[:, None], diagonal=True) > 0
        return torch.cat(parts, 1).numpy(), both.repeat(1, len(parts)).numpy()


def _mean(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Mean over the first axis of the entries that are known, 0 where none is."""
    known = known.reshape(*known.shape, *(1,) * (values.ndim - known.ndim))
    return np.where(known, values, 0).sum(0) / known.sum(0).clip(1)
