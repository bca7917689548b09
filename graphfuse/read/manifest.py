"""cohort.toml: what a cohort is made of.

Every path is relative to `root`, and `root` to the folder of the manifest. Example::

    table = "participants.csv"          # tab, ; or , separated, a header line, a row a subject
    root = "."
    id = "SUB_ID"                       # a string always: 0050003 is not 50003
    target = "DX_GROUP"                 # rows without a label are excluded and counted
    classes = { autism = 1, control = 2 }   # name = code or list of codes in the table
    positive = "autism"                 # the class that sensitivity speaks of
    site = "SITE_ID"
    group = "FAMILY"                    # who must stay on one side of every split
    confounds = ["AGE_AT_SCAN", "SEX"]  # also fmri_frames, the length of each scan of [signals.fmri]
    missing = [-9999]                   # besides blank, n/a, NA and NaN
    subjects = "subset.txt"             # only these: a file with one id a line, or a list
    decimal = "."                       # where points and commas are ambiguous
    encoding = "utf-8"                  # of a table that is neither UTF-8 nor marked UTF-16
    escaped = false                     # true: a leading apostrophe marks text that a spreadsheet would run

    [files]
    regions = "mask"                    # unusable regions: mask, exclude-subject, drop-region (everywhere)
    allow_missing = true                # false: a subject needs every modality
    allow_extra = false                 # true: ids of a source that no row has are left out
    sha256 = "SHA256SUMS"               # what sha256sum wrote: every file must be, byte for byte, the one declared

    [signals.fmri]
    kind = "timeseries"                 # timeseries, nifti, connectivity: one file a subject
    path = "cpac/{FILE_ID}_rois_ho.1D"  # {column} of the table, or {id}
    atlas = "harvard-oxford-110"        # a shipped name or a table of your own
    t_r = 2.0                           # [s]; or a column, "{id}.json", { file = "tr.csv" }, { NYU = 2.0, ... } by site
    differs_by_site = false             # true: that sites differ in frames is known, and not warned of

    [signals.smri]
    kind = "freesurfer"                 # one wide table, or a list (hemispheres, measures)
    path = "freesurfer/desikan.csv"
    atlas = "desikan-killiany-68"
    id = "SUB_ID"                       # default: the first column
    match = "digits"                    # ids by their digits, without leading zeros

    [signals.aseg]
    kind = "vector"                     # one wide table (or with a placeholder, one file a subject)
    path = "freesurfer/aseg.csv"

The keys of each kind are in `KINDS`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from graphfuse._check import check_option
from graphfuse.errors import ManifestError, UnreadableFile
from graphfuse.read.limits import SIDECAR_BYTES, check_size
from graphfuse.read.regions import POLICIES

_NUMBER, _TEXTS = (int, float), (str, list)
_TOP = {
    "table": str, "root": str, "id": str, "target": str, "classes": dict, "positive": str, "site": str, "group": str,
    "confounds": list, "missing": list, "subjects": _TEXTS, "decimal": str, "encoding": str, "files": dict,
    "signals": dict, "escaped": bool,
}  # fmt: skip
_FILES = {"regions": str, "allow_missing": bool, "allow_extra": bool, "sha256": str}
_ANY = {"kind": str, "path": str, "match": str}
_WIDE = {"id": str, "decimal": str, "encoding": str}
_TIMED = {"atlas": str, "t_r": (*_NUMBER, str, dict), "min_frames": int, "differs_by_site": bool}
KINDS = {
    "timeseries": _ANY | _TIMED | {"transposed": bool, "variable": str},
    "nifti": _ANY | _TIMED | {
        "labels": str, "radius": _NUMBER, "confounds": _TEXTS, "standardize": bool, "detrend": bool,
        "low_pass": _NUMBER, "high_pass": _NUMBER,
    },
    "freesurfer": _ANY | _WIDE | {"path": _TEXTS, "atlas": str},
    "connectivity": _ANY | {"atlas": str, "symmetrise": bool, "variable": str},
    "vector": _ANY | _WIDE | {"path": _TEXTS, "columns": list, "variable": str},
}  # fmt: skip
_NEEDS_ATLAS = ("nifti", "freesurfer")


@dataclass(frozen=True)
class SignalBlock:
    """One checked ``[signals.NAME]`` block: its name, kind, path and the options that `KINDS` allows."""

    name: str
    kind: str
    path: str | list[str]
    match: str = "exact"
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def source(self) -> str:
        """What messages call it."""
        return f"signals.{self.name}"


@dataclass(frozen=True)
class Manifest:
    """A checked cohort.toml; see the module for what each field means.

    Parameters
    ----------
    root : Path
        Absolute folder of all paths.
    classes : dict of str to list
        Codes of each class, the positive class last.
    """

    root: Path
    table: str
    id: str
    signals: tuple[SignalBlock, ...]
    target: str | None = None
    classes: Mapping[str, list] = field(default_factory=dict)
    site: str | None = None
    group: str | None = None
    confounds: tuple[str, ...] = ()
    missing: tuple = ()
    subjects: str | list[str] | None = None
    decimal: str | None = None
    encoding: str | None = None
    regions: str = "mask"
    allow_missing: bool = True
    allow_extra: bool = False
    sha256: str | None = None
    escaped: bool = False

    @property
    def sums(self) -> Path | None:
        """The file of declared sha256 sums, if there is one."""
        return None if self.sha256 is None else self.root / self.sha256

    @property
    def frame_columns(self) -> dict[str, str]:
        """Signal of each confound that is the length of a scan in frames: ``fmri_frames`` is that of ``fmri``."""
        return {f"{block.name}_frames": block.name for block in self.signals if block.kind in ("timeseries", "nifti")}


def load_manifest(path: str | Path, root: str | Path | None = None) -> Manifest:
    """Read and check a cohort.toml.

    Parameters
    ----------
    path : str or Path
    root : str or Path or None
        Folder of the data; overrides the manifest's own `root`.

    Raises
    ------
    UnreadableFile
        There is no such file.
    ManifestError
        Not TOML, an unknown key (the nearest known one is named), a key that is absent or of the wrong type.
    """
    path = Path(path)
    check_size(path, SIDECAR_BYTES, "manifest")
    try:
        content = tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise UnreadableFile(
            f"The manifest {path.name!r} cannot be opened: {error.strerror}. Check its path."
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ManifestError(
            f"{path.name} is not valid TOML: {' '.join(str(error).split())}. Mend that line."
        ) from error
    return parse_manifest(content, path.parent / content.get("root", ".") if root is None else root)


def parse_manifest(content: Mapping[str, Any], root: str | Path) -> Manifest:
    """Check the content of a cohort.toml, given as a dict, for data that lie under `root`."""
    root = Path(root).expanduser().absolute()
    _check_block(content, _TOP, "the manifest", needed=("table", "id", "signals"))
    files = content.get("files", {})
    _check_block(files, _FILES, "[files]")
    check_option("[files] regions", files.get("regions", "mask"), POLICIES)
    _check_decimal(content)
    if not root.is_dir():
        raise ManifestError("root must be a folder that exists. Check root in the manifest, or give another.")
    signals = tuple(_signal(name, block) for name, block in content["signals"].items())
    if not signals:
        raise ManifestError("The manifest needs at least one [signals.NAME] block.")
    plain = ("table", "id", "target", "site", "group", "subjects", "decimal", "encoding", "escaped")
    taken = {key: content[key] for key in plain if key in content}
    tuples = {key: tuple(content.get(key, ())) for key in ("confounds", "missing")}
    return Manifest(root=root, signals=signals, classes=_classes(content), **taken, **tuples, **files)


def _signal(name: str, block: Any) -> SignalBlock:
    where = f"[signals.{name}]"
    if not isinstance(block, dict) or "kind" not in block:
        raise ManifestError(f"{where} needs a kind: one of {', '.join(KINDS)}.")
    kind = check_option(f"{where} kind", block["kind"], KINDS)
    _check_block(block, KINDS[kind], where, needed=("path", "atlas") if kind in _NEEDS_ATLAS else ("path",))
    check_option(f"{where} match", block.get("match", "exact"), ("exact", "digits"))
    _check_decimal(block)
    options = {key: value for key, value in block.items() if key not in _ANY}
    return SignalBlock(name, kind, block["path"], block.get("match", "exact"), options)


def _classes(content: Mapping[str, Any]) -> dict[str, list]:
    """The class coding with the positive class last."""
    if "target" not in content:
        return {}
    coding = {name: codes if isinstance(codes, list) else [codes] for name, codes in content.get("classes", {}).items()}
    if len(coding) < 2:
        raise ManifestError(
            "target needs a class coding of at least two classes, for example classes = { patient = 1, control = 2 }."
        )
    positive = content.get("positive")
    if positive not in coding:
        raise ManifestError(f"positive must name one of the classes {', '.join(coding)}; got {positive!r}.")
    return {name: coding[name] for name in sorted(coding, key=lambda name: name == positive)}


def _check_block(block: Mapping, known: Mapping[str, Any], where: str, needed: tuple[str, ...] = ()) -> None:
    for key, value in block.items():
        if key not in known:
            near = get_close_matches(key, list(known), n=1)
            hint = f"Did you mean {near[0]!r}?" if near else f"Known keys: {', '.join(known)}."
            raise ManifestError(f"{where} has an unknown key {key!r}. {hint}")
        types = known[key] if isinstance(known[key], tuple) else (known[key],)
        if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
            wanted = " or ".join(kind.__name__ for kind in types)
            raise ManifestError(f"{where}: {key} must be {wanted}; got {type(value).__name__}.")
    absent = [key for key in needed if key not in block]
    if absent:
        raise ManifestError(f"{where} lacks {', '.join(absent)}. Add it.")


def _check_decimal(block: Mapping[str, Any]) -> None:
    check_option("decimal", block.get("decimal", "."), (".", ","))
