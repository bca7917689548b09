"""Who trains and who is tested: folds stratified by class and site that never part a person or a family."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
import pandas as pd

from graphfuse._check import check_option, check_range, check_shape
from graphfuse.cohort import Cohort
from graphfuse.errors import ClassTooSmall, InvalidOption, LeakageError, SingleClassFold
from graphfuse.estimators.dealing import deal


@dataclass(frozen=True)
class Splits:
    """Repeated stratified, grouped K-fold, or one site a fold; a scikit-learn ``cv`` for a `Cohort`.

    The groups (subjects who share a person, a family or a scan: `Cohort.groups`) are shuffled, sorted by class, then
    site, then size, and dealt to the folds like cards. So each class and each site within a class is spread evenly to
    one group, however rare it is.

    Parameters
    ----------
    folds : int
        Number of folds K >= 2; not used with `leave_site_out`.
    repeats : int
        How often to deal again, each time in a new order.
    by : "site" or None
        Stratify by class and site, or by class alone.
    leave_site_out : bool
        Every site is the test set once. A test set may then hold one class (its AUC is not defined).
    random_state : int
        Seed of the shuffling.

    Notes
    -----
    Stratifying by site gives each site the same class shares in training as in the test set. Where classes are unequal
    at a site by chance, a model that knows the site then scores a little above .5 for it (AUC .53 to .60 with features
    that are all site, 20 sites and 400 subjects; ABIDE's confounds with site score .51 without motion). That is true of
    a new subject of the same sites, and not of a new site: `leave_site_out` tells. `permutation_test` within site has
    the same lift in its null; for features that mean nothing at all, ``by=None`` has none.

    Raises
    ------
    ClassTooSmall
        A class has fewer groups than there are folds.
    SingleClassFold
        A training set would hold one class.
    LeakageError
        A person or family spans two sites that `leave_site_out` would part.
    """

    folds: int = 10
    repeats: int = 1
    by: str | None = "site"
    leave_site_out: bool = False
    random_state: int = 0

    def __post_init__(self):
        check_range("folds", self.folds, 2)
        check_range("repeats", self.repeats, 1)
        check_option("by", self.by, ("site", None))
        if self.leave_site_out and self.repeats > 1:
            raise InvalidOption(f"leave_site_out has one split only; got repeats={self.repeats}. Use repeats=1.")

    def split(self, cohort: Cohort, y=None, groups=None) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield (train, test), int arrays of rows: repeat by repeat, fold by fold."""
        y = cohort.y if y is None else np.asarray(y)
        groups = cohort.groups if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1]
        check_shape("y", y, (len(cohort),))
        check_shape("groups", groups, (len(cohort),))
        for fold_of in self._assign(cohort, y, groups):
            for fold in range(fold_of.max() + 1):
                train = np.flatnonzero(fold_of != fold)
                _check_training(y, train)
                yield train, np.flatnonzero(fold_of == fold)

    def get_n_splits(self, cohort: Cohort | None = None, y=None, groups=None) -> int:
        """Number of (train, test) pairs."""
        if not self.leave_site_out:
            return self.folds * self.repeats
        if cohort is None:
            raise InvalidOption("The number of sites is known from the cohort only; call get_n_splits(cohort).")
        return cohort.sites.nunique()

    def table(self, cohort: Cohort, y=None, groups=None) -> pd.DataFrame:
        """The splits as they are written to ``folds.tsv``: repeat, fold, subject, role (train or test)."""
        parts = []
        per_repeat = self.get_n_splits(cohort) // self.repeats
        for i, (train, test) in enumerate(self.split(cohort, y, groups)):
            role = np.full(len(cohort), None, dtype=object)  # given splits may leave people out
            role[train], role[test] = "train", "test"
            place = {"repeat": i // per_repeat, "fold": i % per_repeat}
            part = pd.DataFrame({**place, "subject": np.asarray(cohort.subjects), "role": role})
            parts.append(part[part["role"].notna()])
        return pd.concat(parts, ignore_index=True)

    def _assign(self, cohort: Cohort, y: np.ndarray, groups: np.ndarray) -> Iterator[np.ndarray]:
        """Yield the fold of every subject (N,) once a repeat."""
        if self.leave_site_out:
            yield _site_folds(cohort, groups)
            return
        _check_class_sizes(y, groups, self.folds, cohort.classes)
        sites = cohort.sites.to_numpy() if self.by == "site" else None
        for repeat in range(self.repeats):
            rng = np.random.default_rng([self.random_state, repeat])
            place = deal(y, groups, sites, rng)  # (G,)
            yield (place % self.folds)[groups]


@dataclass(frozen=True, repr=False)
class GivenSplits:
    """The splits of any scikit-learn splitter, or of a list of (train, test), drawn once and checked.

    Parameters
    ----------
    pairs : tuple of (train, test)
        Int arrays of rows.

    Raises
    ------
    LeakageError
        A person, a family or a scan stands on both sides of a split.
    SingleClassFold
        A training set holds one class.
    InvalidOption
        Rows that the cohort does not have, or a test set of nobody.
    """

    pairs: tuple[tuple[np.ndarray, np.ndarray], ...]

    repeats = 1
    by = None
    leave_site_out = False

    @classmethod
    def of(cls, splitter, cohort: Cohort) -> GivenSplits:
        """Draw the splits of `splitter` for this cohort; groups are handed over."""
        pairs = draw(splitter, cohort)
        for train, test in pairs:
            _check_rows("train", train, len(cohort))
            _check_training(cohort.y, train)
            _check_rows("test", test, len(cohort))
            check_apart(cohort.groups, train, test)
        return cls(pairs)

    def __repr__(self) -> str:
        mark = blake2b(b"".join(rows.astype(np.int64).tobytes() for pair in self.pairs for rows in pair), digest_size=8)
        return f"GivenSplits({len(self.pairs)} splits, {mark.hexdigest()})"

    @property
    def folds(self) -> int:
        """Number of splits."""
        return len(self.pairs)

    def split(self, cohort: Cohort, y=None, groups=None) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield (train, test), int arrays of rows."""
        yield from self.pairs

    def get_n_splits(self, cohort: Cohort | None = None, y=None, groups=None) -> int:
        """Number of (train, test) pairs."""
        return len(self.pairs)

    table = Splits.table


def draw(splitter, cohort: Cohort) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
    """The (train, test) of a splitter, or of a list of them, as arrays; nothing is checked."""
    with warnings.catch_warnings():  # one that knows no groups says so; whether it parts one is for others to see
        warnings.filterwarnings("ignore", "The groups parameter is ignored")
        drawn = splitter.split(cohort, cohort.y, cohort.groups) if hasattr(splitter, "split") else splitter
        return tuple((np.asarray(train), np.asarray(test)) for train, test in drawn)


def _check_rows(name: str, rows: np.ndarray, n: int) -> None:
    """One set of a split holds numbers of rows, each once, of a cohort of n."""
    check_shape(name, rows, (None,))
    if not len(rows) or not np.issubdtype(rows.dtype, np.integer) or len(np.unique(rows)) < len(rows):
        raise InvalidOption(
            f"{name} must hold row numbers: integers, one at least, none twice; got {len(rows)} of {rows.dtype}."
        )
    check_range(f"a row of {name}", int(rows.min()), 0, n - 1)
    check_range(f"a row of {name}", int(rows.max()), 0, n - 1)


def check_apart(groups: np.ndarray, train: np.ndarray, test: np.ndarray) -> None:
    """Raise `LeakageError` when a person, a family or a scan stands on both sides of a split."""
    both = np.intersect1d(groups[train], groups[test])
    if len(both):
        raise LeakageError(
            f"A person, a family or a scan must stay on one side of a split; {len(both)} stand on both. Use gf.Splits, "
            "or a grouped splitter of scikit-learn, which is given the cohort's groups."
        )


def _site_folds(cohort: Cohort, groups: np.ndarray) -> np.ndarray:
    """Fold (N,) of each subject when every site is a fold, in the order of the site names."""
    if cohort.site is None:
        raise InvalidOption("leave_site_out needs a site column; the cohort names none. Set site in cohort.toml.")
    if cohort.sites.isna().any():
        raise InvalidOption(
            f"leave_site_out needs the site of every subject; {int(cohort.sites.isna().sum())} have none. "
            "Fill them in or leave these subjects out."
        )
    fold_of, names = pd.factorize(cohort.sites, sort=True)
    if len(names) < 2:
        raise InvalidOption(f"leave_site_out needs at least two sites; got {len(names)}. Use Splits(folds=...).")
    spread = pd.Series(fold_of).groupby(groups).nunique()
    if (spread > 1).any():
        raise LeakageError(
            f"leave_site_out would part {int((spread > 1).sum())} persons or families that were scanned at two sites. "
            "Give these sites one name, or leave the second scans out."
        )
    return fold_of


def _check_class_sizes(y: np.ndarray, groups: np.ndarray, folds: int, classes: tuple[str, ...]) -> None:
    for code in range(max(len(classes), int(y.max()) + 1)):
        have = len(np.unique(groups[y == code]))
        if have < folds:
            name = classes[code] if code < len(classes) else code
            raise ClassTooSmall(
                f"{folds} folds need at least {folds} independent members of every class; {name!r} has {have}. "
                f"Use Splits(folds={max(have, 2)}) or fewer, or gather more subjects."
            )


def _check_training(y: np.ndarray, train: np.ndarray) -> None:
    present = len(np.unique(y[train]))
    if present < 2:
        raise SingleClassFold(
            f"A training set must hold at least two classes; one of the splits leaves {present}. "
            "Use fewer folds, or Splits(leave_site_out=False) where a class comes from one site."
        )
