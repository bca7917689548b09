"""The container of a model: one safetensors file, its header one JSON text, a checksum over both."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from graphfuse._files import write_whole
from graphfuse._memory import check_memory
from graphfuse.errors import ModelVersionError, UnreadableFile

FORMAT = 2
MAX_HEADER = 4_000_000  # bytes; a model of 6105 named columns needs 0.2 million
MAX_TENSORS = 10_000
NAME = re.compile(r"model(\.[\w%~-][\w.%~-]*)?", re.ASCII)  # a place in the tree; never a path
DTYPES = {"BOOL", "U8", "I8", "I16", "I32", "I64", "F16", "F32", "F64"}
NOT_OURS = "Expected a model file written by graphfuse (safetensors); this is none. Check the path."
DAMAGED = "The model file is damaged: its header does not fit its tensors. Fit and save again."
CHANGED = "The model file is damaged: its checksum does not fit its content. Copy it again, or fit and save again."


@dataclass(frozen=True)
class Contents:
    """What a model file holds.

    Parameters
    ----------
    graphfuse : str
        Version that wrote it.
    tree : JSON
        The model, with the names of its tensors at their places.
    tensors : dict of str to tensor
    """

    graphfuse: str
    tree: object
    tensors: dict[str, torch.Tensor]

    def checksum(self) -> str:
        """sha256 over the version, the tree, and name, type, shape and bytes of every tensor."""
        mark = sha256(json.dumps([FORMAT, self.graphfuse, self.tree]).encode())
        for name, tensor in sorted(self.tensors.items()):
            mark.update(repr((name, str(tensor.dtype), tuple(tensor.shape))).encode())
            mark.update(tensor.reshape(-1).view(torch.uint8).numpy())
        return mark.hexdigest()


def write_model_file(path: Path, tree, tensors: dict[str, torch.Tensor]) -> None:
    """Write a tree and its tensors whole or not at all; the same content gives the same bytes."""
    contents = Contents(version("graphfuse"), tree, tensors)
    header = {"format": FORMAT, "graphfuse": contents.graphfuse, "checksum": contents.checksum(), "model": tree}
    write_whole(path, save(tensors, metadata={"graphfuse": json.dumps(header)}))


def read_model_file(path) -> Contents:
    """Read what `write_model_file` wrote, within the caps above.

    Raises
    ------
    UnreadableFile
        No such file, or one whose checksum does not fit.
    ModelVersionError
        Another format; names both versions.
    MemoryBudget
        Larger than the memory.
    """
    content, outer = _read(Path(path))
    header = _our_header(outer)
    try:
        tensors = load(content)
    except (SafetensorError, KeyError, ValueError, RuntimeError, OverflowError) as error:
        raise UnreadableFile(DAMAGED) from error
    contents = Contents(header["graphfuse"], header["model"], tensors)
    if contents.checksum() != header["checksum"]:
        raise UnreadableFile(CHANGED)
    return contents


def _read(path: Path) -> tuple[bytes, dict]:
    """The bytes of the file and its outer header, once its sizes are known to be sound."""
    try:
        if not path.is_file():  # a folder, a pipe, a device without an end
            raise UnreadableFile(NOT_OURS)
        size = path.stat().st_size
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if not 2 <= length <= min(size - 8, MAX_HEADER):
                raise UnreadableFile(NOT_OURS)
            outer = _parsed(file.read(length), NOT_OURS)
            check_memory("The model file", 2 * size, "Read it on a machine with more memory.")
        return path.read_bytes(), _checked(outer)
    except OSError as error:
        raise UnreadableFile(NOT_OURS) from error


def _checked(outer) -> dict:
    """The outer header, once it lists no more than tensors of plain types under the names that we give."""
    if not isinstance(outer, dict) or len(outer) > MAX_TENSORS:
        raise UnreadableFile(NOT_OURS)
    for name, entry in outer.items():
        if name == "__metadata__":
            continue
        if not isinstance(entry, dict) or entry.get("dtype") not in DTYPES:
            raise UnreadableFile(NOT_OURS)
        if len(name) > 500 or not NAME.fullmatch(name):
            raise ModelVersionError(_other_version(outer)) if _is_foreign(outer) else UnreadableFile(DAMAGED)
    return outer


def _our_header(outer: dict) -> dict:
    """Our own header inside the outer one, with exactly the keys of this format."""
    if _is_foreign(outer):
        raise ModelVersionError(_other_version(outer))
    header = _parsed(outer["__metadata__"]["graphfuse"], DAMAGED)
    if not isinstance(header, dict):
        raise UnreadableFile(DAMAGED)
    if header.get("format") != FORMAT:
        raise ModelVersionError(_other_version({"__metadata__": header}))
    if set(header) != {"format", "graphfuse", "checksum", "model"} or set(outer["__metadata__"]) != {"graphfuse"}:
        raise UnreadableFile(DAMAGED)
    return header


def _is_foreign(outer: dict) -> bool:
    """Whether the header lacks ours, or is of format 1, which had a key of its own for the format."""
    metadata = outer.get("__metadata__")
    return not isinstance(metadata, dict) or "format" in metadata or not isinstance(metadata.get("graphfuse"), str)


def _other_version(outer: dict) -> str:
    metadata = outer.get("__metadata__")
    found = metadata if isinstance(metadata, dict) else {}
    return (
        f"Expected a model of format {FORMAT}, which graphfuse {version('graphfuse')} reads; got format "
        f"{str(found.get('format'))[:20]} of graphfuse {str(found.get('graphfuse'))[:20]}. "
        "Install that version, or fit again."
    )


def _parsed(text: str | bytes, complaint: str):
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UnreadableFile(complaint) from error
