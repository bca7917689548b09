"""How much is read at all: caps far above any real study, so that a hostile file is refused before memory is taken."""

from __future__ import annotations

import stat
from pathlib import Path

from graphfuse.errors import UnreadableFile

TABLE_BYTES = 2 << 30  # of a table or a subject's matrix as text
TABLE_COLUMNS = 100_000  # of a table or a matrix as text; more belongs into one .npy a subject
MATRIX_BYTES = 4 << 30  # of a subject's .npy or .mat, as it lies in memory
IMAGE_BYTES = 64 << 30  # of a run, decompressed
SIDECAR_BYTES = 16 << 20  # of a manifest or a JSON sidecar


def check_size(path: Path, cap: int, name: str = "file") -> int:
    """Return the bytes of a regular file; nothing of it is read.

    Raises
    ------
    UnreadableFile
        Absent, empty, no regular file (a folder, a pipe, a device), or larger than `cap`.
    """
    try:
        found = Path(path).stat()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "its name is no path"
        raise UnreadableFile(f"the {name} cannot be opened: {reason}. Check its path.") from error
    if not stat.S_ISREG(found.st_mode):
        raise UnreadableFile(f"the {name} is a folder, a pipe or a device. Name a regular file.")
    if found.st_size == 0:
        raise UnreadableFile(f"the {name} is empty. Copy or export it again.")
    check_bytes(found.st_size, cap, name)
    return found.st_size


def check_bytes(size: int, cap: int, name: str = "file") -> None:
    """Raise `UnreadableFile` if `size` bytes are more than `cap`."""
    if size > cap:
        raise UnreadableFile(
            f"the {name} would take {size / 2**30:.3g} GiB; at most {cap / 2**30:.3g} are read. Check that it is what "
            "its name says."
        )
