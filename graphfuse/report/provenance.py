"""What it takes to run this again: versions, seeds, arguments, the fingerprint of the input. No names, no paths."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version

import pandas as pd

from graphfuse.evaluate.result import CrossValidation
from graphfuse.evaluate.store import fingerprint
from graphfuse.report.privacy import clean, subject_ids
from graphfuse.report.tables import DASH, Table, make_table

PACKAGES = ("graphfuse", "torch", "torch-geometric", "numpy", "scipy", "scikit-learn", "nilearn", "pandas")
LONGEST = 400  # characters of a model's parameters
CITATIONS = (
    "This software: graphfuse {version}, BSD-3-Clause. Its CITATION.cff holds the full entry.",
    "Corrected intervals and tests: Nadeau & Bengio (2003), Machine Learning 52:239–281, doi:10.1023/A:1024068626366; "  # noqa: RUF001
    "Holm (1979), Scandinavian Journal of Statistics 6:65–70.",  # noqa: RUF001
    "Importance: Sundararajan, Taly & Yan (2017), Axiomatic attribution for deep networks, ICML.",
    "Brain pictures: nilearn, Abraham et al. (2014), Frontiers in Neuroinformatics 8:14, doi:10.3389/fninf.2014.00014.",
    "Please cite the data set and each published model that you used as well.",
)


def provenance(result: CrossValidation, arguments: Mapping | None = None) -> dict:
    """What the last section says.

    Parameters
    ----------
    result : CrossValidation
    arguments : mapping or None
        What the run was called with; paths and ids are taken out.
    """
    ids = subject_ids(result.cohort)
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "fingerprint": fingerprint(result.cohort, dict(result.estimators), result.splits),
        "versions": _pairs("Versions", "Package", "Version", _versions()),
        "arguments": _arguments(arguments, ids),
        "splits": clean(repr(result.splits), ids),
        "models": _models(result, ids),
        "citations": [line.format(version=_version("graphfuse")) for line in CITATIONS],
    }


def _versions() -> dict[str, str]:
    return {"python": platform.python_version()} | {name: _version(name) for name in PACKAGES}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _arguments(arguments: Mapping | None, ids: set[str]) -> Table | None:
    if not arguments:
        return None
    shown = {clean(name, ids): clean(value, ids) for name, value in arguments.items()}
    return _pairs("Arguments (paths are left out)", "Argument", "Value", shown)


def _models(result: CrossValidation, ids: set[str]) -> Table | None:
    """Each model as it was made: parameters that differ from the default, and its seed."""
    rows = []
    for name in result.model_names:
        model = result.estimators.get(name)
        if model is not None:
            text = " ".join(clean(repr(model), ids).split())
            seed = getattr(model, "random_state", None)
            rows.append((name, text if len(text) <= LONGEST else text[:LONGEST] + " …", DASH if seed is None else seed))
    frame = pd.DataFrame(rows, columns=["Model", "Made as", "Seed"])
    return make_table(frame, "Models and seeds") if rows else None


def _pairs(caption: str, name: str, value: str, items: Mapping) -> Table:
    return make_table(pd.DataFrame(list(items.items()), columns=[name, value]), caption)
