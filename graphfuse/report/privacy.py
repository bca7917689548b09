"""Nobody's id and nobody's path in a report: free text is cleaned before it reaches the page."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import PurePath

from graphfuse.cohort import Cohort

WITHHELD = "…"
_PATH = re.compile(r"(?:[A-Za-z]:)?(?:~|\.{0,2})?[\w.\-]*[/\\][^\s'\",;)\]}]+")
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


def subject_ids(cohort: Cohort) -> set[str]:
    """Everyone's id, those left out included."""
    return {str(subject) for subject in [*cohort.subjects, *cohort.exclusions.get("subject", ())]}


def clean(text, ids: Iterable[str]) -> str:
    """`text` without subject ids, paths and memory addresses.

    A path is replaced by an ellipsis, so are ids that stand as words of their own or are four characters or longer.

    Parameters
    ----------
    text : str, path or anything with a str
    ids : iterable of str
        See `subject_ids`.
    """
    if isinstance(text, PurePath):
        return WITHHELD
    text = _ADDRESS.sub("", _PATH.sub(WITHHELD, str(text)))
    for name in sorted((name for name in ids if name in text), key=len, reverse=True):
        pattern = re.escape(name) if len(name) >= 4 else rf"(?<!\w){re.escape(name)}(?!\w)"
        text = re.sub(pattern, WITHHELD, text)
    return text
