"""Individual networks from one value a region, by how far a person lies from the controls."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.base import BaseEstimator, TransformerMixin
from torch import Tensor

from graphfuse._check import check_option, check_shape
from graphfuse._memory import check_memory
from graphfuse.errors import ClassTooSmall, InvalidOption, NonFinite, NotFitted, ShapeMismatch, UnusableRegion

CHUNK_NUMBERS = 2**22  # entries of the matrices that are worked on at once
LIMIT = 1e150  # of values: their squares stay finite


def individual_network(
    values: Tensor | np.ndarray, mean: Tensor | np.ndarray, spread: Tensor | np.ndarray
) -> tuple[Tensor, Tensor]:
    """How unlike, and how alike, two regions deviate from the controls: ``R = tanh(E)`` and ``W = 1 - R``.

    ``E_ij = |(f_i - mu_i) - (f_j - mu_j)| / s_ij``, ``s_ij = sqrt((s_i^2 + s_j^2) / 2)``: a number without unit.

    Parameters
    ----------
    values : array (B, R)
        One value a region and subject: mean grey-matter density, SUVR, thickness [mm], ...
    mean, spread : array (R,)
        mu and s, the controls' mean and standard deviation [unit of the values].

    Returns
    -------
    r, w : Tensor (B, R, R) float64
        From 0 to 1 and from 1 to 0; symmetric, diagonal 0 and 1.

    Raises
    ------
    NonFinite, ShapeMismatch
    UnusableRegion
        A spread that is not above 0.
    """
    values = _as_values("values", values)
    n_regions = values.shape[1]
    mean, spread = (torch.as_tensor(x, dtype=torch.float64, device=values.device) for x in (mean, spread))
    check_shape("mean", mean, (n_regions,))
    _check_spread(check_shape("spread", spread, (n_regions,)) > 0)
    deviation = values - mean
    pooled = torch.hypot(spread[:, None], spread) / 2**0.5
    e = (deviation[:, :, None] - deviation[:, None, :]).abs() / pooled
    return torch.tanh(e), 2 * torch.sigmoid(-2 * e)  # 1 - tanh(e), exact where tanh(e) is nearly 1


REFERENCES = {"R": 0, "W": 1}  # which of the two networks is averaged over the controls


class IndividualNetwork(TransformerMixin, BaseEstimator):
    """Network of each person from one value a region, referenced to the controls of the training subjects.

    ``B = W o M``: W of `individual_network`, M the mean network of the controls, o the product of entries.

    Leak guard: mu, s and M are fitted on the controls among the subjects that `fit` is given, so give it training
    subjects only; no patient's value and no test subject's enters them. `transform` maps each subject alone.

    FOUND: E, R, W, B and the part of the controls, in a third party's notes on Zhang et al. INFERRED: s divides by
    ``n - 1``; M averages W. The notes' own code averages R, hence ``reference="R"``, which makes the diagonal 0.

    Parameters
    ----------
    reference : str or None
        ``"W"`` or ``"R"``: which network of the controls M averages, a key of `REFERENCES`. None: no reference, B = W.
    control
        Label of the controls in y, where `fit` is given no mask of them.

    Attributes
    ----------
    mean_, spread_ : Tensor (R,) float64
        mu and s of the training controls [unit of the values].
    reference_ : Tensor (R, R) float64 or None
        M; None without a reference.
    n_controls_ : int
        How many subjects they were fitted on.

    References
    ----------
    Zhang et al. (2023), Multi-modal graph neural network for early diagnosis of Alzheimer's disease from sMRI and PET
    scans, Comput Biol Med 164, eqs. 1-4.
    """

    uses_y, scope = True, "training"

    def __init__(self, reference: str | None = "W", control=0):
        self.reference = reference
        self.control = control

    def fit(self, values: Tensor | np.ndarray, y=None, controls=None) -> IndividualNetwork:
        """Learn mu, s and M from the training controls.

        Parameters
        ----------
        values : array (N, R)
            One value a region [any unit].
        y : array (N,) or None
            Labels, read only where `controls` is None: the controls are ``y == control``.
        controls : array (N,) bool or None
            Which of the subjects are controls.

        Raises
        ------
        ClassTooSmall
            Fewer than 2 controls.
        UnusableRegion
            A region without spread among the controls.
        NonFinite, ShapeMismatch, InvalidOption
        """
        if self.reference is not None:
            check_option("reference", self.reference, REFERENCES)
        values = _as_values("values", values)
        own = values[_control_mask(controls, y, self.control, len(values)).to(values.device)]
        if len(own) < 2:
            raise ClassTooSmall(f"A reference needs at least 2 controls among the training subjects; got {len(own)}.")
        self.mean_, self.spread_, self.n_controls_ = own.mean(0), own.std(0), len(own)
        _check_spread((own.amin(0) < own.amax(0)) & (self.spread_ > 0))  # the deviation of equal values is rounding
        self.reference_ = None if self.reference is None else self._mean_network(own)
        return self

    def transform(self, values: Tensor | np.ndarray) -> Tensor:
        """Map values (N, R), each subject alone, to networks (N, R, R) float32."""
        if not hasattr(self, "mean_"):
            raise NotFitted("IndividualNetwork has no controls yet; call fit on the training subjects first.")
        values = check_shape("values", _as_values("values", values), (None, len(self.mean_)))
        n_subjects, n_regions = values.shape
        check_memory(
            f"Networks of {n_subjects} subjects and {n_regions} regions",
            4 * n_subjects * n_regions**2,
            "Use a coarser atlas, or fewer subjects at a time.",
        )
        result = values.new_empty(n_subjects, n_regions, n_regions, dtype=torch.float32)
        for rows in _chunks(values):
            alike = individual_network(values[rows], self.mean_, self.spread_)[1]
            result[rows] = (alike if self.reference_ is None else alike * self.reference_.to(alike)).float()
        return result

    def _mean_network(self, own: Tensor) -> Tensor:
        which, total = REFERENCES[self.reference], 0
        for rows in _chunks(own):
            total = total + individual_network(own[rows], self.mean_, self.spread_)[which].sum(0)
        return total / len(own)


def _as_values(name: str, values) -> Tensor:
    values = check_shape(name, torch.as_tensor(values), (None, None)).double()
    if not values.shape[1]:
        raise ShapeMismatch(f"{name} must have one region or more; got shape {tuple(values.shape)}.")
    if not (values.abs() <= LIMIT).all():
        raise NonFinite(f"{name} must be finite and at most {LIMIT:g}. Leave out the regions or people that lack one.")
    return values


def _control_mask(controls, y, control, n_subjects: int) -> Tensor:
    if controls is None and y is None:
        raise InvalidOption("fit needs to know the controls; pass controls=, a mask of the training subjects, or y.")
    mask = np.asarray(y) == control if controls is None else np.asarray(controls)
    check_shape("y" if controls is None else "controls", np.asarray(mask), (n_subjects,))
    if mask.dtype != bool:
        raise InvalidOption(
            f"controls must be a mask of True and False; got {mask.dtype}. Pass y == the control label."
        )
    return torch.from_numpy(np.array(mask))


def _check_spread(varies: Tensor) -> None:
    if not varies.all():
        region = int((~varies).nonzero()[0])
        raise UnusableRegion(f"Region {region} has no spread among the controls. Leave it out.")


def _chunks(values: Tensor):
    size = max(1, CHUNK_NUMBERS // values.shape[1] ** 2)
    return torch.arange(len(values), device=values.device).split(size)
