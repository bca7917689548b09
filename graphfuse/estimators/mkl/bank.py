"""KernelBank: every kernel of a cohort, one a modality and kind, and products of two modalities."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import NamedTuple

import numpy as np
from sklearn.base import BaseEstimator

from graphfuse._check import check_option
from graphfuse.cohort import Cohort
from graphfuse.errors import InvalidOption
from graphfuse.estimators.features import DEFAULTS
from graphfuse.estimators.mkl.people_kernel import PeopleKernel
from graphfuse.estimators.mkl.scaling import ScaledKernel, Similarities


class Kernels(NamedTuple):
    """K kernels of n people towards the N training people.

    Parameters
    ----------
    rows : array (K, n, N)
        0 where one of the two lacks a modality.
    has : bool array (K, n)
        Who has all that the kernel reads.
    """

    rows: np.ndarray
    has: np.ndarray


def each(kernels: list[PeopleKernel]) -> list[tuple[int, ...]]:
    """Each kernel alone."""
    return [(k,) for k in range(len(kernels))]


def pairs(kernels: list[PeopleKernel]) -> list[tuple[int, ...]]:
    """Each kernel alone, and each two of different modalities."""
    two = combinations(range(len(kernels)), 2)
    return each(kernels) + [(a, b) for a, b in two if kernels[a].signal != kernels[b].signal]


def product(kernels: list[PeopleKernel]) -> list[tuple[int, ...]]:
    """All of them together: one kernel, of the people who have everything."""
    return [tuple(range(len(kernels)))]


TERMS = {"each": each, "pairs": pairs, "product": product}


class KernelBank(BaseEstimator):
    """The kernels that a combination weighs.

    A term of several kernels is their product, entry by entry, of the normalised and centred kernels, normalised and
    centred again: ``k_a(x, z) k_b(x, z)`` is the inner product of the outer products of both modalities' features, so
    that a linear machine on it sees what only the combination of two modalities carries.

    Parameters
    ----------
    signals : sequence of str or None
        Modalities; None = all of the cohort that can be vectors.
    kernel : str, sequence of str, or dict of modality to these
        Keys of ``KINDS`` of `PeopleKernel`; modalities that a dict lacks are ``linear``.
    terms : str
        A key of `TERMS`: ``each``, ``pairs`` or ``product``.
    features : str, or dict of modality to str
        As in `CohortVector`; modalities that a dict lacks are ``auto``.
    normalise, adjust
        As in `PeopleKernel`.

    Attributes
    ----------
    kernels_ : list of fitted PeopleKernel
    terms_ : list of tuple of int
        Which kernels each term multiplies.
    names_ : list of (str, str)
        Modalities and kinds of each term.
    """

    uses_y, scope = False, "training"

    def __init__(self, signals=None, kernel="linear", terms="each", features="auto", normalise="cosine", adjust=None):
        self.signals = signals
        self.kernel = kernel
        self.terms = terms
        self.features = features
        self.normalise = normalise
        self.adjust = adjust

    def fit_transform(self, cohort: Cohort, codes: np.ndarray | None = None) -> Kernels:
        """Learn from these people and return their kernels (K, N, N)."""
        names = self.signals or [name for name, signal in cohort.signals.items() if signal.kind in DEFAULTS]
        check_option("terms", self.terms, TERMS)
        self.kernels_ = [
            PeopleKernel(name, kind, _of(self.features, name, "auto"), self.adjust, self.normalise)
            for name in names
            for kind in _kinds(self.kernel, name)
        ]
        if not self.kernels_:
            raise InvalidOption(f"No modality of this cohort can be a kernel; it has {sorted(cohort.signals)}.")
        single = [kernel.fit_transform(cohort, codes) for kernel in self.kernels_]
        self.terms_ = TERMS[self.terms](self.kernels_)
        self.names_ = [self._name(term) for term in self.terms_]
        self.scales_ = [ScaledKernel(self.normalise) if len(term) > 1 else None for term in self.terms_]
        return _stacked(
            [
                single[term[0]] if scale is None else scale.fit_transform(_multiplied(single, term))
                for term, scale in zip(self.terms_, self.scales_, strict=True)
            ]
        )

    def transform(self, cohort: Cohort) -> Kernels:
        """The kernels (K, n, N) of new people towards the training people, each from one's own data alone."""
        single = [kernel.transform(cohort) for kernel in self.kernels_]
        return _stacked(
            [
                single[term[0]] if scale is None else scale.transform(_multiplied(single, term))
                for term, scale in zip(self.terms_, self.scales_, strict=True)
            ]
        )

    def _name(self, term: tuple[int, ...]) -> tuple[str, str]:
        parts = [self.kernels_[k] for k in term]
        return " x ".join(part.signal for part in parts), " x ".join(part.kind for part in parts)


def _of(option, name: str, default: str):
    """What an option says of one modality."""
    return option.get(name, default) if isinstance(option, Mapping) else option


def _kinds(option, name: str) -> tuple[str, ...]:
    kinds = _of(option, name, "linear")
    return (kinds,) if isinstance(kinds, str) else tuple(kinds)


def _multiplied(single: list[Similarities], term: tuple[int, ...]) -> Similarities:
    """The product of some kernels, entry by entry, for who has all of them."""
    parts = [single[k] for k in term]
    return Similarities(
        np.prod([part.rows for part in parts], axis=0),
        np.prod([part.own for part in parts], axis=0),
        np.all([part.has for part in parts], axis=0),
    )


def _stacked(kernels: list[Similarities]) -> Kernels:
    return Kernels(np.stack([kernel.rows for kernel in kernels]), np.stack([kernel.has for kernel in kernels]))
