"""Who listens to whom: the k heaviest edges of each person, exactly or through candidates, never N x N."""

from __future__ import annotations

import numpy as np
import torch
from scipy.sparse import csr_array
from torch import Tensor

from graphfuse.connectome.shares import share_out
from graphfuse.errors import InvalidOption
from graphfuse.kernels.codes import Codes
from graphfuse.kernels.topk import (
    Heaps,
    most_agreeing,
    offer_candidates,
    offer_second,
    offer_tile,
)

STRIP, TILE = 256, 2048  # rows and columns of the correlations that a thread holds at one time: 2 MB
PLACES = 32  # columns that one phenotype takes in the search for candidates; beyond them, codes are shared
Edges = tuple[Tensor, Tensor]  # sources int32 and weights float32, (M, k), the heaviest first; -1 and 0 = no edge


def exact(units: Tensor, codes: Codes, scale: float, k: int, tile: int = TILE) -> Edges:
    """The k heaviest edges of each of N people, ``w_ij = exp(-(1 - <u_i, u_j>)^2 scale) * agreement_ij``.

    All pairs are looked at, a tile of correlations at a time. Equal weights go by position.

    Parameters
    ----------
    units : tensor (N, P)
        Centred rows of length 1; a row of zeros correlates with nobody.
    codes : Codes
        Of the same N people.
    scale : float
        ``1 / (2 sigma^2)``.
    k : int
        At most N - 1.
    tile : int
        Columns of a tile; it changes nothing but rounding.
    """
    heaps = Heaps.empty(len(units), k, codes.highest)
    if len(units) <= tile:  # numpy computes one triangle of a product with the own transpose
        dots = torch.from_numpy(np.matmul(units.numpy(), units.numpy().T))
        offer_tile(heaps, dots, codes, codes, (0, 0), scale, own=True)
    else:
        _offer_all(heaps, units, codes, units, codes, scale, tile, own=True)
    return heaps.sorted()


def onto(new: Tensor, new_codes: Codes, units: Tensor, codes: Codes, scale: float, k: int, tile: int = TILE) -> Edges:
    """The k heaviest edges from N fitted people to each of M new ones, exactly; arguments as in `exact`."""
    heaps = Heaps.empty(len(new), k, codes.highest)
    _offer_all(heaps, new, new_codes, units, codes, scale, tile, own=False)
    return heaps.sorted()


def approximate(
    units: Tensor, codes: Codes, scale: float, k: int, tile: int = TILE, candidates: int = 3, random_state: int = 0
) -> Edges:
    """The k heaviest edges among ``candidates * k`` candidates of each person, found by NN-descent.

    Candidates are near by correlation and agreement together, see `_embedded`; they are weighed as in `exact`, and so
    are the best of the best ones. A person who is neither is missed: one who agrees and is less alike, or is more alike
    and agrees less, than those are.

    Parameters
    ----------
    units, codes, scale, k, tile
        As in `exact`, which does the work where there are no more people than candidates.
    candidates : int
        Candidates for an edge.
    random_state : int
        Of the search; the same one gives the same edges.

    Raises
    ------
    InvalidOption
        pynndescent is not installed.

    References
    ----------
    Dong, Moses and Li (2011). Efficient k-nearest neighbor graph construction for generic similarity measures. WWW.
    """
    wanted = candidates * k + 1  # a person is her own first
    if wanted >= len(units):
        return exact(units, codes, scale, k, tile)
    heaps = Heaps.empty(len(units), k, codes.highest)
    found = _candidates(_embedded(units, codes, scale), wanted, random_state)
    offer_candidates(heaps, found, units, codes, scale)
    offer_second(heaps, units, codes, scale)
    return heaps.sorted()


# ---- the closed set of searches, and the settings that each takes
SEARCHES = {"exact": (exact, ()), "approximate": (approximate, ("candidates", "random_state"))}


def agreeing(codes: Codes, k: int) -> Edges:
    """The k people with whom each of N people agrees on most phenotypes; equal agreement goes by position.

    People with equal phenotypes share one search, see `most_agreeing`.
    """
    first, group = _profiles(codes)
    source, weight = (edges[group] for edges in most_agreeing(codes[first], codes, k + 1))  # (N, k + 1)
    keep = source != torch.arange(len(group))[:, None]
    keep[keep.all(1), k] = False  # who is not in her own list leaves out the last
    return source[keep].view(len(group), k), weight[keep].view(len(group), k)


def symmetric(edges: Edges) -> tuple[Tensor, Tensor]:
    """``edge_index`` (2, E) int64 and ``edge_weight`` (E,) of ``max(W, W^T)``, sorted by target and source."""
    source, weight = edges
    kept = (weight > 0).numpy()
    pointers = np.concatenate([[0], np.cumsum(kept.sum(1))])
    shape = (len(source), len(source))
    rows = csr_array((weight.numpy()[kept], source.numpy()[kept], pointers), shape=shape)
    rows.sort_indices()
    both = rows.maximum(rows.T.tocsr())
    target = np.repeat(np.arange(len(source)), np.diff(both.indptr))
    return torch.as_tensor(np.stack([both.indices, target])), torch.as_tensor(both.data)


def _offer_all(heaps: Heaps, new: Tensor, new_codes: Codes, units: Tensor, codes: Codes, scale: float, tile: int, own):
    """Offer every correlation of `new` with `units`; a strip of rows belongs to one thread, its products included."""

    def strip(begin: int) -> None:
        rows = new[begin : begin + STRIP]
        buffer = rows.new_empty(len(rows) * min(tile, len(units)))
        for first in range(0, len(units), tile):
            columns = units[first : first + tile]
            dots = buffer[: len(rows) * len(columns)].view(len(rows), len(columns))
            torch.mm(rows, columns.T, out=dots)
            offer_tile(heaps, dots, new_codes, codes, (begin, first), scale, own=own)

    share_out(strip, range(0, len(new), STRIP))


def _embedded(units: Tensor, codes: Codes, scale: float) -> Tensor:
    """Vectors (N, P + places) whose inner product is about ``<u_i, u_j> + price * agreement_ij``.

    ``price`` is what the last agreement is worth in correlation: its step of ``ln w`` over the slope of ``ln w`` where
    neighbours lie, at about rho = sigma / 2. Without it, candidates would be alike people who agree on little.
    """
    sigma = (2 * scale) ** -0.5
    length = (2 * sigma / (codes.highest - 0.5)) ** 0.5  # of the code of one phenotype
    parts = [_category_code(row, length) for row in codes.categories]
    parts += [_quantity_code(row / width, length) for row, width in zip(codes.quantities, codes.widths, strict=True)]
    return torch.cat([units, *parts], 1)


def _category_code(row: Tensor, length: float) -> Tensor:
    """One place for each category, up to `PLACES`; zeros where it is missing."""
    places = min(PLACES, int(row.max()) + 1) if bool((row >= 0).any()) else 1
    return _placed(row.long().clamp(min=0) % places, (row >= 0) * length, places)


def _quantity_code(row: Tensor, length: float) -> Tensor:
    """Shares of the two places, a width apart on a ring of `PLACES`, between which a quantity [widths] lies."""
    known = ~row.isnan()
    position = torch.where(known, row, 0.0).double() % PLACES
    low, share = position.long(), position.frac()
    return _placed(low % PLACES, known * (1 - share).sqrt() * length, PLACES) + _placed(
        (low + 1) % PLACES, known * share.sqrt() * length, PLACES
    )


def _placed(place: Tensor, value: Tensor, places: int) -> Tensor:
    """Rows (N, places) that hold `value` at `place`, else 0."""
    return torch.zeros(len(place), places).scatter_(1, place[:, None], value[:, None].float())


def _candidates(x: Tensor, count: int, random_state: int) -> Tensor:
    """Positions of the `count` nearest rows by cosine, int32 (N, count), -1 where there is none."""
    try:
        from pynndescent import NNDescent
    except ImportError:
        raise InvalidOption(
            "search='approximate' needs pynndescent, which is not installed: pip install graphfuse[approximate]. "
            "Or choose search='exact'."
        ) from None
    index = NNDescent(x.numpy(), "cosine", n_neighbors=count, random_state=random_state)
    return torch.as_tensor(index.neighbor_graph[0])


def _profiles(codes: Codes) -> tuple[Tensor, Tensor]:
    """One person of each combination of phenotypes, (G,), and the combination of each person, (N,)."""
    group = torch.zeros(codes.people, dtype=torch.int64)
    for row in (*codes.categories, *codes.quantities.view(torch.int32)):  # bits, so that NaN equals NaN
        _, code = row.unique(return_inverse=True)
        _, group = (group * (int(code.max()) + 1) + code).unique(return_inverse=True)
    first = torch.zeros(int(group.max()) + 1, dtype=torch.int64)
    first[group] = torch.arange(codes.people)
    return first, group
