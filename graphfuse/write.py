"""A cohort to files: what `read_cohort` reads, all of it or nothing."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path
from uuid import uuid4

import numpy as np
import pandas as pd

from graphfuse.atlas import Atlas, list_atlases
from graphfuse.cohort import Cohort
from graphfuse.errors import InvalidOption, UnreadableFile
from graphfuse.read.cells import write_text_table
from graphfuse.signal import Signal
from graphfuse.simulate import Simulation


def write_cohort(source: Cohort | Simulation, out: str | Path) -> Path:
    """Write a cohort as a folder that ``read_cohort(OUT/cohort.toml)`` reads back with the same values.

    ``participants.tsv``; for each time series or connectivity signal a folder of ``ID.npy``, for measures and vectors
    a wide ``NAME.csv``; an atlas that is not shipped as a table; of a simulation also ``truth.tsv`` (modality,
    region_a, region_b; region_b is n/a where a region rather than an edge was planted). Text that a spreadsheet would
    run has a leading apostrophe, which ``escaped = true`` in the manifest takes off again.

    Parameters
    ----------
    source : Cohort or Simulation
    out : path
        A folder that is not there yet, or is empty.

    Returns
    -------
    Path
        The manifest, ``OUT/cohort.toml``.

    Raises
    ------
    InvalidOption
        `out` holds something, an id cannot be a file name, t_r differs within a site, or a signal is a volume.
    UnreadableFile
        The folder cannot be written.
    """
    cohort = source.cohort if isinstance(source, Simulation) else source
    out = Path(out).absolute()
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InvalidOption(f"The output folder {out.name!r} must be new or empty; it is not. Name another one.")
    _check_file_names(cohort.subjects)
    draft = out.with_name(f".{out.name}.{uuid4().hex}")
    try:
        draft.mkdir(parents=True)
        _write_all(cohort, source, draft)
        os.replace(draft, out)
    except OSError as error:
        raise UnreadableFile(f"The output folder {out.name!r} cannot be written: {error.strerror}.") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return out / "cohort.toml"


def _write_all(cohort: Cohort, source: Cohort | Simulation, folder: Path) -> None:
    text = _head(cohort)
    write_text_table(cohort.phenotypes.rename_axis(_id_column(cohort)), folder / "participants.tsv", sep="\t")
    for name, signal in cohort.signals.items():
        text += _write_signal(name, signal, cohort, folder)
    if isinstance(source, Simulation):
        text = f"# Simulated. An oracle who knows what was planted has an AUC of {source.oracle_auc:.4f}.\n{text}"
        write_text_table(_truth(source), folder / "truth.tsv", sep="\t", index=False)
    (folder / "cohort.toml").write_text(text, encoding="utf-8")


def _head(cohort: Cohort) -> str:
    """The keys of the manifest that do not belong to a signal."""
    lines = {"table": "participants.tsv", "id": _id_column(cohort)}
    if cohort.target:
        lines |= {"target": cohort.target, "positive": cohort.classes[-1]}
    lines |= {key: getattr(cohort, key) for key in ("site", "group") if getattr(cohort, key)}
    text = "".join(f"{key} = {_quote(value)}\n" for key, value in lines.items())
    if cohort.target:
        text += f"classes = {{ {', '.join(f'{_key(name)} = {_quote(name)}' for name in cohort.classes)} }}\n"
    return text + f"confounds = [{', '.join(map(_quote, cohort.confounds))}]\nescaped = true\n"


def _write_signal(name: str, signal: Signal, cohort: Cohort, folder: Path) -> str:
    """Write one modality; return its block of the manifest."""
    if signal.kind == "volume":
        raise InvalidOption(f"signals[{name!r}] is a volume; volumes stay NIfTI files. Leave it out of the cohort.")
    single = signal.kind in ("timeseries", "connectivity")
    kind = "freesurfer" if signal.kind == "measures" else signal.kind
    block = f"\n[signals.{_key(name)}]\nkind = {_quote(kind)}\n"
    if single:
        (folder / name).mkdir()
        for i in np.flatnonzero(signal.present):
            np.save(folder / name / f"{cohort.subjects[i]}.npy", np.asarray(signal[int(i)]))
        block += f"path = {_quote(name + '/{' + _id_column(cohort) + '}.npy')}\n"
    else:
        write_text_table(_wide(signal, cohort), folder / f"{name}.csv", float_format="%.9g")
        block += f"path = {_quote(name + '.csv')}\n"
    if signal.atlas is not None and signal.kind != "vector":
        block += f"atlas = {_quote(_write_atlas(signal.atlas, folder))}\n"
    if signal.kind == "timeseries" and cohort.site is not None:
        block += "differs_by_site = true\n"  # it was in memory as it is: nothing here is news
    return block + _repetition_times(name, signal, cohort)


def _wide(signal: Signal, cohort: Cohort) -> pd.DataFrame:
    """A row a measured subject; columns ``REGION_MEASURE`` or the names of a vector's entries."""
    values = signal.stack()
    columns = list(signal.columns) or [f"entry {p}" for p in range(values.shape[-1])]
    if signal.kind == "measures":
        columns = [f"{region}_{measure}" for region in signal.names for measure in columns]
    index = cohort.subjects[signal.present].rename(_id_column(cohort))
    return pd.DataFrame(values.reshape(len(values), -1), index=index, columns=columns)


def _write_atlas(atlas: Atlas, folder: Path) -> str:
    """The shipped name of an atlas, or the name of the table that was written for it."""
    if atlas.name in list_atlases().index:
        return atlas.name
    atlas.regions.to_csv(folder / f"{atlas.name}.tsv", sep="\t")
    return f"{atlas.name}.tsv"


def _repetition_times(name: str, signal: Signal, cohort: Cohort) -> str:
    """The ``t_r`` line of a time series: one number, or a table by site."""
    if signal.kind != "timeseries" or signal.t_r is None or np.isnan(signal.t_r).all():
        return ""
    if len(np.unique(signal.t_r)) == 1:
        return f"t_r = {float(signal.t_r[0])}\n"
    by_site = pd.Series(signal.t_r).groupby(cohort.sites.to_numpy()).unique()
    if cohort.site is None or (by_site.map(len) > 1).any() or np.isnan(signal.t_r).any():
        raise InvalidOption(f"signals[{name!r}]: t_r must be one number for every site. Write these sites apart.")
    return "t_r = { " + ", ".join(f"{_key(site)} = {float(t[0])}" for site, t in by_site.items()) + " }\n"


def _truth(simulation: Simulation) -> pd.DataFrame:
    regions = simulation.planted_regions.rename(columns={"region": "region_a"})
    return pd.concat([regions, simulation.planted_edges], ignore_index=True)


def _check_file_names(subjects: pd.Index) -> None:
    for subject in subjects:
        if not re.fullmatch(r"[\w-][\w .-]*", subject):
            raise InvalidOption(
                "An id must be letters, digits, blanks, dots, - and _ to name a file; one is not. Rename it.",
                subject=subject,
            )


def _id_column(cohort: Cohort) -> str:
    return str(cohort.subjects.name or "subject")


def _quote(text) -> str:
    return json.dumps(str(text), ensure_ascii=False)


def _key(name) -> str:
    return str(name) if re.fullmatch(r"[A-Za-z0-9_-]+", str(name)) else _quote(name)
