"""What a published system is: who published it, what it needs, what is known of it, and how to make it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import product

import numpy as np

from graphfuse.cohort import Cohort
from graphfuse.errors import MissingModality
from graphfuse.signal import Signal

KINDS = {
    "timeseries": "time series",
    "connectivity": "connectivity matrices",
    "measures": "regional measures",
    "vector": "vectors",
}


@dataclass(frozen=True)
class System:
    """A published system.

    Parameters
    ----------
    name : str
        What the command line calls it.
    make : callable
        ``(signals: dict of role to modality) -> estimator``.
    citation : str
        Authors, year, journal, identifier.
    needs : dict of str to tuple of str
        Role -> the kinds of signal that can play it, one modality each.
    takes : tuple of str
        Kinds of signal of which it takes every modality there is, at least one, each as a role of its own name.
    same_regions : bool
        Whether the modalities in `needs` must share their regions.
    seconds : bool
        Whether it cuts time series in seconds, so that their repetition times must be known.
    phenotypes : str
        What it reads phenotypes for; empty = nothing.
    needs_phenotypes : bool
        Whether a cohort without site and confounds cannot feed it.
    transductive : bool
        Whether the published system trains on graphs that hold the test subjects. Ours is inductive unless it is asked.
    found, inferred : str
        What was found in the paper or its code, and what is our reading.
    claim : str
        The published result, as its authors give it; never a goal of ours.
    """

    name: str
    make: Callable
    citation: str
    needs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    takes: tuple[str, ...] = ()
    same_regions: bool = False
    seconds: bool = False
    phenotypes: str = ""
    needs_phenotypes: bool = False
    transductive: bool = False
    found: str = ""
    inferred: str = ""
    claim: str = ""

    def for_cohort(self, cohort: Cohort, **parameters):
        """Return the estimator with modalities of this cohort in its roles.

        Parameters
        ----------
        cohort : Cohort
        parameters
            Of the estimator, set on it.

        Raises
        ------
        MissingModality
            No modality of the cohort can play a role; the error says of which kind one is missing.
        """
        estimator = self.make(self.roles(cohort))
        return estimator.set_params(**parameters) if parameters else estimator

    def roles(self, cohort: Cohort) -> dict[str, str]:
        """Role -> modality of this cohort; the first that fit, no modality in two roles."""
        if self.needs_phenotypes and not (cohort.confounds or cohort.site):
            raise MissingModality(
                f"{self.name} needs phenotypes; the cohort names no site and no confounds. Name some, or leave this "
                "system out."
            )
        if self.takes:
            able = {name: name for name, signal in cohort.signals.items() if signal.kind in self.takes}
            if not able:
                raise self._missing(cohort, _told(self.takes))
            return able
        for chosen in product(*(self._able(cohort, role) for role in self.needs)):
            if len(set(chosen)) == len(chosen) and self._agree(cohort, chosen):
                return dict(zip(self.needs, chosen, strict=True))
        shared = " over the same regions" if self.same_regions and len(self.needs) > 1 else ""
        raise self._missing(cohort, " and ".join(map(_told, self.needs.values())) + shared)

    def feedable(self, cohort: Cohort) -> bool:
        """Whether this cohort has what the system needs."""
        try:
            self.roles(cohort)
        except MissingModality:
            return False
        return True

    def _able(self, cohort: Cohort, role: str) -> list[str]:
        """The modalities that can play a role; kinds named first come first."""
        kinds = self.needs[role]
        able = [name for kind in kinds for name, signal in cohort.signals.items() if signal.kind == kind]
        timed = [name for name in able if not self.seconds or _timed(cohort.signals[name])]
        if not timed:
            known = " of known repetition time" if self.seconds else ""
            raise self._missing(cohort, f"{_told(kinds)}{known} (as {role})")
        return timed

    def _agree(self, cohort: Cohort, chosen: tuple[str, ...]) -> bool:
        names = [cohort.signals[name].names for name in chosen]
        return not self.same_regions or all(own == names[0] for own in names)

    def _missing(self, cohort: Cohort, wanted: str) -> MissingModality:
        have = ", ".join(f"{name} ({signal.kind})" for name, signal in cohort.signals.items()) or "no signals"
        return MissingModality(f"{self.name} needs {wanted}; the cohort has {have}. Add one, or leave this system out.")


def _timed(signal: Signal) -> bool:
    return signal.t_r is not None and bool(np.isfinite(np.asarray(signal.t_r, float)[signal.present]).all())


def _told(kinds: tuple[str, ...]) -> str:
    return " or ".join(KINDS[kind] for kind in kinds)
