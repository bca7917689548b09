"""An atlas on the grid of a run: labels are moved onto it, and what cannot be laid over each other is refused."""

from __future__ import annotations

import numpy as np

from graphfuse.atlas import Atlas
from graphfuse.errors import AtlasMismatch, NonFinite, UnreadableFile
from graphfuse.read.image import open_nifti

OVERLAP = 0.9  # share of the labelled voxels that must lie inside the run
GAPS = 0.05  # share of a region's voxels that may be not finite


def place_labels(atlas: Atlas, image) -> tuple[np.ndarray, float | None]:
    """The label volume on the grid of a run, (X, Y, Z) int32, and the overlap; None where the grids are the same.

    The overlap is the share of labelled voxels whose centre, in world space, lies inside the run's grid. Labels are
    moved by nearest neighbour.

    Parameters
    ----------
    atlas : Atlas
        With an image.
    image : nibabel image (X, Y, Z, T)

    Raises
    ------
    AtlasMismatch
        One of the two is a mirror image of the other (the determinants of their affines differ in sign), or at most
        `OVERLAP` of the labelled voxels lies inside the run.
    UnreadableFile
        The label volume is damaged, not 3D, or has a singular affine.
    """
    volume, affine = _label_volume(atlas)
    if volume.shape == image.shape[:3] and np.allclose(affine, image.affine, atol=1e-3):
        return volume, None
    if np.linalg.det(affine[:3, :3]) * np.linalg.det(image.affine[:3, :3]) < 0:
        raise AtlasMismatch(
            f"The image of atlas {atlas.name!r} and the run lie mirrored (the determinants of their affines differ in "
            "sign), so that left may be right. Check the sides, then save one of them in the orientation of the other."
        )
    overlap = _overlap(volume, affine, image)
    if overlap <= OVERLAP:
        raise AtlasMismatch(
            f"Only {overlap:.0%} of the labelled voxels of atlas {atlas.name!r} lie inside the run; more than "
            f"{OVERLAP:.0%} must. Bring both into one space (MNI)."
        )
    return _resampled(volume, affine, image), overlap


def split_gaps(image) -> tuple[np.ndarray, np.ndarray]:
    """The voxels (X, Y, Z, T) float32 with 0 where not finite, and which voxels (X, Y, Z) are finite in every frame."""
    with np.errstate(over="ignore"):  # a scaled value beyond float32 is infinite, and counts as a gap
        values = image.get_fdata(dtype=np.float32, caching="unchanged")
    known = np.isfinite(values).all(-1)
    if not known.all():
        values = np.where(known[..., None], values, np.float32(0))
    return values, known


def check_gaps(names: list[str], lost: np.ndarray, total: np.ndarray) -> None:
    """Raise `NonFinite` where more than `GAPS` of a region's voxels are NaN or infinite in some frame."""
    torn = np.flatnonzero(lost > GAPS * np.maximum(total, 1))
    if len(torn):
        shown = ", ".join(names[r] for r in torn[:3]) + (" ..." if len(torn) > 3 else "")
        raise NonFinite(
            f"At most {GAPS:.0%} of a region's voxels may be NaN or infinite; in {len(torn)} of {len(names)} regions "
            f"more are ({shown}). Export the run again, or leave these regions out of the atlas."
        )


def count_in_spheres(xyz: np.ndarray, radius: float, voxels: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """How many of the voxels (X, Y, Z) bool lie within `radius` [mm] of each centre (R, 3) [mm], (R,) int."""
    from scipy.spatial import cKDTree

    places = np.argwhere(voxels)
    if not len(places):
        return np.zeros(len(xyz), dtype=int)
    centres = places @ affine[:3, :3].T + affine[:3, 3]
    return cKDTree(centres).query_ball_point(xyz, radius, return_length=True)


def _label_volume(atlas: Atlas) -> tuple[np.ndarray, np.ndarray]:
    image = open_nifti(atlas.image)
    if len(image.shape) != 3 or not np.isfinite(image.affine).all() or np.linalg.det(image.affine[:3, :3]) == 0:
        raise UnreadableFile(
            f"The label volume of atlas {atlas.name!r} must have three axes and a regular affine; got shape "
            f"{image.shape}. Name another image."
        )
    volume = np.nan_to_num(np.asarray(image.dataobj, dtype=np.float64))
    wanted = np.isin(np.round(volume), atlas.regions["label"][atlas.regions["label"] > 0])
    return np.where(wanted, np.round(volume), 0).astype(np.int32), image.affine


def _overlap(volume: np.ndarray, affine: np.ndarray, image) -> float:
    move = np.linalg.inv(image.affine) @ affine
    voxels = np.argwhere(volume) @ move[:3, :3].T + move[:3, 3]
    inside = ((voxels > -0.5) & (voxels < np.array(image.shape[:3]) - 0.5)).all(1)
    return float(inside.mean()) if len(inside) else 0.0


def _resampled(volume: np.ndarray, affine: np.ndarray, image) -> np.ndarray:
    import nibabel as nib
    from nilearn.image import resample_img

    moved = resample_img(
        nib.Nifti1Image(volume, affine), image.affine, image.shape[:3], interpolation="nearest",
        copy_header=True, force_resample=True,
    )  # fmt: skip
    return np.asarray(moved.dataobj).astype(np.int32)
