"""One line of the audit's table."""

from __future__ import annotations

from dataclasses import dataclass

VERDICTS = ("leak", "doubt", "note", "pass")  # from bad to good


@dataclass(frozen=True)
class Finding:
    """What a check found.

    Parameters
    ----------
    check : str
        Name of the check.
    about : str
        The model, the cohort or the splits.
    verdict : {"leak", "doubt", "note", "pass"}
        ``leak``: scores are not to be believed. ``doubt``: a person has to look. ``note``: worth knowing.
    finding : str
        In words, with its figure; never a subject's id.
    remedy : str
        What to do; empty for a pass.
    """

    check: str
    about: str
    verdict: str
    finding: str
    remedy: str = ""
