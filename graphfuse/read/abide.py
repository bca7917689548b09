"""ABIDE I as nilearn's fetch_abide_pcp leaves it on disk.

Di Martino et al. 2014, doi:10.1038/mp.2013.78; Craddock et al. 2013 (Preprocessed Connectomes Project),
doi:10.3389/conf.fninf.2013.09.00041.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from graphfuse._check import check_option
from graphfuse.cohort import Cohort
from graphfuse.errors import UnreadableFile
from graphfuse.read.build import build_cohort
from graphfuse.read.manifest import parse_manifest

TABLE = "Phenotypic_V1_0b_preprocessed1.csv"
SUFFIX = {"harvard-oxford-110": "rois_ho", "cc200": "rois_cc200", "aal-116": "rois_aal",
          "dosenbach-160": "rois_dosenbach160"}  # fmt: skip
# Repetition time by site [s], from the scan parameters that ABIDE publishes.
SITE_T_R = {
    "CALTECH": 2.0, "CMU": 2.0, "KKI": 2.5, "LEUVEN_1": 1.667, "LEUVEN_2": 1.667, "MAX_MUN": 3.0, "NYU": 2.0,
    "OHSU": 2.5, "OLIN": 1.5, "PITT": 1.5, "SBL": 2.2, "SDSU": 2.0, "STANFORD": 2.0, "TRINITY": 2.0, "UCLA_1": 3.0,
    "UCLA_2": 3.0, "UM_1": 2.0, "UM_2": 2.0, "USM": 2.0, "YALE": 2.0,
}  # fmt: skip


def load_abide(
    directory: str | Path,
    atlas: str = "harvard-oxford-110",
    smri: str | Path | bool | None = None,
    aseg: str | Path | None = None,
    smri_atlas: str = "desikan-killiany-68",
    pipeline: str = "cpac",
    strategy: str | None = None,
    t_r: float | str | Path | Mapping[str, float] | None = None,
    subjects: Sequence[str] | str | Path | None = None,
    regions: str = "mask",
    strict: bool = False,
) -> Cohort:
    """Load ABIDE I from the layout of nilearn's ``fetch_abide_pcp``; classes control and autism (positive).

    Parameters
    ----------
    directory : str or Path
        The folder ``ABIDE_pcp``, or the one that holds it.
    atlas : str
        A key of `SUFFIX`.
    smri : str or Path or bool or None
        Table of an aparc parcellation; None: ``freesurfer/desikan.csv`` beside ``ABIDE_pcp``, if there; False: none.
    aseg : str or Path or None
        Table of subcortical volumes, read as a vector.
    smri_atlas : str
        Atlas of `smri`.
    pipeline, strategy : str
        Folders below ``ABIDE_pcp``; strategy None: the only one there, else ``nofilt_noglobal``.
    t_r : float, str, Path, mapping or None
        [s], a table of site and TR, or TR by site; None: the published `SITE_T_R`.
    subjects : sequence of str, str, Path or None
        Only these ids, or a text file with one id a line.
    regions, strict
        As in `read_cohort`.

    Raises
    ------
    UnreadableFile
        The folder is not laid out so. Else as `read_cohort`.

    References
    ----------
    Di Martino et al. 2014, doi:10.1038/mp.2013.78.
    """
    check_option("atlas", atlas, SUFFIX)
    home = _find_home(Path(directory).expanduser().absolute())
    signals = {"fmri": _fmri(home, atlas, pipeline, strategy, t_r)}
    beside = home.parent / "freesurfer" / "desikan.csv"
    if smri is None or smri is True:
        smri = beside if smri or beside.is_file() else None
    if smri:
        signals["smri"] = {"kind": "freesurfer", "path": _absolute(smri), "atlas": smri_atlas}
    if aseg:
        signals["aseg"] = {"kind": "vector", "path": _absolute(aseg)}
    content = {
        "table": TABLE, "id": "SUB_ID", "target": "DX_GROUP", "classes": {"autism": 1, "control": 2},
        "positive": "autism", "site": "SITE_ID", "missing": [-9999, "no_filename"], "files": {"regions": regions},
        "confounds": ["AGE_AT_SCAN", "SEX", "func_mean_fd", "func_perc_fd"], "signals": signals,
    }  # fmt: skip
    if subjects is not None:
        listed = isinstance(subjects, (str, Path))
        content["subjects"] = _absolute(subjects) if listed else [str(subject) for subject in subjects]
    return build_cohort(parse_manifest(content, home), strict)


def fetch_abide(
    data_dir: str | Path | None = None,
    atlas: str = "harvard-oxford-110",
    pipeline: str = "cpac",
    band_pass_filtering: bool = False,
    global_signal_regression: bool = False,
    n_subjects: int | None = None,
    quality_checked: bool = False,
    **options,
) -> Cohort:
    """Download ABIDE I with nilearn's ``fetch_abide_pcp``, then `load_abide` it.

    Parameters
    ----------
    data_dir : str or Path or None
        Where nilearn keeps its data; None: nilearn's own choice.
    atlas, pipeline : str
        As in `load_abide`.
    band_pass_filtering, global_signal_regression, n_subjects, quality_checked
        As in nilearn, except that all subjects are taken, not only the quality-checked.
    **options
        Passed to `load_abide`.
    """
    from nilearn.datasets import fetch_abide_pcp, get_data_dirs

    suffix = SUFFIX[check_option("atlas", atlas, SUFFIX)]
    fetch_abide_pcp(
        data_dir=None if data_dir is None else str(data_dir), n_subjects=n_subjects, pipeline=pipeline,
        band_pass_filtering=band_pass_filtering, global_signal_regression=global_signal_regression,
        derivatives=[suffix], quality_checked=quality_checked,
    )  # fmt: skip
    strategy = ("filt" if band_pass_filtering else "nofilt") + ("_global" if global_signal_regression else "_noglobal")
    homes = [Path(folder) for folder in get_data_dirs(None if data_dir is None else str(data_dir))]
    home = next((folder for folder in homes if (folder / "ABIDE_pcp" / TABLE).is_file()), None)
    if home is None:
        raise UnreadableFile(f"nilearn left no ABIDE_pcp/{TABLE} in its data folders. Give data_dir.")
    return load_abide(home, atlas, pipeline=pipeline, strategy=strategy, **options)


def _find_home(directory: Path) -> Path:
    for home in (directory, directory / "ABIDE_pcp"):
        if (home / TABLE).is_file():
            return home
    raise UnreadableFile(f"Expected {TABLE} in the folder or in its ABIDE_pcp. Give the folder that nilearn left.")


def _fmri(home: Path, atlas: str, pipeline: str, strategy: str | None, t_r) -> dict:
    folder = home / check_option("pipeline", pipeline, [entry.name for entry in home.iterdir() if entry.is_dir()])
    there = sorted(entry.name for entry in folder.iterdir() if entry.is_dir())
    if strategy is None:
        strategy = there[0] if len(there) == 1 else "nofilt_noglobal"
    check_option("strategy", strategy, there)
    if isinstance(t_r, (str, Path)):
        t_r = {"file": _absolute(t_r)}
    return {
        "kind": "timeseries", "path": f"{pipeline}/{strategy}/{{FILE_ID}}_{SUFFIX[atlas]}.1D", "atlas": atlas,
        "t_r": SITE_T_R if t_r is None else t_r,
    }  # fmt: skip


def _absolute(path: str | Path) -> str:
    return str(Path(path).expanduser().absolute())
