"""Bad inputs 1 to 17: images, series, and the regions in them."""

from __future__ import annotations

import gzip
import tracemalloc
from hashlib import sha256

import numpy as np
import pytest

from graphfuse.connectome.functional import functional_connectivity
from graphfuse.errors import (
    AtlasMismatch,
    GraphFuseWarning,
    ManifestError,
    NonFinite,
    NotPositiveDefinite,
    ShortSeries,
    TransposedSeries,
    UnreadableFile,
    UnusableRegion,
)  # fmt: skip
from graphfuse.read import read_cohort
from graphfuse.read.checksums import verify
from graphfuse.read.image import load_run

AFFINE = np.array([[5.0, 0, 0, -20], [0, 5, 0, -20], [0, 0, 5, -20], [0, 0, 0, 1]])  # that of the study


def header(path, offset: int, value: np.ndarray) -> None:
    """Write bytes into the header of a .nii.gz; the checksum of the archive is right again."""
    raw = bytearray(gzip.decompress(path.read_bytes()))
    raw[offset : offset + value.nbytes] = value.tobytes()
    path.write_bytes(gzip.compress(bytes(raw)))


def test_01_nan_outside_the_regions_is_ignored(study):
    study.images()
    clean = study.read().signals["fmri"]
    voxels = study.voxels()
    study.image(study.ids[0], voxels)
    before = study.read().signals["fmri"][0]
    voxels[4, 4, 4], voxels[5, 5, 5, 7] = np.nan, np.inf
    study.image(study.ids[0], voxels)
    np.testing.assert_array_equal(study.read(strict=True).signals["fmri"][0], before)
    np.testing.assert_array_equal(study.read().signals["fmri"][1], clean[1])


def test_01_a_few_nan_inside_a_region_leave_the_mean_of_the_others(study):
    study.images()
    voxels = study.voxels()
    voxels[0, 0, 0, 3] = np.nan  # 1 of 72 voxels of Left A
    study.image(study.ids[0], voxels)
    region = voxels[:2, :4].reshape(-1, 30)[1:]
    np.testing.assert_allclose(study.read().signals["fmri"][0][:, 0], region.mean(0), rtol=1e-5)


@pytest.mark.parametrize("spheres", [False, True])
def test_01_many_nan_inside_a_region_are_an_error(study, costs_one, spheres):
    study.images()
    if spheres:
        study.fmri = study.fmri.replace('labels = "labels.nii.gz"', "radius = 6.0")
    voxels = study.voxels()
    voxels[:4, :6] = np.nan
    study.image(study.ids[1], voxels)
    assert "Left A" in str(costs_one(NonFinite, "may be NaN or infinite"))


def test_02_a_constant_region_is_masked_or_costs_the_subject_or_goes_from_all(study, costs_one):
    values = np.random.default_rng(1).normal(size=(40, 4))
    values[:, 2] = 7
    study.series(study.ids[1], values)
    cohort = study.read()
    assert cohort.unusable()[["subject", "region"]].to_numpy().tolist() == [[study.ids[1], "Right A"]]
    assert len(cohort.exclusions) == 0
    study.files = '[files]\nregions = "drop-region"\n'
    assert study.read().signals["fmri"].names == ["Left A", "Left B", "Right B"]
    study.files = '[files]\nregions = "exclude-subject"\n'
    assert "Right A" in str(costs_one(UnusableRegion, "constant"))


def test_03_a_region_lost_by_resampling_keeps_its_place(study):
    study.images()
    volume = np.zeros((17, 17, 17), np.int16)  # a grid twice as fine; Left B lies between the coarse voxels
    volume[:4, :8], volume[14:, :8], volume[14:, 10:], volume[1, 13, 1] = 10, 30, 40, 20
    fine = np.diag([2.5, 2.5, 2.5, 1])
    fine[:3, 3] = -20
    study.labels(volume, fine)
    with pytest.warns(GraphFuseWarning, match="another grid than 3 of 3 runs"):
        cohort = study.read()
    assert cohort.signals["fmri"].data.shape[-1] == 4
    assert set(cohort.unusable()["region"]) == {"Left B"}


def test_04_fewer_frames_than_regions_shrink_or_are_refused():
    series = [np.random.default_rng(0).normal(size=(30, 50))]
    assert np.isfinite(functional_connectivity(series, "partial").numpy()).all()  # Ledoit-Wolf
    for kind in ("precision", "partial"):
        with pytest.raises(NotPositiveDefinite, match="ledoit-wolf"):
            functional_connectivity(series, kind, "empirical")


@pytest.mark.parametrize("frames", [1, 29])
def test_05_a_short_series_is_an_error(study, costs_one, frames):
    study.series(study.ids[1], np.random.default_rng(0).normal(size=(frames, 4)))
    costs_one(ShortSeries, f"{frames} frames; at least 30")


def test_06_a_transposed_series_is_an_error_with_an_atlas(study, costs_one):
    study.series(study.ids[1], np.random.default_rng(0).normal(size=(4, 40)), header="")
    costs_one(TransposedSeries, "transposed = true")


def test_06_without_an_atlas_fewer_rows_than_columns_in_all_must_be_settled(study, refused):
    for name in study.ids:
        study.series(name, np.random.default_rng(int(name)).normal(size=(35, 60)), header="")
    study.fmri = study.fmri.replace('atlas = "four.tsv"\n', "")
    refused(TransposedSeries, "or the other way round")
    study.fmri += "transposed = false\n"
    assert study.read().signals["fmri"].n_regions == 60


def test_06_a_square_series_is_warned_of(study):
    for name in study.ids:
        study.series(name, np.random.default_rng(int(name)).normal(size=(40, 40)), header="")
    study.fmri = study.fmri.replace('atlas = "four.tsv"\n', "")
    with pytest.warns(GraphFuseWarning, match="6 series have as many frames as regions"):
        study.read()


def test_07_sites_of_another_length_are_warned_of_and_the_length_is_a_confound(study):
    for row in study.rows:
        if row[1] == "X":
            study.series(row[0], study.rng.normal(size=(80, 4)))
    with pytest.warns(GraphFuseWarning, match=r"sites differ in frames \(40 to 80\)") as caught:
        study.read()
    assert not any(site in str(caught[0].message).split() for site in ("X", "Y"))
    study.top += 'confounds = ["AGE", "fmri_frames"]\n'
    cohort = study.read()
    assert cohort.phenotypes["fmri_frames"].tolist() == cohort.signals["fmri"].length.tolist()
    assert cohort.blind().confounds == ("AGE", "fmri_frames")


def test_07_sites_of_another_repetition_time_are_warned_of(study):
    study.fmri += 't_r = "TR"\n'
    study.rows = [[*row, "2.0" if row[1] == "X" else "3.0"] for row in study.rows]
    text = study.toml().read_text()
    table = (study.root / "people.csv").read_text().replace("AGE", "AGE,TR", 1)
    (study.root / "people.csv").write_text(table)
    (study.root / "cohort.toml").write_text(text)
    with pytest.warns(GraphFuseWarning, match=r"repetition time \[s\] \(2 to 3\)"):
        read_cohort(study.root / "cohort.toml")


def test_07_a_filter_without_a_repetition_time_is_an_error(study, refused):
    for path in study.images():
        header(path, 92, np.zeros(1, np.float32))  # pixdim[4]
    study.fmri += "high_pass = 0.01\n"
    refused(ManifestError, "repetition time")


def test_08_a_truncated_image_names_its_file(study, costs_one):
    path = study.images()[1]
    path.write_bytes(path.read_bytes()[:-500])
    error = costs_one(UnreadableFile, "truncated or damaged")
    assert error.path == path  # beside the message, like the id


def test_09_a_flipped_byte_is_found_100_times_of_100(study):
    path = study.images(2)[1]
    whole, rng = path.read_bytes(), np.random.default_rng(0)
    start = 10 + whole[10:].index(b"\0") + 1  # behind the gzip header, whose name and time are no data
    found = 0

    for place in rng.integers(start, len(whole), 100):
        torn = bytearray(whole)
        torn[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(bytes(torn))
        try:
            load_run(path)
        except UnreadableFile:
            found += 1
    assert found == 100


def test_09_a_flipped_byte_of_any_file_is_found_where_sums_are_declared(study, costs_one):
    study.files = '[files]\nsha256 = "SHA256SUMS"\n'
    study.toml()
    files = [study.root / "people.csv", *sorted((study.root / "ts").iterdir())]
    lines = [f"{sha256(f.read_bytes()).hexdigest()}  {f.relative_to(study.root).as_posix()}" for f in files]
    (study.root / "SHA256SUMS").write_text("\n".join(lines) + "\n")
    assert len(study.read(strict=True)) == 6
    path = study.root / "ts" / f"{study.ids[1]}.1D"
    whole, rng = path.read_bytes(), np.random.default_rng(0)
    for place in rng.integers(0, len(whole), 100):
        torn = bytearray(whole)
        torn[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(bytes(torn))
        with pytest.raises(UnreadableFile, match="sha256"):
            verify(path, study.root / "SHA256SUMS", study.root)
    costs_one(UnreadableFile, "sha256")


def test_10_an_empty_file_is_an_error(study, costs_one):
    (study.root / "ts" / f"{study.ids[1]}.1D").write_bytes(b"")
    costs_one(UnreadableFile, "empty")
    (study.root / "ts" / f"{study.ids[1]}.1D").write_bytes(b" \n\n")
    costs_one(UnreadableFile, "empty")


@pytest.mark.parametrize("content", [b"<html>not found</html>" * 40, b"\x89PNG\r\n" + bytes(600), bytes(348)])
def test_11_what_is_no_nifti_is_an_error(study, costs_one, content):
    study.images()[1].write_bytes(content)
    costs_one(UnreadableFile, "no NIfTI|damaged")


def test_11_another_ending_is_an_error(study, refused):
    for path in study.images():
        path.rename(path.with_name(path.name.replace(".nii.gz", ".mgz")))
    study.fmri = study.fmri.replace(".nii.gz", ".mgz", 1)
    refused(UnreadableFile, r"must end in \.nii")


@pytest.mark.parametrize(
    "dims",
    [(4, 32767, 32767, 32767, 32767), (4, 9, 9, 9, 31), (4, 9, 9, 9, 29000), (4, -9, 9, 9, 30), (4, 0, 9, 9, 30), (9,)],
)
def test_12_a_lying_header_is_refused_before_memory_is_taken(study, costs_one, dims):
    path = study.images()[1]
    header(path, 40, np.array(dims, np.int16))
    study.read()  # what is imported once does not count
    tracemalloc.start()
    study.read()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 30e6
    costs_one(UnreadableFile, "promises|would take|no voxels|no NIfTI")


def test_12_a_bomb_is_not_unpacked(study, costs_one):
    path = study.images()[1]
    raw = gzip.decompress(path.read_bytes())
    path.write_bytes(gzip.compress(raw + bytes(60 << 20), 1))
    costs_one(UnreadableFile, "promises")


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0])
def test_13_an_affine_that_is_singular_or_not_finite_is_an_error(study, costs_one, value):
    path = study.images()[1]
    header(path, 280, np.array([value, 0, 0, 0], np.float32))  # srow_x
    costs_one(UnreadableFile, "affine")


def test_14_another_grid_is_resampled_with_a_warning(study):
    study.images()
    before = study.read().signals["fmri"]
    volume = np.zeros((27, 27, 27), np.int16)  # the same regions on a grid three times finer
    volume[:6, :12], volume[:6, 15:], volume[21:, :12], volume[21:, 15:] = 10, 20, 30, 40
    fine = np.diag([5 / 3, 5 / 3, 5 / 3, 1])
    fine[:3, 3] = -20 - 5 / 3
    study.labels(volume, fine)
    with pytest.warns(GraphFuseWarning, match=r"at least 100\.0% of it lies inside"):
        after = study.read().signals["fmri"]
    np.testing.assert_allclose(after.data, before.data, rtol=1e-6)


def test_14_an_atlas_that_lies_elsewhere_is_an_error(study, costs_one):
    study.images()
    far = AFFINE.copy()
    far[0, 3] += 25  # shifted by more than the width of a region
    study.image(study.ids[1], study.voxels(), far)
    assert "50%" in str(costs_one(AtlasMismatch, "of the labelled voxels"))


def test_15_a_mirrored_image_is_an_error(study, costs_one):
    study.images()
    mirrored = AFFINE.copy()
    mirrored[0] = [-5, 0, 0, 20]
    study.image(study.ids[1], study.voxels(), mirrored)
    costs_one(AtlasMismatch, "mirrored")


def test_16_three_axes_are_an_error_and_an_empty_fifth_axis_is_not(study, costs_one):
    study.images()
    voxels = study.voxels()
    study.image(study.ids[0], voxels[..., None])
    study.image(study.ids[1], voxels[..., 0])
    costs_one(UnreadableFile, "four axes")
    np.testing.assert_allclose(study.read().signals["fmri"][0][:, 0], voxels[:2, :4].mean((0, 1, 2)), rtol=1e-4)


@pytest.mark.parametrize(("slope", "inter"), [(np.inf, 0), (1, np.inf), (0, 5)])
def test_17_an_impossible_scaling_is_an_error(study, costs_one, slope, inter):
    study.images()
    path = study.image(study.ids[1], study.voxels().astype(np.int16))
    header(path, 112, np.array([slope, inter], np.float32))
    costs_one(UnreadableFile, "scaling|no NIfTI")


def test_17_integers_cut_off_at_the_end_of_their_range_are_an_error(study, costs_one):
    study.images()
    voxels = study.voxels() * 320  # a mean of 32000 +- 1600: a third lies beyond int16
    study.image(study.ids[1], np.clip(voxels, -32768, 32767).astype(np.int16))
    costs_one(UnreadableFile, "cut off")


def test_17_a_scaled_value_beyond_float32_is_an_error(study, costs_one):
    study.images()
    path = study.image(study.ids[1], (study.voxels() * 100).astype(np.int16))
    header(path, 112, np.array([3e38, 0], np.float32))
    costs_one(NonFinite, "NaN or infinite")


def test_17_slope_zero_means_not_scaled_as_the_standard_says(study):
    study.images()
    voxels = study.voxels().astype(np.int16)
    path = study.image(study.ids[1], voxels)
    header(path, 112, np.zeros(2, np.float32))
    series = study.read(strict=True).signals["fmri"][1]
    np.testing.assert_allclose(series[:, 0], voxels[:2, :4].mean((0, 1, 2)), rtol=1e-5)
