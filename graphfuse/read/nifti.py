"""NIfTI runs to regional time series, through nilearn's label and sphere maskers."""

from __future__ import annotations

import glob
import gzip
import re
import zlib
from pathlib import Path

import numpy as np

from graphfuse._check import check_option
from graphfuse.atlas import Atlas
from graphfuse.errors import AtlasMismatch, ManifestError, UnreadableFile
from graphfuse.read.matrix import read_bytes_head
from graphfuse.read.series import check_frames

STRATEGY = ("motion", "wm_csf", "high_pass")
STRATEGIES = ("motion", "wm_csf", "global_signal", "compcor", "ica_aroma", "scrub", "high_pass", "non_steady_state")
_SLACK = 1 << 20  # bytes of header extensions beyond what the header promises


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
) -> tuple[np.ndarray, float, bool]:
    """Read one 4D run: means (T, R) float32, the repetition time [s], and whether confounds were regressed out.

    Columns keep the order of the atlas: a region that the image does not hold is NaN, never left out.

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
    series = extract(image, atlas, radius, options, {"confounds": regressors, "sample_mask": sample_mask})
    check_frames(len(series), min_frames)
    return series.astype(np.float32), t_r, regressors is not None


def load_run(path: Path):
    """Open a 4D NIfTI image after its whole stream was read and measured against its header.

    Raises
    ------
    UnreadableFile
        Truncated or damaged, no NIfTI, not 4D, a header that lies about the size, an affine that is not finite.
    """
    import nibabel as nib

    read_bytes_head(path)
    size = _stream_size(Path(path))
    try:
        image = nib.load(path)
        shape = image.shape
    except Exception as error:  # nibabel raises whatever the broken header leads to
        raise UnreadableFile("the file is no NIfTI image. Check its format and its ending.") from error
    expected = int(image.dataobj.offset) + int(np.prod(shape, dtype=object)) * image.get_data_dtype().itemsize
    if size < expected or size > expected + _SLACK:
        raise UnreadableFile(
            f"the header promises {expected} bytes and the file has {size}: it is truncated. Copy it again."
        )
    image = _four_axes(image)
    affine = image.affine
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-9:
        raise UnreadableFile("the affine is singular or not finite: the image has no place in space. Export it again.")
    return image


def _stream_size(path: Path) -> int:
    """Bytes after decompression; reading them all checks the gzip checksum."""
    if path.suffix.lower() != ".gz":
        return path.stat().st_size
    size = 0
    try:
        with gzip.open(path, "rb") as stream:
            while block := stream.read(1 << 22):
                size += len(block)
    except (EOFError, OSError, zlib.error) as error:
        raise UnreadableFile("the .nii.gz is truncated or damaged (its checksum fails). Copy it again.") from error
    return size


def _four_axes(image):
    import nibabel as nib

    if len(image.shape) > 4 and set(image.shape[4:]) == {1}:
        image = nib.Nifti1Image(np.asarray(image.dataobj).reshape(image.shape[:4]), image.affine, image.header)
    if len(image.shape) != 4:
        raise UnreadableFile(f"a run needs four axes (x, y, z, frames); got {len(image.shape)}. Name the 4D file.")
    return image


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


def _extract_labels(image, atlas: Atlas, radius: float, options: dict, extra: dict) -> np.ndarray:
    """Means over label values, (T, R); nilearn drops labels that the image does not reach, we keep their place."""
    from nilearn.maskers import NiftiLabelsMasker

    masker = NiftiLabelsMasker(labels_img=str(atlas.image), resampling_target="data", **options)
    means = masker.fit_transform(image, **extra)
    found = {int(label): column for column, label in masker.region_ids_.items() if label != "background"}
    labels = [int(label) for label in atlas.regions["label"]]
    if not set(found) & set(labels):
        raise AtlasMismatch(
            f"The image of atlas {atlas.name!r} and the run share no labelled voxel. Check their space."
        )
    out = np.full((len(means), len(atlas)), np.nan)  # (T, R)
    for region, label in enumerate(labels):
        if label in found:
            out[:, region] = means[:, found[label]]
    return out


def _extract_spheres(image, atlas: Atlas, radius: float, options: dict, extra: dict) -> np.ndarray:
    """Means over spheres, (T, R); a region whose centre is unknown or outside the image is NaN."""
    from nilearn.maskers import NiftiSpheresMasker

    voxels = np.c_[atlas.xyz, np.ones(len(atlas))] @ np.linalg.inv(image.affine).T
    inside = ((voxels[:, :3] > -0.5) & (voxels[:, :3] < np.array(image.shape[:3]) - 0.5)).all(1)
    if not inside.any():
        raise AtlasMismatch(
            f"No centre of atlas {atlas.name!r} lies inside the run. The run must be in MNI space [mm]."
        )
    seeds = [tuple(xyz) for xyz in atlas.xyz[inside]]
    masker = NiftiSpheresMasker(seeds, radius=radius, allow_overlap=True, **options)
    means = masker.fit_transform(image, **extra)
    out = np.full((len(means), len(atlas)), np.nan)  # (T, R)
    out[:, inside] = means
    return out
