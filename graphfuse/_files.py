"""Files that are there whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from graphfuse.errors import UnwritableFile

DRAFT = ".{name}.draft"  # what a file is called until it is whole


def write_whole(path: str | Path, content: bytes, mode: int = 0o644) -> None:
    """Write a file that is there whole or not at all; what stood there before stays until then.

    The content goes to a draft beside it, reaches the disk, and only then takes the name. A draft that a kill left
    behind is overwritten by the next write, or removed by `sweep_drafts`. `mode` is the file's permissions, less what
    the user's mask takes away.

    Raises
    ------
    UnwritableFile
        The disk is full, read-only or over its quota; says how many bytes are needed. No draft stays.
    """
    path = Path(path)
    draft = path.with_name(DRAFT.format(name=path.name))
    try:
        _write_durably(draft, content, mode)
        os.replace(draft, path)
    except OSError as error:
        _remove(draft)
        raise UnwritableFile(
            f"Could not write {path.name!r}, which needs {len(content):,} bytes: {error.strerror or error}. Free space "
            "or choose a folder that can be written to, then run the same command again; what is finished stays."
        ) from error
    except BaseException:  # an interrupt from the keyboard
        _remove(draft)
        raise


def make_folder(path: str | Path) -> Path:
    """Return the folder at `path`, made if it is not there; `UnwritableFile` where that cannot be."""
    path = Path(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UnwritableFile(
            f"Could not make the folder {path.name!r}: {error.strerror or error}. Choose another place to write to."
        ) from error
    return path


def sweep_drafts(folder: str | Path) -> int:
    """Remove what killed writes left in `folder`; return how many drafts there were."""
    drafts = list(Path(folder).glob(DRAFT.format(name="*")))
    for draft in drafts:
        _remove(draft)
    return len(drafts)


def _write_durably(path: Path, content: bytes, mode: int) -> None:
    _remove(path)  # a draft left behind keeps the mode it was made with
    with open(path, "wb", opener=lambda name, flags: os.open(name, flags, mode)) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())  # else a loss of power could leave the name on an empty file


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError:  # a read-only disk took no draft in the first place
        return
