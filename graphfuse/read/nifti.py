"""NIfTI runs to regional time series, through nilearn's label and sphere maskers."""

from __future__ import annotations

import glob
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np

from graphfuse._check import check_option
from graphfuse.atlas import Atlas
from graphfuse.errors import AtlasMismatch, ManifestError, UnreadableFile
from graphfuse.read.image import load_run
from graphfuse.read.placement import check_gaps, count_in_spheres, place_labels, split_gaps
from graphfuse.read.series import check_frames

STRATEGY = ("motion", "wm_csf", "high_pass")
STRATEGIES = ("motion", "wm_csf", "global_signal", "compcor", "ica_aroma", "scrub", "high_pass", "non_steady_state")


class Run(NamedTuple):
    """What a 4D run gives: means, repetition time, whether confounds were regressed out, how far the atlas was moved.

    Parameters
    ----------
    series : array (T, R) float32
    t_r : float
        [s], NaN where unknown.
    cleaned : bool
    overlap : float or None
        Share of the atlas inside the run; None where nothing had to be moved.
    """

    series: np.ndarray
    t_r: float
    cleaned: bool
    overlap: float | None = None


def read_run(
    path: Path,
    atlas: Atlas,
    t_r: float | None = None,
    radius: float = 5.0,
    confounds: tuple[str, ...] | None = None,
    standardize: bool = False,
    detrend: bool = True,
    low_pass: float | None = None,
    high_pass: float | None = None,
    min_frames: int = 30,
) -> Run:
    """Read one 4D run as the means of its regions.

    Columns keep the order of the atlas: a region that the image does not hold is NaN, never left out. Voxels that are
    not finite are left out of the means; a region may lose a twentieth of its voxels so. A label volume on another
    grid is moved onto the run's (`place_labels`).

    Parameters
    ----------
    path : Path
        A .nii or .nii.gz; the whole stream is read, so that a torn file is found here.
    atlas : Atlas
        With an image: means over its label values. Without: spheres at its coordinates.
    t_r : float or None
        [s]; None: from the header.
    radius : float
        Of the spheres [mm].
    confounds : tuple of str or None
        fMRIPrep strategy. None: `STRATEGY` where the confounds lie beside the run, else nothing.
    standardize, detrend, low_pass, high_pass
        As nilearn's maskers; [Hz].
    min_frames : int

    Raises
    ------
    UnreadableFile, AtlasMismatch, ShortSeries, ManifestError
    NonFinite
        More than a twentieth of a region's voxels is NaN or infinite.
    """
    image = load_run(path)
    check_frames(image.shape[3], min_frames)
    t_r = _repetition_time(image) if t_r is None or np.isnan(t_r) else float(t_r)
    if (low_pass or high_pass) and np.isnan(t_r):
        raise ManifestError("A filter needs the repetition time, and the header has none. Give t_r [s].")
    regressors, sample_mask = load_run_confounds(path, confounds)
    options = {"standardize": "zscore_sample" if standardize else None, "detrend": detrend, "low_pass": low_pass,
               "high_pass": high_pass, "t_r": None if np.isnan(t_r) else t_r}  # fmt: skip
    extract = _extract_labels if atlas.image is not None else _extract_spheres
    series, overlap = extract(image, atlas, radius, options, {"confounds": regressors, "sample_mask": sample_mask})
    check_frames(len(series), min_frames)
    return Run(series.astype(np.float32), t_r, regressors is not None, overlap)


def _repetition_time(image) -> float:
    zooms = image.header.get_zooms()
    t_r = float(zooms[3]) if len(zooms) > 3 else 0.0
    if image.header.get_xyzt_units()[1] == "msec":
        t_r /= 1000
    return t_r if 0 < t_r <= 20 else np.nan


def load_run_confounds(path: Path, strategy: tuple[str, ...] | None):
    """fMRIPrep regressors (T, P) and the frames to keep; (None, None) where there is no file and none was asked for."""
    beside = glob.glob(glob.escape(_stem(path)) + "*_desc-confounds_*.tsv")
    if not beside and strategy is None:
        return None, None
    for name in strategy or ():
        check_option("confounds", name, STRATEGIES)
    from nilearn.interfaces.fmriprep import load_confounds

    try:
        return load_confounds(str(path), strategy=tuple(strategy or STRATEGY))
    except (ValueError, OSError, KeyError) as error:
        reason = "there is no confounds file beside the run" if not beside else "they lack what the strategy needs"
        raise UnreadableFile(f"the fMRIPrep confounds cannot be read: {reason}. Change confounds.") from error


def _stem(path: Path) -> str:
    """The entities that a run shares with its confounds file."""
    return str(Path(path).parent / re.split(r"_(?:space|res|den|desc)-", Path(path).name)[0])


def _extract_labels(image, atlas: Atlas, radius: float, options: dict, extra: dict) -> tuple[np.ndarray, float | None]:
    """Means over label values, (T, R), and the overlap; nilearn drops labels without a voxel, we keep their place."""
    import nibabel as nib
    from nilearn.maskers import NiftiLabelsMasker

    volume, overlap = place_labels(atlas, image)
    labels = atlas.regions["label"].to_numpy()
    if not np.isin(labels, volume).any():
        raise AtlasMismatch(
            f"The image of atlas {atlas.name!r} and the run share no labelled voxel. Check their space."
        )
    values, known = split_gaps(image)
    lost, total = (np.array([(part == label).sum() for label in labels]) for part in (volume[~known], volume))
    check_gaps(atlas.names, lost, total)
    masker = NiftiLabelsMasker(nib.Nifti1Image(volume * known.astype(np.int32), image.affine), **options)
    means = masker.fit_transform(nib.Nifti1Image(values, image.affine), **extra)
    found = {int(label): column for column, label in masker.region_ids_.items() if label != "background"}
    out = np.full((len(means), len(atlas)), np.nan)  # (T, R)
    for region, label in enumerate(labels):
        if int(label) in found:
            out[:, region] = means[:, found[int(label)]]
    return out, overlap


def _extract_spheres(image, atlas: Atlas, radius: float, options: dict, extra: dict) -> tuple[np.ndarray, None]:
    """Means over spheres, (T, R); a region whose centre is unknown or outside the image is NaN."""
    import nibabel as nib
    from nilearn.maskers import NiftiSpheresMasker

    voxels = np.c_[atlas.xyz, np.ones(len(atlas))] @ np.linalg.inv(image.affine).T
    inside = ((voxels[:, :3] > -0.5) & (voxels[:, :3] < np.array(image.shape[:3]) - 0.5)).all(1)
    if not inside.any():
        raise AtlasMismatch(
            f"No centre of atlas {atlas.name!r} lies inside the run. The run must be in MNI space [mm]."
        )
    values, known = split_gaps(image)
    mask = None
    if not known.all():
        lost = count_in_spheres(atlas.xyz[inside], radius, ~known, image.affine)
        total = count_in_spheres(atlas.xyz[inside], radius, np.ones_like(known), image.affine)
        check_gaps([name for name, here in zip(atlas.names, inside, strict=True) if here], lost, total)
        mask = nib.Nifti1Image(known.astype(np.int8), image.affine)
    masker = NiftiSpheresMasker(
        [tuple(xyz) for xyz in atlas.xyz[inside]], radius=radius, allow_overlap=True, mask_img=mask, **options
    )
    means = masker.fit_transform(nib.Nifti1Image(values, image.affine), **extra)
    out = np.full((len(means), len(atlas)), np.nan)  # (T, R)
    out[:, inside] = means
    return out, None
