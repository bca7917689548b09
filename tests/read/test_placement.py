from __future__ import annotations

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from graphfuse.atlas import Atlas
from graphfuse.errors import AtlasMismatch, NonFinite, UnreadableFile
from graphfuse.read.placement import check_gaps, count_in_spheres, place_labels, split_gaps

RNG = np.random.default_rng(0)


def image(shape=(8, 8, 8, 5), scale=2.0, start=0.0):
    affine = np.diag([scale, scale, scale, 1.0])
    affine[:3, 3] = start
    return nib.Nifti1Image(RNG.normal(size=shape).astype(np.float32), affine)


def atlas(tmp_path, volume, affine):
    nib.save(nib.Nifti1Image(volume, affine), tmp_path / "labels.nii.gz")
    table = pd.DataFrame({"x": 0.0, "y": 0.0, "z": 0.0, "label": [1, 2]}, index=["one", "two"])
    return Atlas("two", table, tmp_path / "labels.nii.gz")


def test_the_same_grid_is_left_alone_and_other_labels_are_dropped(tmp_path):
    volume = RNG.integers(0, 4, (8, 8, 8)).astype(np.int16)
    run = image()
    placed, overlap = place_labels(atlas(tmp_path, volume, run.affine), run)
    np.testing.assert_array_equal(placed, np.where(volume == 3, 0, volume))
    assert overlap is None


def test_a_shift_by_whole_voxels_moves_labels_with_it(tmp_path):
    volume = np.zeros((10, 10, 10), np.int16)
    volume[2:5, 3:8, 3:8], volume[5:8, 3:8, 3:8] = 1, 2
    run = image(start=2.0)  # begins one voxel further in each axis
    placed, overlap = place_labels(atlas(tmp_path, volume, np.diag([2.0, 2, 2, 1])), run)
    np.testing.assert_array_equal(placed, volume[1:9, 1:9, 1:9])
    assert overlap == 1.0


def test_overlap_is_the_share_of_labelled_voxels_inside(tmp_path):
    volume = np.zeros((10, 4, 4), np.int16)
    volume[:] = 1
    affine = np.diag([2.0, 2, 2, 1])
    affine[0, 3] = -2.0  # one of ten planes lies before the run, one behind it
    with pytest.raises(AtlasMismatch, match="Only 80% of the labelled"):
        place_labels(atlas(tmp_path, volume, affine), image())


def test_a_label_volume_that_is_none(tmp_path):
    with pytest.raises(UnreadableFile, match="three axes"):
        place_labels(atlas(tmp_path, np.ones((4, 4, 4, 2), np.int16), np.eye(4)), image())


def test_gaps_are_zeroed_and_counted():
    run = image()
    values = run.get_fdata().astype(np.float32)
    values[1, 2, 3, 4] = np.nan
    kept, known = split_gaps(nib.Nifti1Image(values, run.affine))
    assert (~known).sum() == 1
    assert np.isfinite(kept).all()
    assert (kept[1, 2, 3] == 0).all()
    check_gaps(["a", "b"], np.array([0, 5]), np.array([10, 100]))
    with pytest.raises(NonFinite, match=r"1 of 2 regions more are \(b\)"):
        check_gaps(["a", "b"], np.array([0, 6]), np.array([10, 100]))


def test_spheres_count_voxels_by_distance():
    affine = np.diag([2.0, 2, 2, 1])
    xyz = np.array([[8.0, 8, 8], [0, 0, 0]])
    grid = np.stack(np.meshgrid(*[np.arange(8) * 2.0] * 3, indexing="ij"), -1).reshape(-1, 3)
    expected = [(np.linalg.norm(grid - centre, axis=1) <= 4.1).sum() for centre in xyz]
    assert count_in_spheres(xyz, 4.1, np.ones((8, 8, 8), bool), affine).tolist() == expected
    assert count_in_spheres(xyz, 4.1, np.zeros((8, 8, 8), bool), affine).tolist() == [0, 0]
