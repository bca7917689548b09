"""One subject's matrix from a file: text (1D, tsv, csv), npy or mat; with the header, where it has one."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Collection
from pathlib import Path

import numpy as np
import pandas as pd

from graphfuse.errors import UnreadableFile
from graphfuse.read.limits import MATRIX_BYTES, TABLE_COLUMNS, check_bytes, check_size
from graphfuse.read.tables import MISSING, decode, read_bytes

TEXT = (".1d", ".txt", ".tsv", ".csv", ".dat")
_NUMERIC = {"double", "single", *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64))}  # in a .mat
_INTEGER = re.compile(r"\d+")
_TOKEN = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d+)?|[+-]?inf")


def read_matrix(
    path: Path, variable: str | None = None, labels: Collection[str] = ()
) -> tuple[np.ndarray, list[str] | None]:
    """Read a matrix, (rows, columns) float64, and the names of its columns (None without a header).

    A header is a first line with a word in it, a line that begins with ``#``, a line of the whole numbers 0, 1, 2 ...
    or 1, 2, 3 ... (what pandas writes), or one with more than half of the atlas `labels`.

    Parameters
    ----------
    path : Path
        A file that ends in .1D, .txt, .tsv, .csv, .dat, .npy or .mat.
    variable : str or None
        Name of the variable in a .mat file; None: the only matrix in it.
    labels : collection of str
        Label values of the atlas, so that a header of bare numbers is not taken for a frame.

    Raises
    ------
    UnreadableFile
        Absent, empty, truncated, not numbers, or not what its ending says.
    """
    suffix = Path(path).suffix.lower()
    if suffix in TEXT:
        return _read_text(path, labels)
    if suffix == ".npy":
        return _as_matrix(_read_npy(path)), None
    if suffix == ".mat":
        return _as_matrix(_read_mat(path, variable)), None
    raise UnreadableFile(f"Files must end in {', '.join(TEXT)}, .npy or .mat; got {suffix!r}. Convert the file.")


def _read_npy(path: Path) -> np.ndarray:
    check_size(path, MATRIX_BYTES)
    try:  # mapped, so that a header that lies about the size is found before memory is taken; no archive, no objects
        return np.lib.format.open_memmap(path, mode="r")
    except Exception as error:  # numpy raises whatever the broken header leads to
        raise UnreadableFile(
            "the file is truncated, holds objects or is no .npy. Save it again with np.save."
        ) from error


def _read_mat(path: Path, variable: str | None) -> np.ndarray:
    """One numeric variable: the headers tell its size first, and no other variable is unpacked."""
    from scipy.io import loadmat, whosmat

    check_size(path, MATRIX_BYTES)
    with open(path, "rb") as file:
        if b"MATLAB 7.3" in file.read(128):
            raise UnreadableFile("the .mat file has version 7.3. Save it again in MATLAB with save(..., '-v7').")
    try:
        listed = {name: (shape, kind) for name, shape, kind in whosmat(path, appendmat=False)}
        name = _variable(listed, variable)
        check_bytes(8 * int(np.prod(listed[name][0], dtype=object)), MATRIX_BYTES, f"variable {name!r} of the .mat")
        return np.asarray(loadmat(path, appendmat=False, variable_names=[name])[name])
    except UnreadableFile:
        raise
    except Exception as error:  # scipy raises whatever the broken bytes lead to
        raise UnreadableFile("the file is truncated or is no .mat. Save it again with save(..., '-v7').") from error


def _variable(listed: dict[str, tuple[tuple[int, ...], str]], wanted: str | None) -> str:
    """The variable that was asked for, or the only numeric matrix."""
    if wanted is not None:
        if wanted not in listed:
            raise UnreadableFile(f"the .mat file has no variable {wanted!r}. It has {', '.join(sorted(listed))}.")
        return wanted
    found = [n for n, (shape, kind) in listed.items() if len(shape) == 2 and min(shape) > 1 and kind in _NUMERIC]
    if len(found) != 1:
        raise UnreadableFile(
            f"the .mat file holds {len(found)} matrices ({', '.join(sorted(found)) or 'none'}); say which with "
            "variable."
        )
    return found[0]


def _as_matrix(array: np.ndarray) -> np.ndarray:
    """Two axes of real numbers, or an error; a vector becomes a row."""
    if array.dtype.kind not in "fiub":
        raise UnreadableFile(f"the array holds {array.dtype}, not real numbers. Save it as float32.")
    if array.ndim not in (1, 2) or array.size == 0:
        raise UnreadableFile(f"the array must have two axes and entries; got shape {array.shape}.")
    return np.atleast_2d(np.asarray(array, dtype=np.float64))


def _read_text(path: Path, labels: Collection[str]) -> tuple[np.ndarray, list[str] | None]:
    text = decode(read_bytes(path, "file"), "file")
    numbered = [(i, line) for i, line in enumerate(text.splitlines(), start=1) if line.strip()]
    comments = [line for _, line in numbered if line.lstrip().startswith("#")]
    body = [(i, line) for i, line in numbered if not line.lstrip().startswith("#")]
    if not body:
        raise UnreadableFile("the file has a header and no numbers. Copy it again.")
    separator = next((mark for mark in "\t;," if mark in body[0][1]), None)
    header = None
    if _is_header(_tokens(body[0][1], separator), labels):
        header, body = _tokens(body[0][1], separator), body[1:]
        if not body:
            raise UnreadableFile("the file has a header and no numbers. Copy it again.")
    width = len(_tokens(body[0][1], separator))
    if width > TABLE_COLUMNS:
        raise UnreadableFile(
            f"the file has {width} columns; at most {TABLE_COLUMNS} are read from text. Save it as .npy."
        )
    if header is None:
        named = [tokens for line in comments if len(tokens := _tokens(line, separator)) == width]
        header = named[-1] if named else None
    _check_width(body, separator, width, header)
    return _parse(body, separator, width, header)


def _tokens(line: str, separator: str | None) -> list[str]:
    cells = line.split() if separator is None else next(csv.reader([line], delimiter=separator))
    if separator is None and cells[0] == "#":
        cells = cells[1:]
    return [cell.strip().removeprefix("#").strip() for cell in cells]


def _is_header(tokens: list[str], labels: Collection[str]) -> bool:
    if not all(token in MISSING or _TOKEN.fullmatch(token) for token in tokens):
        return True
    if tokens[0] == "" and len(tokens) > 1:
        tokens = tokens[1:]  # the blank name that pandas gives an index
    if not all(_INTEGER.fullmatch(token) for token in tokens) or len(set(tokens)) < max(len(tokens), 3):
        return False
    counted = [int(token) for token in tokens]
    first = counted[0]
    return (first in (0, 1) and counted == list(range(first, first + len(counted)))) or (
        len(labels) > 0 and len(set(labels) & set(tokens)) > len(labels) / 2
    )


def _check_width(body: list[tuple[int, str]], separator: str | None, width: int, header: list[str] | None) -> None:
    for i, line in body:
        got = len(line.split()) if separator is None else line.count(separator) + 1
        if got != width:
            raise UnreadableFile(
                f"line {i} has {got} of {width} columns: the file is truncated or torn. Copy it again."
            )
    if header is not None and len(header) != width:
        raise UnreadableFile(f"the header names {len(header)} columns, the lines have {width}. Export it again.")


def _parse(
    body: list[tuple[int, str]], separator: str | None, width: int, header: list[str] | None
) -> tuple[np.ndarray, list[str] | None]:
    text = "\n".join(line for _, line in body)
    decimal = "," if separator in ("\t", ";") and "," in text else "."
    if decimal == "," and "." in text:
        raise UnreadableFile("the numbers hold both points and commas. Write them with a decimal point.")
    keep = [i for i in range(width) if header is None or header[i] != ""]  # a blank name is pandas' index
    try:
        frame = pd.read_csv(
            io.StringIO(text), sep=separator or r"\s+", header=None, decimal=decimal, usecols=keep, dtype=np.float64,
            na_values=list(MISSING), keep_default_na=False,
        )  # fmt: skip
    except (ValueError, pd.errors.ParserError) as error:
        raise UnreadableFile("the file holds words among its numbers. Export the numbers alone.") from error
    return frame.to_numpy(), None if header is None else [header[i] for i in keep]
