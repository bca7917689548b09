"""Finished pieces of an evaluation on disk, whole or absent, so that a run goes on where it was killed."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from importlib.metadata import version
from io import BytesIO
from pathlib import Path
from urllib.parse import quote
from zipfile import BadZipFile

import numpy as np

from graphfuse._files import make_folder, sweep_drafts, write_whole
from graphfuse.errors import GraphFuseError, GraphFuseWarning, UnwritableFile
from graphfuse.estimators.saving import load_model, save_model


@dataclass(frozen=True)
class Piece:
    """One model on one fold.

    Parameters
    ----------
    probabilities : array (n_test, C)
    seconds : float
        To fit and predict.
    fitted : estimator or None
        The fitted model if it can be explained.
    seal : str
        What `freeze` said of the probabilities when the model had made them.
    tried : int
        Configurations that were tried inside the training subjects.
    steps : list of list of str
        Rows of the fitted model's `declaration`.
    parameters : int or None
        Numbers that it learned as weights.
    peak_mb : float or None
        Memory that it took beyond what stood before [MB].
    """

    probabilities: np.ndarray
    seconds: float
    fitted: object | None = None
    seal: str = ""
    tried: int = 1
    steps: Sequence[Sequence[str]] = ()
    parameters: int | None = None
    peak_mb: float | None = None


class Store:
    """Folder of pieces, one npz a (model, repeat, fold); ``folder=None`` keeps nothing.

    Parameters
    ----------
    folder : path or None
    key : str
        Fingerprint of all that every piece depends on: data and splits. A folder of another key is refused.
    models : mapping of str to model, or None
        What the pieces of each name are of. A run may bring more models than the one before; a name that stands for
        another model than before is refused.

    Raises
    ------
    GraphFuseError
        The folder holds pieces of another key, or (in `load`) of another model of this name.
    UnwritableFile
        The folder cannot be made or written to.
    """

    def __init__(self, folder, key: str, models: Mapping | None = None):
        self.marks = {name: _mark(model) for name, model in (models or {}).items()}
        self._unsaved: set[str] = set()  # models that a file cannot hold; said once each
        self.folder = None if folder is None else Path(folder) / "pieces"
        if self.folder is None:
            return
        for place in (make_folder(self.folder), self.folder.parent):
            sweep_drafts(place)  # of a run that was killed
        mark = self.folder / "key.json"
        if mark.exists() and mark.read_text() != json.dumps({"key": key}):
            raise GraphFuseError(
                "The output folder holds a run of other data or splits. Give the same arguments to go on with it, or "
                "name another folder."
            )
        write_whole(mark, json.dumps({"key": key}).encode())

    def load(self, name: str, repeat: int, fold: int) -> Piece | None:
        """A finished piece, or None; one that a crash of the machine left damaged counts as absent."""
        if self.folder is None or not (path := self._path(name, repeat, fold)).exists():
            return None
        model = path.with_suffix(".model")
        try:
            with np.load(BytesIO(path.read_bytes()), allow_pickle=False) as table:
                fitted = load_model(model) if model.exists() else None
                told = json.loads(str(table["told"]))
                mark = told.pop("model", None)
                piece = Piece(table["probabilities"], float(table["seconds"]), fitted, **told)
        except (OSError, EOFError, ValueError, KeyError, BadZipFile):
            return None
        self._check_model(name, mark)
        return piece

    def save(self, key: tuple[str, int, int], piece: Piece) -> None:
        """Keep a finished piece, its fitted model first, so that the table's presence means that all is there."""
        if self.folder is None:
            return
        path = self._path(*key)
        if piece.fitted is not None:
            self._save_model(key[0], piece.fitted, path.with_suffix(".model"))
        content = BytesIO()
        told = json.dumps(
            {
                "model": self.marks.get(key[0]),
                "seal": piece.seal,
                "tried": piece.tried,
                "steps": [list(step) for step in piece.steps],
                "parameters": piece.parameters,
                "peak_mb": piece.peak_mb,
            }
        )
        np.savez(content, probabilities=piece.probabilities, seconds=piece.seconds, told=np.array(told))
        write_whole(path, content.getvalue())

    def _check_model(self, name: str, mark: str | None) -> None:
        if name in self.marks and mark != self.marks[name]:
            raise GraphFuseError(
                f"The output folder holds a run of another model called {name}. Give the same parameters to go on with "
                "it, or name another folder."
            )

    def _save_model(self, name: str, fitted, path: Path) -> None:
        try:
            save_model(fitted, path)
        except UnwritableFile:
            raise
        except GraphFuseError as error:  # a part that is code of the user's: the scores are worth keeping all the same
            if name not in self._unsaved:
                message = f"{name} is scored but not kept, so it cannot be explained from the output folder: {error}"
                warnings.warn(message, GraphFuseWarning, stacklevel=2)
            self._unsaved.add(name)

    def _path(self, name: str, repeat: int, fold: int) -> Path:
        return self.folder / f"{quote(name, safe=' ')}-{repeat}-{fold}.npz"


def fingerprint(cohort, models: dict, splits) -> str:
    """A hash of all that the pieces depend on: data, models with their parameters, splits, version."""
    roles = (cohort.target, cohort.classes, cohort.site, cohort.group, cohort.confounds)
    asked = sorted((name, _described(model)) for name, model in models.items())
    parts = (version("graphfuse"), data_fingerprints(cohort), roles, asked, splits)
    return blake2b(repr(parts).encode(), digest_size=16).hexdigest()


def data_fingerprints(cohort) -> dict[str, str]:
    """A hash of the phenotypes and of every signal, by name."""
    marks = {"phenotypes": blake2b(cohort.phenotypes.to_csv().encode(), digest_size=16).hexdigest()}
    for name, signal in sorted(cohort.signals.items()):
        mark = blake2b(
            repr((signal.kind, signal.names, signal.columns, signal.length.tolist())).encode(), digest_size=16
        )
        mark.update(b"" if signal.usable is None else np.ascontiguousarray(signal.usable).tobytes())
        for array in signal.arrays():
            mark.update(np.ascontiguousarray(array).tobytes())
        marks[f"signals.{name}"] = mark.hexdigest()
    return marks


def _mark(model) -> str:
    """A hash of a model and its parameters."""
    return blake2b(_described(model).encode(), digest_size=8).hexdigest()


def _described(value) -> str:
    """A model or a parameter as text that is the same in every process; scikit-learn's own is cut off when long."""
    if hasattr(value, "get_params"):
        inner = sorted((key, _described(item)) for key, item in value.get_params(deep=False).items())
        return f"{type(value).__qualname__}({inner})"
    if isinstance(value, dict):
        return repr([(str(key), _described(item)) for key, item in value.items()])
    if isinstance(value, (list, tuple)):
        return repr([_described(item) for item in value])
    if callable(value) and hasattr(value, "__qualname__"):
        return f"{value.__module__}.{value.__qualname__}"
    return repr(value)
