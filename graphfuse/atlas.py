"""Brain atlases: the regions that a connectome lies on, shipped as tables or read from the user's own."""

from __future__ import annotations

import csv
from dataclasses import dataclass, replace
from difflib import get_close_matches
from importlib import resources
from pathlib import Path

import numpy as np
import pandas as pd

from graphfuse._check import check_option, check_shape
from graphfuse.errors import InvalidOption, UnreadableFile

_COLUMNS = ["network", "hemisphere", "x", "y", "z", "source", "label"]
_SEPARATORS = {".tsv": "\t", ".csv": ","}


@dataclass(frozen=True, eq=False)
class Atlas:
    """R named brain regions in a fixed order, with their centres in MNI space.

    Parameters
    ----------
    name : str
        What messages and reports call it.
    regions : pandas.DataFrame, (R, .)
        Index: unique region names. Needed columns: x, y, z [MNI mm], NaN where unknown. Filled in where absent:
        network (""), hemisphere (L, R or M for the midline; by the sign of x), source (""; a citation) and
        label (-1; the region's value in the label volume).
    image : Path or None
        The user's own label volume; none is shipped.

    Raises
    ------
    InvalidOption
        A name that is empty or stands twice, a column that is absent or not numeric, an infinite coordinate, a
        hemisphere other than L, R, M, or a label that two regions share.
    """

    name: str
    regions: pd.DataFrame
    image: Path | None = None

    __iter__ = None  # without it Python would walk the atlas through __getitem__

    def __post_init__(self):
        object.__setattr__(self, "regions", _checked_regions(self.name, self.regions))
        object.__setattr__(self, "image", None if self.image is None else Path(self.image))

    def __len__(self) -> int:
        return len(self.regions)

    def __repr__(self) -> str:
        networks = self._network_count()
        image = "" if self.image is None else f", image={self.image.name!r}"
        return f"Atlas({self.name!r}: {len(self)} regions, {networks} networks{image})"

    @property
    def names(self) -> list[str]:
        """The R region names, in order."""
        return self.regions.index.tolist()

    @property
    def xyz(self) -> np.ndarray:
        """The centres, (R, 3) float64 [MNI mm]; NaN where the table gives none."""
        return self.regions[["x", "y", "z"]].to_numpy(dtype=float)  # (R, 3)

    @property
    def network(self) -> np.ndarray:
        """The network, or lobe, of each region, (R,) str; empty where the source gives none."""
        return self.regions["network"].to_numpy(dtype=str)

    def __getitem__(self, rows) -> Atlas:
        return replace(self, regions=self.regions.iloc[_positions(rows, self.names)])

    def subset(self, rows) -> Atlas:
        """Return a smaller atlas, in the order of `rows`; the same as ``atlas[rows]``.

        Parameters
        ----------
        rows : slice, int or array of int, (R,) bool mask, region name or list of region names
            The regions to keep, each at most once.

        Raises
        ------
        InvalidOption
            A name or a position that the atlas lacks, or the same region twice.
        ShapeMismatch
            A mask whose length is not R.
        """
        return self[rows]

    def same_regions(self, other: Atlas) -> bool:
        """Whether `other` has the same region names in the same order."""
        return self.names == other.names

    def _network_count(self) -> int:
        return len(set(self.regions["network"]) - {""})


def load_atlas(name_or_path: str | Path, image: str | Path | None = None) -> Atlas:
    """Load an atlas by its shipped name, or from the user's own .tsv or .csv table.

    Parameters
    ----------
    name_or_path : str or Path
        A name that `list_atlases` lists, or a path that ends in .tsv or .csv. Such a table has one row a region: the
        names in its first column, then x, y, z [MNI mm] and, where known, the other columns of `Atlas`.
    image : str or Path or None
        The label volume that belongs to it.

    Raises
    ------
    InvalidOption
        A name that is not shipped (the nearest one is named), or a table that `Atlas` rejects.
    UnreadableFile
        A table or an image that is absent, empty or not what its name says.

    Examples
    --------
    >>> load_atlas("schaefer-100")
    Atlas('schaefer-100': 100 regions, 7 networks)
    """
    if image is not None and not Path(image).is_file():
        raise UnreadableFile(f"image must be a label volume that exists; there is no file {str(image)!r}.")
    path = Path(name_or_path)
    if path.suffix.lower() not in _SEPARATORS:
        shipped = _shipped_tables()
        path = shipped[check_option("atlas (a shipped name, or a path to a .tsv or .csv)", str(name_or_path), shipped)]
    return Atlas(path.name.rpartition(".")[0], _read_table(path), image)


def list_atlases() -> pd.DataFrame:
    """Return the shipped atlases: index name, columns regions, networks (how many) and source (the citation)."""
    atlases = [load_atlas(name) for name in _shipped_tables()]
    rows = [(len(atlas), atlas._network_count(), atlas.regions["source"].iloc[0]) for atlas in atlases]
    index = pd.Index([atlas.name for atlas in atlases], name="name")
    return pd.DataFrame(rows, index=index, columns=["regions", "networks", "source"])


def _shipped_tables() -> dict:
    """The shipped tables by name, sorted; a file of the package ``graphfuse.atlases`` each."""
    tables = [entry for entry in resources.files("graphfuse.atlases").iterdir() if entry.name.endswith(".tsv")]
    return {table.name.removesuffix(".tsv"): table for table in sorted(tables, key=lambda table: table.name)}


def _read_table(path) -> pd.DataFrame:
    """Read a table as text, so that a region called NA stays a name; its first column becomes the index."""
    separator = _SEPARATORS["." + path.name.rpartition(".")[2].lower()]
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = [row for row in csv.reader(file, delimiter=separator) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise _unreadable(path, error) from error
    header, *cells = rows or [[]]
    ragged = [number for number, row in enumerate(cells, start=1) if len(row) != len(header)]
    if not header or ragged:  # pandas would fill or cut such rows without a word
        raise _unreadable(path, f"row {ragged[0]} does not have {len(header)} cells" if header else "it is empty")
    if len(set(header)) < len(header):
        raise _unreadable(path, "two columns share a name")
    return pd.DataFrame(cells, columns=header).set_index(header[0])


def _unreadable(path, why) -> UnreadableFile:
    reason = " ".join(str(why).split()).rstrip(".")
    return UnreadableFile(f"{path.name!r} must be a whole UTF-8 table with a header; {reason}. Check path and file.")


def _checked_regions(name: str, regions: pd.DataFrame) -> pd.DataFrame:
    """Return a fresh, complete table of the columns in order, or say what is wrong with it."""
    names = _checked_names(name, regions.index)
    absent = [axis for axis in "xyz" if axis not in regions.columns]
    if absent:
        raise InvalidOption(f"Atlas {name!r} needs the columns x, y, z [MNI mm]; it lacks {', '.join(absent)}.")
    complete = regions.copy()
    complete.index = names
    for column in ("x", "y", "z"):
        complete[column] = _numbers(name, regions, column, empty=np.nan)
    for column in ("network", "source", "hemisphere"):
        complete[column] = _texts(regions, column)
    complete["hemisphere"] = _hemispheres(name, complete)
    complete["label"] = _labels(name, regions)
    others = [column for column in complete.columns if column not in _COLUMNS]
    return complete[_COLUMNS + others]


def _checked_names(name: str, index: pd.Index) -> pd.Index:
    """The region names as text; none may be empty or stand twice, and there must be one at least."""
    names = pd.Index([str(region).strip() for region in index], name="region")
    if len(names) == 0:
        raise InvalidOption(f"Atlas {name!r} must have at least one region; its table has no rows.")
    if (names == "").any() or index.hasnans:
        raise InvalidOption(f"Atlas {name!r} must name every region; a name is empty. Fill in the first column.")
    if not names.is_unique:
        twice = names[names.duplicated()][0]
        raise InvalidOption(f"Atlas {name!r} must name each region once; {twice!r} stands twice. Rename or drop one.")
    return names


def _numbers(name: str, regions: pd.DataFrame, column: str, empty: float) -> np.ndarray:
    """A column as finite float64, `empty` where a cell is blank, ``n/a`` or NaN."""
    cells = _texts(regions, column)
    blank = np.isin(np.char.lower(cells), ["", "n/a", "nan"])
    values = pd.to_numeric(pd.Series(np.where(blank, "0", cells)), errors="coerce").to_numpy(dtype=float)
    if not np.isfinite(values).all():
        wrong = cells[~np.isfinite(values)][0]
        raise InvalidOption(f"Column {column!r} of atlas {name!r} must be finite numbers; got {str(wrong)!r}.")
    return np.where(blank, empty, values)


def _texts(regions: pd.DataFrame, column: str) -> np.ndarray:
    """A column as stripped text, "" where it is absent or a cell is missing."""
    if column not in regions.columns:
        return np.full(len(regions), "")
    cells = regions[column]
    return np.array([str(cell).strip() if known else "" for cell, known in zip(cells, cells.notna(), strict=True)])


def _hemispheres(name: str, regions: pd.DataFrame) -> np.ndarray:
    """L, R or M as given; where nothing is given, by the sign of x, and "" where x is unknown too."""
    given, x = regions["hemisphere"].to_numpy(dtype=str), regions["x"].to_numpy()
    wrong = set(given) - {"L", "R", "M", ""}
    if wrong:
        raise InvalidOption(f"Column 'hemisphere' of atlas {name!r} must hold L, R or M; got {str(min(wrong))!r}.")
    by_sign = np.select([x < 0, x > 0, x == 0], ["L", "R", "M"], default="")
    return np.where(given == "", by_sign, given)


def _labels(name: str, regions: pd.DataFrame) -> np.ndarray:
    """The values in the label volume as int64, -1 where there is none, otherwise each once."""
    labels = _numbers(name, regions, "label", empty=-1)
    known = labels[labels != -1]
    if (labels != np.round(labels)).any() or (known < 1).any() or len(np.unique(known)) < len(known):
        raise InvalidOption(
            f"Column 'label' of atlas {name!r} must hold whole numbers from 1, each once (-1 where there is none)."
        )
    return labels.astype(np.int64)


def _positions(rows, names: list[str]) -> np.ndarray:
    """Turn any way to pick regions into their positions, (n,) int."""
    if isinstance(rows, slice):
        return np.arange(len(names))[rows]
    rows = np.atleast_1d(np.asarray(rows))
    if rows.dtype == bool:
        return np.flatnonzero(check_shape("a mask over regions", rows, (len(names),)))
    if rows.dtype.kind in "UTO":
        return _named(rows.tolist(), names)
    return _inside(rows, len(names))


def _named(wanted: list[str], names: list[str]) -> np.ndarray:
    """Look up region names; an unknown one is answered with the nearest."""
    place = {region: i for i, region in enumerate(names)}
    unknown = next((region for region in wanted if region not in place), None)
    if unknown is not None:
        near = get_close_matches(str(unknown), names, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else " See atlas.names."
        raise InvalidOption(f"The atlas has no region {unknown!r}.{hint}")
    return np.array([place[region] for region in wanted], dtype=int)


def _inside(rows: np.ndarray, length: int) -> np.ndarray:
    """Check that integer positions lie inside the atlas; negative ones count from the end."""
    if rows.size and (rows.dtype.kind not in "iu" or rows.min() < -length or rows.max() >= length):
        raise InvalidOption(f"Positions of regions must be whole numbers from {-length} to {length - 1}.")
    return rows.astype(int)
