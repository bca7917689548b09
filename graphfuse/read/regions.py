"""The columns of a file in the order of the atlas, and what becomes of regions that cannot be used."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np

from graphfuse._check import check_option
from graphfuse.atlas import Atlas
from graphfuse.errors import AtlasMismatch, UnreadableFile, UnusableRegion
from graphfuse.signal import Signal

POLICIES = ("mask", "exclude-subject", "drop-region")


def plain_name(name: str) -> str:
    """A region's name without case, spaces and marks: ``lh_G&S_cingul-Ant`` is ``lhgandscingulant``."""
    return re.sub(r"[\W_]+", "", name.replace("&", "and").lower())


def find_columns(header: list[str], atlas: Atlas) -> np.ndarray:
    """Where each region of the atlas stands in a header of label values or names, (R,) int; -1 where it is absent.

    Raises
    ------
    UnreadableFile
        A label or name that stands twice.
    AtlasMismatch
        Less than half of the atlas is in the header, or the header only counts columns and the count differs from R.
    """
    labels = [str(label) for label in atlas.regions["label"]]
    by_label = _places([_whole(name) for name in header], labels)
    by_name = _places([plain_name(name) for name in header], [plain_name(name) for name in atlas.names])
    if _counts(header) and not (set(labels) <= set(header)):
        if len(header) != len(atlas):
            raise _mismatch(len(header), atlas)
        return np.arange(len(atlas))
    best = max(by_name, by_label, key=lambda places: (places >= 0).sum())
    if (best >= 0).sum() * 2 < len(atlas):
        raise AtlasMismatch(
            f"The header has {int((best >= 0).sum())} of the {len(atlas)} regions of atlas {atlas.name!r}, by label "
            "value or name. Name the atlas that the data were extracted with."
        )
    return best


def place_regions(array: np.ndarray, header: list[str] | None, atlas: Atlas | None) -> np.ndarray:
    """Columns in the order of the atlas, (T, R); unlabelled ones are dropped, absent ones are NaN.

    Raises
    ------
    AtlasMismatch, UnreadableFile
    """
    if atlas is None:
        return array
    if header is None:
        if array.shape[1] != len(atlas):
            raise _mismatch(array.shape[1], atlas)
        return array
    places = find_columns(header, atlas)
    out = np.full((len(array), len(atlas)), np.nan)  # (T, R)
    out[:, places >= 0] = array[:, places[places >= 0]]
    return out


def apply_policy(signal: Signal, policy: str) -> tuple[Signal, dict[int, UnusableRegion]]:
    """Apply the policy for unusable regions: the signal, and the subjects who must go with the reason.

    Parameters
    ----------
    signal : Signal
    policy : str
        ``mask`` (keep them masked), ``exclude-subject``, or ``drop-region`` (from all subjects and the atlas). A
        subject without one usable region goes under every policy.

    Raises
    ------
    UnusableRegion
        ``drop-region`` would leave no region.
    """
    check_option("regions", policy, POLICIES)
    if signal.usable is None or not signal.present.any():
        return signal, {}
    bad = signal.present & (~signal.usable.any(1) if policy != "exclude-subject" else ~signal.usable.all(1))
    faults = {int(i): _unusable(signal, int(i)) for i in np.flatnonzero(bad)}
    if policy == "drop-region":
        rest = signal.present & ~bad
        signal = drop_regions(signal, signal.usable[rest].all(0)) if rest.any() else signal
    return signal, faults


def drop_regions(signal: Signal, keep: np.ndarray) -> Signal:
    """The signal on the regions where `keep`, (R,) bool, is true."""
    if not keep.any():
        raise UnusableRegion("Every region is unusable in some subject; drop-region would leave none. Use mask.")
    if keep.all():
        return signal
    data = signal.data[:, keep]
    if signal.kind == "timeseries":
        data = signal.data[..., keep]
    elif signal.kind == "connectivity":
        data = signal.data[:, keep][:, :, keep]
    atlas = None if signal.atlas is None else signal.atlas.subset(np.flatnonzero(keep))
    return replace(signal, data=data, usable=signal.usable[:, keep], atlas=atlas)


def _unusable(signal: Signal, i: int) -> UnusableRegion:
    names = [signal.names[r] for r in np.flatnonzero(~signal.usable[i])]
    shown = ", ".join(names[:3]) + (" ..." if len(names) > 3 else "")
    return UnusableRegion(
        f"{len(names)} of {signal.n_regions} regions are constant, absent or not finite ({shown}). "
        "Extract them again or leave the subject out."
    )


def _whole(name: str) -> str:
    return re.sub(r"\.0+$", "", name)


def _counts(header: list[str]) -> bool:
    """Whether a header only numbers its columns: 0, 1, 2 ... or 1, 2, 3 ..."""
    return header in ([str(i) for i in range(len(header))], [str(i + 1) for i in range(len(header))])


def _places(found: list[str], wanted: list[str]) -> np.ndarray:
    places = {name: i for i, name in enumerate(found)}
    if len(places) < len(found) and any(found.count(name) > 1 for name in set(wanted) & set(found)):
        raise UnreadableFile("The header names a region twice. Keep one column a region.")
    return np.array([places.get(name, -1) for name in wanted])


def _mismatch(got: int, atlas: Atlas) -> AtlasMismatch:
    return AtlasMismatch(
        f"The file has {got} columns; atlas {atlas.name!r} has {len(atlas)} regions. Name the atlas that the data were "
        "extracted with, or give the columns a header of label values."
    )
