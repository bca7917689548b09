"""The k heaviest edges of each row, fused over tiles: ``exp(-rho^2 scale) agreement`` only where it may win.

A row keeps its k best pairs as a heap, and for each number of agreeing phenotypes the correlation that a pair must
exceed to enter (its bar). A tile of correlations is read once; almost every pair stops at one comparison.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, inf, log, sqrt

import numpy as np
import torch
from torch import Tensor

from graphfuse.kernels.codes import Codes, agreement
from graphfuse.kernels.jit import jit, over_rows

BLOCK = 64  # correlations that are compared at once
SLACK = 3e-7  # bars lie lower by more than float32 rounds, so that equal weights are still compared


@dataclass(frozen=True, eq=False)
class Heaps:
    """The best pairs of M rows so far, the worst of them first; source -1 and weight 0 are places still free.

    Parameters
    ----------
    weight : float32 tensor (M, k)
    source : int32 tensor (M, k)
    bars : float32 tensor (highest agreement + 1, M)
        Correlation above which a pair of that agreement may enter.
    """

    weight: Tensor
    source: Tensor
    bars: Tensor

    @classmethod
    def empty(cls, rows: int, k: int, highest: int) -> Heaps:
        """`rows` heaps of `k` free places."""
        bars = torch.full((highest + 1, rows), -inf)
        bars[0] = inf  # who agrees on nothing has weight 0, which is no edge
        return cls(torch.zeros(rows, k), torch.full((rows, k), -1, dtype=torch.int32), bars)

    @property
    def arrays(self) -> tuple[Tensor, Tensor, Tensor]:
        """What the kernels take."""
        return self.weight, self.source, self.bars

    def sorted(self) -> tuple[Tensor, Tensor]:
        """Sources and weights, (M, k), the heaviest first; the heaps are used up."""
        over_rows(_sort, len(self.weight), self.weight, self.source)
        return self.source, self.weight


def strongest_reference(dots: Tensor, targets: Codes, sources: Codes, scale: float, k: int) -> tuple[Tensor, Tensor]:
    """Sources and weights of the k heaviest pairs of each row, from all correlations (M, N), in plain torch."""
    weight = torch.exp(-(1 - dots.double()).clamp(min=0).square() * scale).float() * agreement(targets, sources)
    weight, source = weight.sort(dim=1, descending=True, stable=True)
    return source[:, :k].int().masked_fill(weight[:, :k] == 0, -1), weight[:, :k]


def offer_tile(heaps: Heaps, dots: Tensor, targets: Codes, sources: Codes, place: tuple[int, int], scale, *, own: bool):
    """Offer a tile of correlations ``dots[r, c]`` to the heaps of its rows.

    Parameters
    ----------
    heaps : Heaps
        Of all M targets; changed in place.
    dots : float32 tensor (rows, columns)
    targets, sources : Codes
        Of all M targets and all N sources.
    place : (int, int)
        Target of the tile's first row, source of its first column.
    scale : float
        ``1 / (2 sigma^2)``.
    own : bool
        Targets are the sources, so that equal positions are one person and no pair.
    """
    over_rows(_offer_rows, len(dots), dots, *place, own, *_arrays(targets, sources), float(scale), *heaps.arrays)


def offer_candidates(heaps: Heaps, candidates: Tensor, units: Tensor, codes: Codes, scale) -> None:
    """Offer chosen pairs of one population: `candidates` int32 (N, c) of each row, negative = none, `units` (N, F)."""
    themselves = torch.arange(len(units), dtype=torch.int32)[:, None]
    lists = (themselves, candidates, units, *_arrays(codes, codes))
    over_rows(_offer_lists, len(units), *lists, float(scale), *heaps.arrays)


def offer_second(heaps: Heaps, units: Tensor, codes: Codes, scale) -> None:
    """Offer each row of one population the best of its best so far, as they stood before."""
    near = heaps.source.clone()  # so that no row depends on whose turn came first
    over_rows(_offer_lists, len(units), near, near, units, *_arrays(codes, codes), float(scale), *heaps.arrays)


def most_agreeing(targets: Codes, sources: Codes, k: int) -> tuple[Tensor, Tensor]:
    """Sources int32 and agreement float32, (M, k), of those who agree with each row on most phenotypes.

    Equal agreement goes by position, so a row is done once k people agree on all that is known of it: few people are
    looked at unless fewer than k agree so far.
    """
    heaps = Heaps.empty(targets.people, k, 0)
    over_rows(_agree_rows, len(heaps.weight), *_arrays(targets, sources), heaps.weight, heaps.source)
    return heaps.sorted()


def _arrays(targets: Codes, sources: Codes) -> list[Tensor]:
    """What the kernels take of the phenotypes: ``a, b`` of the targets, ``c, d`` of the sources, and the widths."""
    return [targets.categories, targets.quantities, sources.categories, sources.quantities, targets.widths]


# ---- one pair


@jit
def _worse(weight, source, other_weight, other_source):
    """Lighter, or as light and later."""
    return weight < other_weight or (weight == other_weight and source > other_source)


@jit
def _sink(weights, sources, size, weight, source):
    """Put a pair at the root of a heap in place of the one there, and let it sink."""
    place = 0
    while 2 * place + 1 < size:
        child = 2 * place + 1
        if child + 1 < size and _worse(weights[child + 1], sources[child + 1], weights[child], sources[child]):
            child += 1
        if not _worse(weights[child], sources[child], weight, source):
            break
        weights[place], sources[place] = weights[child], sources[child]
        place = child
    weights[place], sources[place] = weight, source


@jit
def _offer(dot, level, scale, target, source, weights, sources, bars):
    """Weigh one pair, keep it if it beats the worst of its row, and raise the bars of that row."""
    rho = max(1.0 - dot, 0.0)
    weight = weights.dtype.type(exp(-rho * rho * scale) * level)
    if weight <= 0 or not _worse(weights[target, 0], sources[target, 0], weight, source):
        return
    _sink(weights[target], sources[target], weights.shape[1], weight, source)
    if weights[target, 0] > 0:
        for h in range(1, len(bars)):
            gap = log(h / weights[target, 0]) + SLACK  # rho^2 scale must be smaller
            bars[h, target] = 1.0 - sqrt(gap / scale) - SLACK if gap > 0 else inf


@jit
def _agree(levels, person, person_categories, person_quantities, categories, quantities, widths, first):
    """Write on how many phenotypes one person agrees with each of the people from `first` on; 1 if there are none."""
    levels[:] = np.int32(len(categories) + len(widths) == 0)
    stop = first + len(levels)
    for h in range(len(categories)):
        code, column = person_categories[h, person], categories[h, first:stop]
        if code >= 0:
            for i in range(len(levels)):
                levels[i] += np.int32(column[i] == code)
    for h in range(len(widths)):
        value, width, column = person_quantities[h, person], widths[h], quantities[h, first:stop]
        for i in range(len(levels)):
            levels[i] += np.int32(abs(column[i] - value) < width)  # NaN: no


# ---- tiles; slices, not sums of indices, so that the innermost loops vectorise


@jit
def _offer_rows(begin, end, dots, first_row, first_column, own, a, b, c, d, widths, scale, weights, sources, bars):
    highest, buffer = len(bars) - 1, np.empty(BLOCK, np.int32)
    for r in range(begin, end):
        target = first_row + r
        for start in range(0, dots.shape[1], BLOCK):
            dot = dots[r, start : start + BLOCK]
            if not _any_above(dot, bars[highest, target]):
                continue
            first, levels = first_column + start, buffer[: len(dot)]
            _agree(levels, target, a, b, c, d, widths, first)
            if not _any_of_level_above(dot, levels, bars[:, target]):
                continue
            for i in range(len(dot)):
                if dot[i] > bars[levels[i], target] and not (own and first + i == target):
                    _offer(dot[i], levels[i], scale, target, first + i, weights, sources, bars)


@jit
def _any_above(values, bar):
    count = 0
    for i in range(len(values)):
        count += values[i] > bar
    return count > 0


@jit
def _any_of_level_above(dot, levels, bars):
    count = 0
    for h in range(1, len(bars)):
        bar = bars[h]
        for i in range(len(dot)):
            count += (levels[i] == h) & (dot[i] > bar)
    return count > 0


# ---- chosen pairs, and phenotypes alone


@jit
def _offer_lists(begin, end, middles, lists, units, a, b, c, d, widths, scale, weights, sources, bars):
    levels = np.empty(1, np.int32)
    for target in range(begin, end):
        for middle in middles[target]:
            for source in lists[max(middle, 0)]:
                if middle >= 0 and source >= 0 and source != target:
                    _offer_one(levels, target, source, units, a, b, c, d, widths, scale, weights, sources, bars)


@jit
def _offer_one(levels, target, source, units, a, b, c, d, widths, scale, weights, sources, bars):
    _agree(levels, target, a, b, c, d, widths, source)
    dot = units.dtype.type(0)
    for f in range(units.shape[1]):
        dot += units[target, f] * units[source, f]
    if dot > bars[levels[0], target] and not (sources[target] == source).any():  # nobody twice
        _offer(dot, levels[0], scale, target, source, weights, sources, bars)


@jit
def _agree_rows(begin, end, a, b, c, d, widths, weights, sources):
    buffer = np.empty(BLOCK, np.int32)
    for target in range(begin, end):
        _agree(buffer[:1], target, a, b, a, b, widths, target)
        known = buffer[0]  # nobody can agree on more
        for start in range(0, c.shape[1], BLOCK):
            levels = buffer[: min(BLOCK, c.shape[1] - start)]
            _agree(levels, target, a, b, c, d, widths, start)
            if not _any_above(levels, weights[target, 0]):
                continue
            for i in range(len(levels)):
                if levels[i] > weights[target, 0]:  # an equal one comes later
                    _sink(weights[target], sources[target], weights.shape[1], weights.dtype.type(levels[i]), start + i)
            if weights[target, 0] >= known:
                break


@jit
def _sort(begin, end, weights, sources):
    for row in range(begin, end):
        for last in range(weights.shape[1] - 1, 0, -1):  # the worst goes to the end
            weight, source = weights[row, last], sources[row, last]
            weights[row, last], sources[row, last] = weights[row, 0], sources[row, 0]
            _sink(weights[row], sources[row], last, weight, source)
