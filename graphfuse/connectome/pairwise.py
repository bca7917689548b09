"""What every measure of two series shares: z-scores, batches of subjects, masks, exact symmetry, a check at the end."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from graphfuse._memory import check_memory
from graphfuse.connectome.series import Batch, empty, load_batch, rows_of_equal_length, subject_arrays, usable_mask
from graphfuse.connectome.shares import share_out
from graphfuse.errors import NonFinite

Series = Sequence | Tensor | np.ndarray


def per_subject(
    measure: Callable[[Batch], Tensor],
    series: Series,
    *,
    usable=None,
    device="cpu",
    dtype: torch.dtype = torch.float32,
    diagonal: float | None = 1.0,
) -> Tensor:
    """Fill (B, R, R) with ``measure(batch)``, each subject alone, exactly symmetric and free of unusable regions.

    Parameters
    ----------
    measure : callable
        `Batch` of b subjects of one length to (b, R, R).
    series, usable, device, dtype
        As for `graphfuse.connectome.correlation`.
    diagonal : float or None
        What stands on the diagonal. None: what was measured, and 0 for an unusable region.

    Raises
    ------
    MemoryBudget
        The result does not fit.
    NonFinite
        A NaN or an infinity in a usable region, or values too large for `dtype`.
    UnusableRegion, ShortSeries, ShapeMismatch, MissingModality
    """
    result = empty_matrices(series, device=device, dtype=dtype)

    def work(batch: Batch) -> None:
        values = measure(batch)
        values = mask_pairs((values + values.mT).div_(2), batch.usable, diagonal).to(dtype)
        result[batch.rows] = check_matrices(values, batch.rows)

    each_batch(work, series, usable, device=device, dtype=dtype)
    return result


def each_batch(work: Callable[[Batch], None], series: Series, usable, *, device, dtype: torch.dtype) -> None:
    """Call `work` on subjects in batches of one length, several batches at a time where there are CPU threads."""
    arrays = subject_arrays(series)
    n_regions = arrays[0].shape[-1]
    usable = usable_mask(usable, len(arrays), n_regions)
    pieces = list(rows_of_equal_length(arrays, device))
    share_out(
        lambda rows: work(load_batch(arrays, rows, usable, device, dtype)), pieces, device=device, width=n_regions
    )


def empty_matrices(series: Series, *, device, dtype: torch.dtype) -> Tensor:
    """Room for one matrix a subject, (B, R, R), asked for before it is taken."""
    arrays = subject_arrays(series)
    n_subjects, n_regions = len(arrays), arrays[0].shape[-1]
    check_memory(
        f"Connectivity of {n_subjects} subjects and {n_regions} regions",
        2 * n_subjects * n_regions**2 * dtype.itemsize,
        "Use a coarser atlas, or fewer subjects at a time.",
    )
    return empty((n_subjects, n_regions, n_regions), device, dtype)


def mask_pairs(values: Tensor, usable: Tensor, diagonal: float | None) -> Tensor:
    """Set (b, R, R) to 0 where a region is not `usable` (b, R), and the diagonal to `diagonal` unless it is None."""
    if not usable.all():
        values = torch.where(usable[:, :, None] & usable[:, None, :], values, 0)
    if diagonal is not None:
        values.diagonal(dim1=1, dim2=2).fill_(diagonal)
    return values


def standardise(x: Tensor) -> Tensor:
    """Centre and z-score over frames (b, T, R); exact 0 for a constant column, and no overflow for extreme units."""
    x = x - x[:, :1]
    peak = x.abs().amax(1, keepdim=True)
    x = x / torch.where(peak > 0, peak, 1)
    x = x - x.mean(1, keepdim=True)
    scale = x.square().mean(1, keepdim=True).sqrt()
    return x / torch.where(scale > 0, scale, 1)


def check_matrices(values: Tensor, rows: list[int]) -> Tensor:
    """Return the matrices (b, R, R) of the subjects `rows`, or raise `NonFinite` where they hold no numbers."""
    if values.sum().isfinite():  # so is every term, and this is the quicker question
        return values
    finite = values.isfinite().flatten(1).all(1)
    if not finite.all():
        row = rows[int((~finite).nonzero()[0])]
        raise NonFinite(f"The values of series[{row}] are too large for {values.dtype}. Rescale the series.")
    return values
