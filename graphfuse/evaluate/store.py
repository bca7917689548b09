"""Finished pieces of an evaluation on disk, whole or absent, so that a run goes on where it was killed."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import numpy as np

from graphfuse.errors import GraphFuseError
from graphfuse.estimators.saving import load_model, save_model


@dataclass(frozen=True)
class Piece:
    """One model on one fold: probabilities (n_test, C), seconds, and the fitted model if it can be explained."""

    probabilities: np.ndarray
    seconds: float
    fitted: object | None = None


class Store:
    """Folder of pieces, one npz a (model, repeat, fold); ``folder=None`` keeps nothing.

    Parameters
    ----------
    folder : path or None
    key : str
        Fingerprint of everything that the pieces depend on. Pieces of another key are refused.
    """

    def __init__(self, folder, key: str):
        self.folder = None if folder is None else Path(folder) / "pieces"
        if self.folder is None:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        mark = self.folder / "key.json"
        if mark.exists() and json.loads(mark.read_text())["key"] != key:
            raise GraphFuseError(
                "The output folder holds an unfinished run of other data, models or splits. "
                "Give the same arguments to go on with it, or name another folder."
            )
        write_whole(mark, json.dumps({"key": key}).encode())

    def load(self, name: str, repeat: int, fold: int) -> Piece | None:
        """A finished piece, or None."""
        if self.folder is None or not (path := self._path(name, repeat, fold)).exists():
            return None
        model = path.with_suffix(".model")
        with np.load(path, allow_pickle=False) as table:
            fitted = load_model(model) if model.exists() else None
            return Piece(table["probabilities"], float(table["seconds"]), fitted)

    def save(self, key: tuple[str, int, int], piece: Piece) -> None:
        """Keep a finished piece, its fitted model first, so that the table's presence means that all is there."""
        if self.folder is None:
            return
        path = self._path(*key)
        if piece.fitted is not None:
            save_model(piece.fitted, path.with_suffix(".model"))
        draft = path.with_suffix(".draft.npz")
        np.savez(draft, probabilities=piece.probabilities, seconds=piece.seconds)
        os.replace(draft, path)

    def _path(self, name: str, repeat: int, fold: int) -> Path:
        return self.folder / f"{name}-{repeat}-{fold}.npz"


def write_whole(path: Path, content: bytes) -> None:
    """Write a file that is there whole or not at all."""
    draft = path.with_name(f".{path.name}.draft")
    draft.write_bytes(content)
    os.replace(draft, path)


def fingerprint(cohort, models: dict, splits) -> str:
    """A hash of the data, the models with their parameters, and the splits."""
    mark = blake2b(digest_size=16)
    mark.update(cohort.phenotypes.to_csv().encode())
    for name, signal in sorted(cohort.signals.items()):
        mark.update(name.encode() + "".join(map(str, signal.fingerprints())).encode())
    mark.update(repr(sorted((name, repr(model)) for name, model in models.items())).encode())
    mark.update(repr(splits).encode())
    return mark.hexdigest()
