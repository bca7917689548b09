"""Everything that a model file holds, as a table, without bringing the model to life."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd
import torch

from graphfuse.errors import UnreadableFile
from graphfuse.estimators.model_file import DAMAGED, FORMAT, read_model_file

COLUMNS = ["part", "kind", "shape", "bytes", "about", "value"]
WEIGHTS = {"network_", "coef_", "intercept_"}
# Attributes of a class that hold one row a person.
PEOPLE = {
    "Agreement": {"traits_"},
    "FeaturePropagation": {"people_", "full_"},
    "MultipleKernel": {"duals_", "has_"},
    "NearestImputation": {"people_"},
    "PeopleKernel": {"rows_"},
    "PopulationClassifier": {"x_"},
    "PopulationGraph": {"units_", "traits_"},
    "PopulationSystem": {"people_", "people_traits_"},
}
WIDTH = 60  # of a value's text


def inspect_model(path) -> pd.DataFrame:
    """Everything that a model file holds, one row a part.

    Parameters
    ----------
    path : path
        A file of `save_model`.

    Returns
    -------
    DataFrame
        part, kind (a class, a type), shape, bytes, value (of what is no tensor, cut at 60 characters), and about:
        ``setting``, ``training statistic``, ``weights``, ``people: N rows`` or ``means of >= 10 people: N rows``.
        ``attrs`` has format, graphfuse and checksum of the header.

    Raises
    ------
    UnreadableFile, ModelVersionError
        As `load_model`.
    """
    contents = read_model_file(path)
    try:
        rows = list(_rows(contents.tree, "model", "setting", contents.tensors, None))
    except (AttributeError, KeyError, TypeError, RecursionError) as error:
        raise UnreadableFile(DAMAGED) from error
    table = pd.DataFrame(rows, columns=COLUMNS)
    table.attrs = {"format": FORMAT, "graphfuse": contents.graphfuse, "checksum": contents.checksum()}
    return table


def _rows(tree, part: str, about: str, tensors: dict, size) -> Iterator[tuple]:
    """One row a node of the tree, tensors by their names."""
    if not isinstance(tree, dict):
        yield part, type(tree).__name__, "", len(str(tree)), about, str(tree)[:WIDTH]
    elif "tensor" in tree:
        yield _tensor_row(tree["tensor"], tensors[tree["tensor"]], about)
    elif "network" in tree:
        start = f"{tree['network']}."
        yield from (_tensor_row(name, item, about) for name, item in sorted(tensors.items()) if name.startswith(start))
    elif "class" in tree:
        yield part, tree["class"], "", 0, about, ""
        size = tree["state"]["dict"].get("prototype_size_", size)
        for key, item in tree["state"]["dict"].items():
            yield from _rows(item, f"{part}.{key}", _about(tree["class"], key, about, size), tensors, size)
    elif "network of" in tree:
        yield part, "network", "", 0, about, tree["network of"]
    elif "graphs" in tree:
        yield from _rows(tree["graphs"], part, about, tensors, size)
    elif "dict" in tree:
        for key, item in tree["dict"].items():
            yield from _rows(item, f"{part}.{key}", about, tensors, size)
    else:
        yield from _list_rows(tree["list"], part, about, tensors, size)


def _list_rows(items: list, part: str, about: str, tensors: dict, size) -> Iterator[tuple]:
    """One row for a list of plain values, else one a thing inside."""
    if all(not isinstance(item, dict) for item in items):
        text = ", ".join(map(str, items))
        yield part, "list", f"({len(items)},)", len(text), about, text[:WIDTH]
        return
    for i, item in enumerate(items):
        yield from _rows(item, f"{part}.{i}", about, tensors, size)


def _tensor_row(name: str, tensor: torch.Tensor, about: str) -> tuple:
    rows = f": {len(tensor)} rows" if about.startswith(("people", "means")) else ""
    shape = f"({', '.join(map(str, tensor.shape))})"
    return name, str(tensor.dtype).removeprefix("torch."), shape, tensor.nbytes, about + rows, ""


def _about(cls: str, key: str, about: str, size) -> str:
    """What an attribute of a class is; a statistic's parts are statistics."""
    if key in PEOPLE.get(cls, ()):
        return f"means of >= {size} people" if size else "people"
    if key in WEIGHTS:
        return "weights"
    return "training statistic" if key.endswith("_") else about
