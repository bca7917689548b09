"""Declared sha256 sums: a file that is not, byte for byte, the one that was declared is not read."""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache
from pathlib import Path

from graphfuse.errors import ManifestError, UnreadableFile
from graphfuse.read.limits import SIDECAR_BYTES, check_size

_LINE = re.compile(r"([0-9a-fA-F]{64}) [ *](.+)")


def verify(path: Path, sums: Path | None, root: Path) -> None:
    """Raise unless `path` has the sha256 that the file `sums` declares for it; None declares nothing.

    Parameters
    ----------
    path : Path
    sums : Path or None
        What ``sha256sum FILES > SHA256SUMS`` writes: a line a file, the sum and the path relative to `root`.
    root : Path

    Raises
    ------
    UnreadableFile
        Another sum than the declared one, or none declared.
    ManifestError
        `sums` has a line that is none.
    """
    if sums is None:
        return
    declared = _declared(sums, sums.stat().st_mtime_ns if sums.is_file() else 0)
    wanted = declared.get(path.relative_to(root).as_posix()) if path.is_relative_to(root) else None
    if wanted is None:
        raise UnreadableFile("the file has no sha256 among those declared. Add its line, or leave the file out.")
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != wanted:
        raise UnreadableFile(
            "the sha256 of the file is not the one declared: it was changed or damaged. Copy it again."
        )


@lru_cache(maxsize=8)
def _declared(sums: Path, changed: int) -> dict[str, str]:
    """Sum of each path; `changed` is there to forget what an edited file held."""
    check_size(sums, SIDECAR_BYTES, "list of sha256 sums")
    found = {}
    for number, line in enumerate(sums.read_text(encoding="utf-8").splitlines(), start=1):
        hit = _LINE.fullmatch(line)
        if hit is None:
            raise ManifestError(f"Line {number} of the sha256 sums must be a sum, two blanks and a path. Mend it.")
        found[hit.group(2).removeprefix("./")] = hit.group(1).lower()
    return found
