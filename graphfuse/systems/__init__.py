"""The published graph systems, one file each, on one bench.

A file holds the system's network, a function that returns a configured estimator, and `SYSTEM`, its line in the table.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import import_module

import pandas as pd

from graphfuse._check import check_option
from graphfuse.cohort import Cohort
from graphfuse.systems.system import System

MODULES = (
    "am_gcn",
    "brain_network_transformer",
    "braingnn",
    "brainnetcnn",
    "dgm",
    "dual_pathway",
    "eh_gcn",
    "emo_gcn",
    "ev_gcn",
    "fbnetgen",
    "gcn_sz",
    "gcn_sz_fused",
    "hgnn",
    "hi_gcn",
    "idgl",
    "iglcn",
    "kipf",
    "mm_gnn",
    "mmgl",
    "mstgc",
    "parisot",
    "stagin",
    "vmm_dgcn",
)
SYSTEMS: dict[str, System] = {
    system.name: system for system in (import_module(f"graphfuse.systems.{name}").SYSTEM for name in MODULES)
}

__all__ = ["SYSTEMS", "System", "claims", "list_systems", "make_system", "makers", "systems_of"]


def make_system(name: str, cohort: Cohort, **parameters):
    """Return a published system as an estimator, with modalities of this cohort in its roles.

    Parameters
    ----------
    name : str
        A key of `SYSTEMS`; `list_systems` says what each is.
    cohort : Cohort
    parameters
        Of the estimator, such as ``epochs=50``.

    Raises
    ------
    InvalidOption
        No system of this name.
    MissingModality
        The cohort lacks a modality of a kind that the system needs; the error says which.
    """
    return SYSTEMS[check_option("name", name, SYSTEMS)].for_cohort(cohort, **parameters)


def systems_of(cohort: Cohort) -> dict:
    """Name -> estimator of every system that this cohort can feed."""
    return {name: system.for_cohort(cohort) for name, system in SYSTEMS.items() if system.feedable(cohort)}


def makers(cohort: Cohort) -> dict[str, Callable]:
    """Name -> what makes the estimator of this cohort, or raises what the cohort lacks."""
    return {name: partial(system.for_cohort, cohort) for name, system in SYSTEMS.items()}


def claims() -> dict[str, str]:
    """Name -> what its authors published."""
    return {name: system.claim for name, system in SYSTEMS.items() if system.claim}


def list_systems() -> pd.DataFrame:
    """Return the systems as a table: what each needs, where it was published, what is known of it."""
    return pd.DataFrame([_line(system) for system in SYSTEMS.values()])


def _line(system: System) -> dict:
    roles = {role: " or ".join(kinds) for role, kinds in system.needs.items()}
    needs = ", ".join(f"{role}: {kinds}" for role, kinds in roles.items()) or f"any of {', '.join(system.takes)}"
    return {
        "system": system.name,
        "needs": needs + (" (same regions)" if system.same_regions else ""),
        "phenotypes": system.phenotypes,
        "transductive": "yes" if system.transductive else "no",
        "found": system.found,
        "inferred": system.inferred,
        "claim": system.claim,
        "citation": system.citation,
    }
