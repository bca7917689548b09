"""Cohort: people, their phenotypes and their signals, checked once and never fitted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from graphfuse._check import check_option
from graphfuse.errors import (
    DuplicateSubjects,
    GraphFuseError,
    InvalidOption,
    LabelLeakageError,
    ShapeMismatch,
    UnknownLabel,
)
from graphfuse.signal import Signal


def _no_exclusions() -> pd.DataFrame:
    return pd.DataFrame({"subject": pd.Series(dtype=str), "reason": pd.Series(dtype=str)})


@dataclass(frozen=True, eq=False, repr=False)
class Cohort:
    """N people: a table of phenotypes and, for each modality, a `Signal` in the same order.

    A cohort is a scikit-learn ``X``: ``cohort[rows]`` is a cohort, so a split can never lose step between phenotypes
    and signals. Nothing in it was fitted.

    Parameters
    ----------
    phenotypes : DataFrame (N, P)
        Indexed by unique subject ids (str); the only order.
    signals : dict of str to Signal
        One entry a modality, each of N subjects.
    target : str or None
        Column of class names to predict; None when the labels are unknown or were removed.
    classes : tuple of str
        The class coding: ``y`` is the position in it, and the last class is the positive one.
    site, group : str or None
        Columns of the acquisition site and of the family or person that must not be split.
    confounds : tuple of str
        Columns that a diagnosis could be read from for the wrong reason (age, sex, motion).
    exclusions : DataFrame (subject, reason)
        Who was left out while reading, and why.
    withheld : tuple of str
        Columns that `blind` took away. They are not in the table; `check_columns` knows their names, so that asking
        for one is told apart from a slip of the pen.

    Raises
    ------
    DuplicateSubjects, ShapeMismatch, InvalidOption, UnknownLabel
    """

    phenotypes: pd.DataFrame
    signals: Mapping[str, Signal] = field(default_factory=dict)
    target: str | None = None
    classes: tuple[str, ...] = ()
    site: str | None = None
    group: str | None = None
    confounds: tuple[str, ...] = ()
    exclusions: pd.DataFrame = field(default_factory=_no_exclusions)
    withheld: tuple[str, ...] = ()

    __iter__ = None  # a cohort is indexed by rows; looping over it would hide which rows

    def __post_init__(self):
        _check_ids(self.phenotypes.index)
        _check_signals(self.signals, len(self.phenotypes))
        for column in (self.target, self.site, self.group, *self.confounds):
            if column is not None:
                check_option("a column of the phenotypes", column, list(self.phenotypes.columns))
        if self.target is not None:
            _check_labels(self.phenotypes[self.target], self.classes)

    def __len__(self) -> int:
        return len(self.phenotypes)

    @property
    def shape(self) -> tuple[int]:
        """``(N,)``: what scikit-learn asks an ``X`` for."""
        return (len(self),)

    def __array__(self, *args, **kwargs):
        raise TypeError("A Cohort is not an array. Build features first, for example gf.FunctionalGraph or gf.Ridge.")

    def __getitem__(self, rows) -> Cohort:
        if isinstance(rows, tuple):  # scikit-learn asks for X[rows, ...]
            rows = rows[0]
        rows = np.arange(len(self))[rows]
        signals = {name: signal[np.atleast_1d(rows)] for name, signal in self.signals.items()}
        return replace(self, phenotypes=self.phenotypes.iloc[np.atleast_1d(rows)], signals=signals)

    def __repr__(self) -> str:
        parts = [f"{len(self)} subjects" + (f", {self.sites.nunique()} sites" if self.site else "")]
        if self.signals:
            parts.append(", ".join(f"{name} {signal}" for name, signal in self.signals.items()))
        if self.target:
            counts = self.phenotypes[self.target].value_counts()
            parts.append(", ".join(f"{name} {counts.get(name, 0)}" for name in reversed(self.classes)))
        return " | ".join(parts)

    @property
    def subjects(self) -> pd.Index:
        """Subject ids, (N,) str."""
        return self.phenotypes.index

    @property
    def y(self) -> np.ndarray:
        """Class codes, (N,) int: positions in `classes`. Raises `LabelLeakageError` when there are no labels."""
        if self.target is None:
            raise LabelLeakageError("This cohort has no labels: they are unknown, or blind() removed them.")
        return pd.Categorical(self.phenotypes[self.target], categories=self.classes).codes.astype(np.int64)

    @property
    def sites(self) -> pd.Series:
        """Site of each subject, (N,); one empty name for all where no site column is named."""
        if self.site is None:
            return pd.Series("", index=self.subjects)
        return self.phenotypes[self.site]

    @cached_property
    def groups(self) -> np.ndarray:
        """Who must stay on one side of every split, (N,) int codes.

        Subjects share a code when they share a value of the `group` column or when a signal of one is, value by
        value, a signal of the other (the same scan under two ids).
        """
        links = [signal.fingerprints() for signal in self.signals.values()]
        if self.group is not None:
            links.append(self.phenotypes[self.group].where(self.phenotypes[self.group].notna()).to_numpy(object))
        return _connected(len(self), links)

    def has(self, modality: str) -> np.ndarray:
        """Who has `modality`, (N,) bool."""
        check_option("modality", modality, list(self.signals))
        return self.signals[modality].present

    def without(self, modality: str, rows) -> Cohort:
        """This cohort in which the people of `rows`, a bool mask (N,) or positions, lack `modality`.

        Nothing of it can be reached through the new cohort, and what is pickled or saved does not hold it. Two people
        who shared nothing but this scan are no group there.

        Raises
        ------
        InvalidOption
            A modality that the cohort does not have.
        """
        check_option("modality", modality, list(self.signals))
        gone = np.zeros(len(self), dtype=bool)
        gone[np.arange(len(self))[rows]] = True
        signal = self.signals[modality]
        usable = None if signal.usable is None else signal.usable & ~gone[:, None]
        lacking = replace(signal, length=np.where(gone, 0, signal.length), usable=usable)
        return replace(self, signals={**self.signals, modality: lacking})

    def blind(self, drop: Iterable[str] = ()) -> Cohort:
        """This cohort without its labels and without the columns in `drop`; `y` then raises `LabelLeakageError`."""
        gone = {self.target, *drop} & set(self.phenotypes.columns)
        keep = {name: None if getattr(self, name) in gone else getattr(self, name) for name in ("site", "group")}
        confounds = tuple(column for column in self.confounds if column not in gone)
        table = self.phenotypes.drop(columns=list(gone)).copy()  # a view would keep the labels in reach
        withheld = tuple(dict.fromkeys([*self.withheld, *sorted(gone)]))
        return replace(self, phenotypes=table, target=None, confounds=confounds, withheld=withheld, **keep)

    def check_columns(self, columns: Iterable[str], purpose: str) -> None:
        """Raise unless each of `columns` is a phenotype that `purpose` may read here.

        `LabelLeakageError` for the target and for a column that was withheld from a model, because it is the label or
        gives it away; `InvalidOption` for an unknown one, and for that of the groups: it names people or families, none
        of whom is on both sides of a split.
        """
        for column in columns:
            if column == self.target or column in self.withheld:
                raise LabelLeakageError(
                    f"{purpose} asks for {column!r}, which is the label or gives it away (gf.leak_columns says how); "
                    "it is not there while a model is fitted. Leave it out."
                )
            if column == self.group != self.site:
                raise InvalidOption(
                    f"{purpose} asks for {column!r}, which says who belongs together; nobody new shares it with a "
                    "training subject, and a model that read it would hold names. Leave it out."
                )
            check_option(f"a column for {purpose}", column, list(self.phenotypes.columns))

    def unusable(self) -> pd.DataFrame:
        """Regions that are masked, one row each: subject, modality, region, reason."""
        tables = [signal.unusable(self.subjects).assign(modality=name) for name, signal in self.signals.items()]
        columns = ["subject", "modality", "region", "reason"]
        return pd.concat(tables, ignore_index=True)[columns] if tables else pd.DataFrame(columns=columns)


def _check_ids(index: pd.Index) -> None:
    if not all(isinstance(subject, str) for subject in index):
        raise GraphFuseError("Subject ids must be strings (50003 and 0050003 are not the same); use .astype(str).")
    twice = index[index.duplicated()]
    if len(twice):
        rows = np.flatnonzero(index == twice[0]).tolist()
        raise DuplicateSubjects(
            f"Subject ids must be unique; rows {rows} hold the same id ({len(twice)} repeats in all). Drop them, "
            "or give each scan its own id and name the person's column as the group.",
            subject=twice[0],
        )


def _check_signals(signals: Mapping[str, Signal], n: int) -> None:
    for name, signal in signals.items():
        if len(signal) != n:
            raise ShapeMismatch(
                f"signals[{name!r}] has {len(signal)} subjects; the phenotypes have {n}. Align them first."
            )


def _check_labels(labels: pd.Series, classes: tuple[str, ...]) -> None:
    if len(set(classes)) < 2 or len(set(classes)) != len(classes):
        raise UnknownLabel(f"classes must name at least two different classes; got {classes!r}.")
    bad = ~labels.isin(classes)
    if bad.any():
        raise UnknownLabel(
            f"{labels.name!r} must hold one of {', '.join(classes)}; {int(bad.sum())} rows hold something else, "
            f"the first {labels[bad].iloc[0]!r}. Extend the class coding or leave these rows out.",
            subject=labels.index[bad][0],
        )


def _connected(n: int, links: list[np.ndarray]) -> np.ndarray:
    """Number the connected components of n people under 'has the same value in one of `links`' (None = no link)."""
    rows, columns = [], []
    for values in links:
        codes, _ = pd.factorize(np.asarray(values, dtype=object), use_na_sentinel=True)
        known = np.flatnonzero(codes >= 0)
        first = np.full(codes.max(initial=-1) + 1, -1)
        first[codes[known][::-1]] = known[::-1]
        rows.append(known)
        columns.append(first[codes[known]])
    row, column = np.concatenate([*rows, []]).astype(int), np.concatenate([*columns, []]).astype(int)
    graph = coo_array((np.ones(len(row)), (row, column)), shape=(n, n))
    return connected_components(graph, directed=False)[1]
