from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from graphfuse.atlas import load_atlas
from graphfuse.errors import AtlasMismatch, GraphFuseWarning, ShortSeries, UnreadableFile
from graphfuse.read import read_cohort
from graphfuse.read.image import load_run
from graphfuse.read.nifti import read_run

AFFINE = np.diag([5.0, 5, 5, 1])
AFFINE[:3, 3] = -20  # 9 voxels from -20 to 20 mm
RNG = np.random.default_rng(0)
RUN = RNG.normal(size=(9, 9, 9, 40)).astype(np.float32)


@pytest.fixture
def labels(study):
    volume = np.zeros((9, 9, 9), np.int16)
    volume[:2, :4], volume[2:4, :4], volume[7:, :4] = 10, 20, 40  # label 30 (Right A) is lost
    volume[6, 6] = 99  # a label that the atlas lacks
    nib.save(nib.Nifti1Image(volume, AFFINE), study.root / "labels.nii.gz")
    return volume


def save(path, data=RUN, affine=AFFINE, t_r=2.0):
    image = nib.Nifti1Image(data, affine)
    if data.ndim >= 4:
        image.header.set_zooms((5, 5, 5, t_r, *([1] * (data.ndim - 4))))
        image.header.set_xyzt_units("mm", "sec")
    nib.save(image, path)
    return path


def test_label_means_keep_the_place_of_lost_regions(study, labels):
    atlas = load_atlas(study.root / "four.tsv", image=study.root / "labels.nii.gz")
    series, t_r, cleaned, overlap = read_run(save(study.root / "a.nii.gz"), atlas, detrend=False)
    expected = np.stack([RUN[labels == label].mean(0) for label in (10, 20, 40)], axis=1)
    np.testing.assert_allclose(series[:, [0, 1, 3]], expected, rtol=1e-4, atol=1e-6)
    assert np.isnan(series[:, 2]).all()
    assert (t_r, cleaned, overlap) == (2.0, False, None)


def test_spheres_equal_the_mean_around_the_centre_and_mark_centres_outside(study):
    table = (study.root / "four.tsv").read_text().replace("Right B\tnet\tR\t10", "Right B\tnet\tR\t90")
    (study.root / "out.tsv").write_text(table)
    series = read_run(save(study.root / "a.nii"), load_atlas(study.root / "out.tsv"), radius=4.0, detrend=False).series
    np.testing.assert_allclose(series[:, 0], RUN[2, 4, 4], rtol=1e-4)  # a radius under a voxel holds one voxel
    assert np.isnan(series[:, 3]).all()


def test_broken_images(study):
    path = save(study.root / "a.nii.gz")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UnreadableFile, match="checksum"):
        load_run(path)
    flipped = bytearray(whole)
    flipped[-6] ^= 1
    path.write_bytes(bytes(flipped))
    with pytest.raises(UnreadableFile, match="checksum"):
        load_run(path)
    path.write_bytes(b"")
    with pytest.raises(UnreadableFile, match="empty"):
        load_run(path)
    plain = save(study.root / "b.nii")
    plain.write_bytes(plain.read_bytes()[:-1000])
    with pytest.raises(UnreadableFile, match="promises"):
        load_run(plain)
    plain.write_bytes(b"no image at all " * 40)
    with pytest.raises(UnreadableFile, match="no NIfTI"):
        load_run(plain)


def test_axes_and_affine(study):
    with pytest.raises(UnreadableFile, match="four axes"):
        load_run(save(study.root / "a.nii.gz", RUN[..., 0]))
    assert load_run(save(study.root / "b.nii.gz", RUN[..., None])).shape == RUN.shape
    raw = bytearray(save(study.root / "c.nii").read_bytes())
    raw[280:284] = np.float32(np.nan).tobytes()  # srow_x[0]
    (study.root / "c.nii").write_bytes(bytes(raw))
    with pytest.raises(UnreadableFile, match="affine"):
        load_run(study.root / "c.nii")


def test_short_run_and_another_space(study):
    atlas = load_atlas(study.root / "four.tsv")
    with pytest.raises(ShortSeries):
        read_run(save(study.root / "a.nii.gz", RUN[..., :20]), atlas)
    far = AFFINE.copy()
    far[:3, 3] = 500
    with pytest.raises(AtlasMismatch, match="MNI"):
        read_run(save(study.root / "a.nii.gz", affine=far), atlas)


def confounds(path, columns):
    header = "\t".join(columns)
    np.savetxt(path, RNG.normal(size=(40, len(columns))), delimiter="\t", header=header, comments="")


def test_fmriprep_confounds_beside_the_run_are_regressed_out(study):
    atlas = load_atlas(study.root / "four.tsv")
    run = save(study.root / "sub-1_task-rest_space-MNI152NLin2009cAsym_desc-preproc_bold.nii.gz")
    motion = [f"{kind}_{axis}{more}" for kind in ("trans", "rot") for axis in "xyz"
              for more in ("", "_derivative1", "_power2", "_derivative1_power2")]  # fmt: skip
    confounds(study.root / "sub-1_task-rest_desc-confounds_timeseries.tsv", motion)
    (study.root / "sub-1_task-rest_desc-confounds_timeseries.json").write_text("{}")
    series, _, cleaned, _ = read_run(run, atlas, confounds=("motion",))
    assert cleaned
    table = np.loadtxt(study.root / "sub-1_task-rest_desc-confounds_timeseries.tsv", skiprows=1)
    centred = table - table.mean(0)
    np.testing.assert_allclose(centred.T @ series, 0, atol=1e-3)
    with pytest.raises(UnreadableFile, match="strategy"):
        read_run(run, atlas)  # no white matter signal, no cosines


def test_confounds_that_were_asked_for_and_are_absent(study):
    with pytest.raises(UnreadableFile, match="no confounds file"):
        read_run(save(study.root / "a.nii.gz"), load_atlas(study.root / "four.tsv"), confounds=("motion",))


def test_runs_through_the_manifest(study, labels):
    (study.root / "img").mkdir()
    for name in study.ids:
        save(study.root / "img" / f"{name}.nii.gz", RNG.normal(size=RUN.shape).astype(np.float32), t_r=2.5)
    torn = study.root / "img" / "013.nii.gz"
    torn.write_bytes(torn.read_bytes()[:-100])
    study.fmri = '[signals.fmri]\nkind = "nifti"\npath = "img/{ID}.nii.gz"\n'
    study.fmri += 'atlas = "four.tsv"\nlabels = "labels.nii.gz"\n'
    with pytest.warns(GraphFuseWarning, match="5 of 5 runs have no fMRIPrep"):
        cohort = read_cohort(study.toml())
    assert cohort.exclusions["subject"].tolist() == ["013"]
    assert cohort.signals["fmri"].t_r.tolist() == [2.5] * 5
    assert set(cohort.unusable()["region"]) == {"Right A"}
