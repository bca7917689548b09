"""A finished evaluation as a folder of plain tables, each whole or absent, and back."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from urllib.parse import unquote

import pandas as pd

from graphfuse.cohort import Cohort
from graphfuse.errors import UnreadableFile
from graphfuse.estimators.saving import load_model
from graphfuse.evaluate.models import models_by_name
from graphfuse.evaluate.result import CrossValidation
from graphfuse.evaluate.splits import Splits
from graphfuse.evaluate.store import data_fingerprints, write_whole

PACKAGES = ("graphfuse", "torch", "torch-geometric", "nilearn", "scikit-learn", "scipy", "numpy", "pandas", "networkx")
TEXT = ("subject", "model", "y_true", "role", "region", "modality", "reason", "column")  # "007" is no number there
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # how a cell begins that a spreadsheet would run


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a tab-separated table whole or not at all; text that a spreadsheet would run gets a leading apostrophe."""
    text = table.copy()
    for column in text.columns[[not pd.api.types.is_numeric_dtype(kind) for kind in text.dtypes]]:
        text[column] = [f"'{v}" if isinstance(v, str) and _is_formula(v) else v for v in text[column]]
    write_whole(path, text.to_csv(sep="\t", index=False, na_rep="n/a", lineterminator="\n").encode())


def _is_formula(text: str) -> bool:
    """Whether a cell would run, marked or not: what is already marked gets one more mark, so that none is lost."""
    return text.lstrip("'").startswith(FORMULA)


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
    return column.map(lambda v: v.removeprefix("'") if isinstance(v, str) and _is_formula(v) else v)


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
    """Write predictions, scores, folds, comparisons, exclusions, leaks, seconds and run.json into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    tables = {
        "predictions": result.predictions,
        "scores": result.scores,
        "folds": result.folds,
        "comparisons": result.comparisons(),
        "exclusions": result.cohort.exclusions,
        "leaks": result.leaks,
        "seconds": result.seconds,
    }
    for name, table in tables.items():
        write_table(table, folder / f"{name}.tsv")
    modes = {
        name: "transductive" if getattr(model, "transductive", False) else "inductive"
        for name, model in result.estimators.items()
    }
    run = {
        "arguments": dict(arguments),
        "versions": versions(),
        "inputs": data_fingerprints(result.cohort),
        "splits": vars(result.splits),
        "modes": modes,
        "seeds": {name: getattr(model, "random_state", None) for name, model in result.estimators.items()},
    }
    write_whole(folder / "run.json", json.dumps(run, indent=2, default=str).encode())


def read_arguments(folder: Path) -> dict:
    """What ``evaluate`` was called with, from run.json."""
    return _read_record(folder)["arguments"]


def _read_record(folder: Path) -> dict:
    try:
        run = json.loads((folder / "run.json").read_text())
        return {"arguments": run["arguments"], "splits": run["splits"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UnreadableFile(
            "Expected a folder that `graphfuse evaluate --out` has finished; it has no run.json."
        ) from error


def read_run(folder: Path, cohort: Cohort) -> CrossValidation:
    """The result that `write_run` wrote, with the fitted graph models, for the same cohort."""
    predictions = read_table(folder / "predictions.tsv")
    run = _read_record(folder)
    fitted = {}
    for path in sorted((folder / "pieces").glob("*.model")):
        name, repeat, fold = path.stem.rsplit("-", 2)
        fitted[unquote(name), int(repeat), int(fold)] = load_model(path)
    return CrossValidation(
        cohort,
        Splits(**run["splits"]),
        predictions,
        read_table(folder / "folds.tsv"),
        read_table(folder / "leaks.tsv"),
        read_table(folder / "seconds.tsv"),
        models_by_name(cohort, list(predictions["model"].unique())),
        fitted,
    )
