"""A NIfTI run, opened only after its stream was read to the end and measured against its header."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

import numpy as np

from graphfuse.errors import UnreadableFile
from graphfuse.read.limits import IMAGE_BYTES, check_bytes, check_size

ENDINGS = (".nii", ".nii.gz")
CLIPPED = 0.01  # share of nonzero voxels at the ends of the integer's range
_SLACK = 1 << 20  # bytes beyond what the header promises
_DAMAGED = "the .nii.gz is truncated or damaged (its checksum fails). Copy it again."


def load_run(path: Path):
    """Open a 4D NIfTI run; its voxels are not in memory yet.

    Raises
    ------
    UnreadableFile
        Empty, truncated or damaged (the gzip checksum is tested), no NIfTI, not 4D, a header that lies about the size
        or the scaling, an affine that is singular or not finite, integers that were cut off at the end of their range.
    """
    image = open_nifti(path)
    affine = image.affine
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-9:
        raise UnreadableFile("the affine is singular or not finite: the image has no place in space. Export it again.")
    return _four_axes(image)


def open_nifti(path: Path):
    """Open a .nii or .nii.gz of any number of axes; the stream is whole and as long as the header says."""
    path = Path(path)
    check_size(path, IMAGE_BYTES)
    if not path.name.lower().endswith(ENDINGS):
        raise UnreadableFile(f"a NIfTI image must end in .nii or .nii.gz; got {path.suffix!r}. Convert the file.")
    image, start = _header(path)
    shape, kind = image.shape, image.get_data_dtype()
    if min(shape, default=0) < 1:
        raise UnreadableFile(f"the header says that an axis has no voxels (shape {shape}). Export the image again.")
    expected = start + int(np.prod(shape, dtype=object)) * kind.itemsize
    check_bytes(expected, IMAGE_BYTES, "image that the header promises")
    size, clipped = _measure(path, start, kind, expected + _SLACK)
    if not expected <= size <= expected + _SLACK:
        more = "more" if size > expected else f"{size}: it is truncated, or the header lies"
        raise UnreadableFile(f"the header promises {expected} bytes and the file has {more}. Copy it again.")
    if clipped > CLIPPED:
        raise UnreadableFile(
            f"{clipped:.0%} of the nonzero voxels stand at the end of the range of {kind}: the values were cut off "
            "when they were stored. Export the run as float32."
        )
    return image


def _header(path: Path):
    """The image without its voxels, and where they begin [bytes]; .nii only, so that no other format's reader runs."""
    import nibabel as nib

    try:
        kinds = [kind for kind in (nib.Nifti1Image, nib.Nifti2Image) if kind.path_maybe_image(path)[0]]
        with nib.openers.Opener(path) as file:
            raw = kinds[0].header_class.from_fileobj(file)
        slope, inter = float(raw["scl_slope"]), float(raw["scl_inter"])
        image = kinds[0].from_filename(path)
        start = int(image.dataobj.offset)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UnreadableFile(_DAMAGED) from error
    except Exception as error:  # nibabel raises whatever the broken header leads to
        raise UnreadableFile("the file is no NIfTI image. Check its format and its ending.") from error
    # 0 means "not scaled" by the standard, and nibabel writes NaN for the same; anything else cannot be meant.
    if np.isinf(slope) or np.isinf(inter) or (slope == 0 and inter not in (0, np.nan) and not np.isnan(inter)):
        raise UnreadableFile(
            f"the scaling of the header is impossible (slope {slope:g}, intercept {inter:g}). Export the run again."
        )
    return image, start


def _measure(path: Path, start: int, kind: np.dtype, limit: int) -> tuple[int, float]:
    """Bytes after decompression, and the share of clipped voxels; reading to the end tests the gzip checksum."""
    packed, short = path.suffix.lower() == ".gz", kind.kind in "iu" and kind.itemsize <= 2
    if not packed and not short:
        return path.stat().st_size, 0.0
    ends = [np.iinfo(kind).max, *([np.iinfo(kind).min] if kind.kind == "i" else [])] if short else []
    cut = nonzero = 0
    try:
        with (gzip.open if packed else open)(path, "rb") as stream:
            size = len(stream.read(start))
            while size <= limit and (block := stream.read(1 << 22)):
                size += len(block)
                if short:
                    values = np.frombuffer(block[: len(block) // kind.itemsize * kind.itemsize], kind)
                    cut += int(np.isin(values, ends).sum())
                    nonzero += int(np.count_nonzero(values))
    except (EOFError, OSError, zlib.error) as error:
        raise UnreadableFile(_DAMAGED) from error
    return size, cut / max(nonzero, 1)


def _four_axes(image):
    import nibabel as nib

    if len(image.shape) > 4 and set(image.shape[4:]) == {1}:
        image = nib.Nifti1Image(np.asarray(image.dataobj).reshape(image.shape[:4]), image.affine, image.header)
    if len(image.shape) != 4:
        raise UnreadableFile(f"a run needs four axes (x, y, z, frames); got {len(image.shape)}. Name the 4D file.")
    return image
