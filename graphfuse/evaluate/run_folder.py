"""A finished evaluation as a folder of plain tables, each whole or absent, and back."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pandas as pd

from graphfuse._files import make_folder, write_whole
from graphfuse.cohort import Cohort
from graphfuse.errors import UnreadableFile
from graphfuse.estimators.model_file import read_model_file
from graphfuse.estimators.saving import load_model
from graphfuse.evaluate.models import models_by_name
from graphfuse.evaluate.result import CrossValidation
from graphfuse.evaluate.splits import GivenSplits, Splits
from graphfuse.evaluate.store import data_fingerprints
from graphfuse.read.cells import escape, unescape

PACKAGES = ("graphfuse", "torch", "torch-geometric", "nilearn", "scikit-learn", "scipy", "numpy", "pandas", "networkx")
# Columns of text: "007" is no number there.
TEXT = (
    "subject", "model", "y_true", "role", "region", "modality", "reason", "column", "step", "kind", "data", "labels",
    "phenotypes", "site", "note",
)  # fmt: skip
LOCAL = ("manifest", "root")  # arguments that are paths of this machine: kept apart, for the owner's eyes
HASHED = (  # tables without times
    "predictions", "scores", "folds", "comparisons", "calibration", "sites", "exclusions", "leaks", "steps",
)  # fmt: skip


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a tab-separated table whole or not at all; text that a spreadsheet would run gets a leading apostrophe."""
    text = table.copy()
    for column in text.columns[[not pd.api.types.is_numeric_dtype(kind) for kind in text.dtypes]]:
        text[column] = [escape(v) if isinstance(v, str) else v for v in text[column]]
    write_whole(path, text.to_csv(sep="\t", index=False, na_rep="n/a", lineterminator="\n").encode())


def read_table(path: Path) -> pd.DataFrame:
    """Read what `write_table` wrote; ids and names stay text."""
    try:
        table = pd.read_csv(path, sep="\t", dtype=object, na_values=["n/a"], keep_default_na=False, lineterminator="\n")
    except (OSError, ValueError) as error:
        raise UnreadableFile(
            f"Expected a finished run with {path.name} in it. Run `graphfuse evaluate` again with the same arguments."
        ) from error
    return table.apply(lambda column: _text(column) if column.name in TEXT else _numbers(column))


def _text(column: pd.Series) -> pd.Series:
    return column.map(lambda v: unescape(v) if isinstance(v, str) else v)


def _numbers(column: pd.Series) -> pd.Series:
    """Integers or floats to the last bit (pandas' own parser need not give it); what is neither stays as it is."""
    try:
        numbers = column.map(float)
    except ValueError:
        return column
    whole = column.map(lambda v: isinstance(v, str) and v.lstrip("-").isdigit())
    return numbers.astype("int64") if whole.all() else numbers.astype(float)


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that a result depends on."""
    return {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}}


def write_run(result: CrossValidation, folder: Path, arguments: Mapping) -> None:
    """Write the tables of a result, run.json and local.json into `folder`.

    Tables keyed by subject (predictions, folds, exclusions) are for their owner. run.json holds no path and no id;
    local.json says where the input lies, so that ``explain`` and ``report`` find it, and only its owner may read it.
    """
    make_folder(folder)
    tables = {
        "predictions": result.predictions,
        "scores": result.scores,
        "folds": result.folds,
        "comparisons": result.comparisons(),
        "calibration": result.calibration(),
        "sites": result.site_tests(),
        "exclusions": result.cohort.exclusions,
        "leaks": result.leaks,
        "steps": result.steps,
        "seconds": result.seconds,
    }
    for name, table in tables.items():
        write_table(table, folder / f"{name}.tsv")
    modes = {
        name: "transductive" if getattr(model, "transductive", False) else "inductive"
        for name, model in result.estimators.items()
    }
    local = {name: arguments[name] for name in LOCAL if name in arguments}
    run = {
        "arguments": {name: value for name, value in arguments.items() if name not in LOCAL},
        "versions": versions(),
        "inputs": data_fingerprints(result.cohort),
        "splits": _splits_record(result.splits),
        "modes": modes,
        "together": result.together,
        "seeds": {name: getattr(model, "random_state", None) for name, model in result.estimators.items()},
        "hashes": result_hashes(folder),
    }
    write_whole(folder / "local.json", json.dumps(local, indent=2).encode(), mode=0o600)
    write_whole(folder / "run.json", json.dumps(run, indent=2, default=str).encode())


def result_hashes(folder: Path) -> dict[str, str]:
    """sha256 of each table and of the weights and settings of each saved model; seconds.tsv holds times and is not in.

    Two runs of the same data, models, splits and versions have the same hashes, however often they were killed.
    """
    hashes = {f"{name}.tsv": sha256((folder / f"{name}.tsv").read_bytes()).hexdigest() for name in HASHED}
    models = sorted((folder / "pieces").glob("*.model"))
    return hashes | {unquote(path.stem): read_model_file(path).checksum() for path in models}


def result_hash(folder: Path) -> str:
    """One sha256 over `result_hashes`."""
    return sha256(json.dumps(result_hashes(Path(folder)), sort_keys=True).encode()).hexdigest()


def read_arguments(folder: Path) -> dict:
    """What ``evaluate`` was called with, from run.json and local.json."""
    return _read_record(folder)["arguments"]


def _read_record(folder: Path) -> dict:
    try:
        run, local = (json.loads((folder / f"{name}.json").read_text()) for name in ("run", "local"))
        return {
            "arguments": run["arguments"] | local,
            "splits": run["splits"],
            "together": run.get("together", False),  # not yet told by older runs
        }
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UnreadableFile(
            "Expected a folder that `graphfuse evaluate --out` has finished; it has no run.json and local.json."
        ) from error


def read_run(folder: Path, cohort: Cohort, systems: Mapping | None = None) -> CrossValidation:
    """The result that `write_run` wrote, with the fitted graph models, for the same cohort.

    Parameters
    ----------
    folder : path
    cohort : Cohort
    systems : mapping of str to callable, or None
        What makes the published systems, see `models_by_name`.
    """
    predictions = read_table(folder / "predictions.tsv")
    run = _read_record(folder)
    fitted = {}
    for path in sorted((folder / "pieces").glob("*.model")):
        name, repeat, fold = path.stem.rsplit("-", 2)
        fitted[unquote(name), int(repeat), int(fold)] = load_model(path)
    return CrossValidation(
        cohort,
        _splits_of(run["splits"]),
        predictions,
        read_table(folder / "folds.tsv"),
        read_table(folder / "leaks.tsv"),
        read_table(folder / "seconds.tsv"),
        models_by_name(cohort, list(predictions["model"].unique()), systems),
        fitted,
        read_table(folder / "steps.tsv"),
        run["together"],
    )


def _splits_record(splits: Splits | GivenSplits) -> dict:
    """Splits as JSON; given ones row by row."""
    if isinstance(splits, GivenSplits):
        return {"pairs": [[train.tolist(), test.tolist()] for train, test in splits.pairs]}
    return vars(splits)


def _splits_of(record: dict) -> Splits | GivenSplits:
    if "pairs" in record:
        return GivenSplits(tuple((np.array(train, int), np.array(test, int)) for train, test in record["pairs"]))
    return Splits(**record)
