"""What enters a loss and what leaves it: rows of people who have what is compared, unit vectors, a finite number."""

from __future__ import annotations

import torch
from torch import Tensor

from graphfuse._check import check_shape
from graphfuse.errors import InvalidOption
from graphfuse.kernels.finite import LIMIT, check_finite


def rows_present(name: str, values: Tensor, present: Tensor | None) -> Tensor:
    """Return the rows of those who have the modality; not a bit of another row passes, forward or backward.

    Parameters
    ----------
    name : str
        Of the argument, for messages.
    values : tensor (B, ...)
    present : bool tensor (B,) or None
        None means everybody.

    Raises
    ------
    NonFinite, ShapeMismatch, InvalidOption
    """
    if present is not None:
        values = values[as_mask(f"the mask of {name}", present, len(values))]
    return check_finite(f"{name} of those who have it", values, LIMIT)


def rows_paired(first: Tensor, second: Tensor, both: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return the rows of those who have both modalities, see `rows_present`."""
    check_shape("second", second, (len(first), *(None,) * (second.dim() - 1)))
    return rows_present("first", first, both), rows_present("second", second, both)


def rows_alike(first: Tensor, second: Tensor, both: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return the rows of those who have both modalities, which must have one shape; see `rows_present`."""
    check_shape("second", second, tuple(first.shape))
    return rows_paired(first, second, both)


def as_mask(name: str, mask: Tensor, *shape: int) -> Tensor:
    """Return `mask` if it is boolean and of this shape, else raise `InvalidOption` or `ShapeMismatch`."""
    check_shape(name, mask, shape)
    if mask.dtype != torch.bool:
        raise InvalidOption(f"{name} must be boolean; got {mask.dtype}. Give mask.bool().")
    return mask


def nodes_or_all(x: Tensor, nodes: Tensor | None) -> Tensor:
    """Return `nodes` (G, R), or that every node of x (G, R, ...) is usable."""
    if nodes is None:
        return torch.ones(x.shape[:2], dtype=torch.bool, device=x.device)
    return as_mask("nodes", nodes, *x.shape[:2])


def nodes_present(
    first: Tensor, second: Tensor, nodes: Tensor | None, present: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the nodes (n, R, D) of those who are present and have a usable one, zeros at the others, and which are."""
    check_shape("first", first, (None, None, None))
    check_shape("second", second, tuple(first.shape))
    nodes = nodes_or_all(first, nodes)
    keep = nodes.any(1) if present is None else nodes.any(1) & as_mask("the mask of people", present, len(first))
    first, second, nodes = first[keep], second[keep], nodes[keep]
    first, second = (torch.where(nodes[..., None], z, 0) for z in (first, second))
    for name, z in (("first", first), ("second", second)):
        check_finite(f"{name} at usable nodes", z, LIMIT)
    return first, second, nodes


def unit_rows(z: Tensor) -> Tensor:
    """Return ``z / |z|`` over the last axis; a zero vector stays zero and gets no gradient."""
    norm = torch.linalg.vector_norm(z, dim=-1, keepdim=True)
    return torch.where(norm > 0, z / torch.where(norm > 0, norm, 1), 0)


def nothing(*tensors: Tensor) -> Tensor:
    """Return a zero that backward can start from: the loss of nobody."""
    return sum(tensor[:0].sum() for tensor in tensors)


def leaving(name: str, loss: Tensor) -> Tensor:
    """Return `loss` if it is finite, else raise `NonFinite`: finite embeddings may still have a product that is not."""
    return check_finite(name, loss)
