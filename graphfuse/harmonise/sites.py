"""The site of each subject: which are too small, which are new, and whether site is the class in disguise."""

from __future__ import annotations

import warnings

import numpy as np

from graphfuse.cohort import Cohort
from graphfuse.errors import ConfoundedSite, GraphFuseWarning, InvalidOption, SiteTooSmall
from graphfuse.harmonise.design import contingency, holds_one_class
from graphfuse.harmonise.site_model import NONE

STRONG = 0.5  # Cramer's V from which site and class are hard to tell apart


def site_names(cohort: Cohort) -> np.ndarray:
    """Site of each subject as text, (N,). Raises `InvalidOption` where there is no site column or a site is missing."""
    if cohort.site is None:
        raise InvalidOption(
            "Harmonisation needs a site column; the cohort names none, or it was withheld because it gives the "
            "diagnosis away. Set site in cohort.toml, or leave the step out."
        )
    if cohort.sites.isna().any():
        raise InvalidOption(
            f"Harmonisation needs the site of every subject; {int(cohort.sites.isna().sum())} have none. "
            "Fill them in or leave these subjects out."
        )
    return cohort.sites.astype(object).map(str).to_numpy(str)


def number_sites(names: np.ndarray, min_site: int, small: str) -> dict[str, int]:
    """Code 0 ... S - 1 of each site name; sites below `min_site` subjects share one, or have none.

    Parameters
    ----------
    names : array (N,) of str
        Site of each training subject.
    min_site : int
        Subjects that a site needs for an effect of its own.
    small : {"pool", "error"}
        ``pool``: smaller sites are one site together; if that is too small as well, its subjects stay as they are
        (code -1). ``error``: raise `SiteTooSmall`.
    """
    levels, count = np.unique(names, return_counts=True)
    large = count >= min_site
    if small == "error" and not large.all():
        raise SiteTooSmall(
            f"Harmonisation needs {min_site} training subjects of every site; {int((~large).sum())} of {len(levels)} "
            "sites have fewer. Use small_sites='pool' or leave these subjects out."
        )
    pool = int(large.sum()) if count[~large].sum() >= min_site else NONE
    codes = np.where(large, np.cumsum(large) - 1, pool)
    return {str(level): int(code) for level, code in zip(levels, codes, strict=True)}


def refuse_confounded(names: np.ndarray, codes: np.ndarray | None, purpose: str) -> None:
    """Raise `ConfoundedSite` when each site holds one class only; warn when site and class are strongly associated.

    `codes` (N,) are the classes of the training subjects, read for this alone; None = not known, nothing is checked.
    """
    if codes is None:
        return
    single = holds_one_class(names, codes)
    if single.all():
        raise ConfoundedSite(
            f"{purpose} needs both classes within sites; each of the {len(single)} training sites holds one class "
            "only, so that removing site would remove, or plant, the diagnosis. Leave the step out or add sites."
        )
    v = cramers_v(contingency(names, codes))
    if single.any() or v > STRONG:
        warnings.warn(
            f"{purpose}: site and class are entangled ({int(single.sum())} of {len(single)} training sites hold one "
            f"class only; Cramer's V {v:.2f}), so that removing site removes a part of the diagnosis.",
            GraphFuseWarning,
            stacklevel=3,
        )


def cramers_v(counts: np.ndarray) -> float:
    """Cramer's V of a table of counts (A, B), corrected for its bias, in [0, 1].

    ``V^2 = max(0, phi^2 - (A - 1)(B - 1) / (N - 1)) / (min(a, b) - 1)`` with ``phi^2 = chi^2 / N`` and
    ``a = A - (A - 1)^2 / (N - 1)``, b likewise; 0 when there is one row or column. Without the correction many small
    sites look associated with anything.

    References
    ----------
    Bergsma 2013, doi:10.1016/j.jkss.2012.10.002
    """
    n, (a, b) = counts.sum(), counts.shape
    if min(a, b) < 2 or n < 2:
        return 0.0
    expected = counts.sum(1, keepdims=True) * counts.sum(0, keepdims=True) / n
    phi = ((counts - expected) ** 2 / expected).sum() / n - (a - 1) * (b - 1) / (n - 1)
    least = min(size - (size - 1) ** 2 / (n - 1) for size in (a, b)) - 1
    return float(np.sqrt(min(max(phi, 0.0) / least, 1.0))) if least > 1e-12 else 0.0
