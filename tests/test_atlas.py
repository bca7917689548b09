"""The shipped atlases are what they say, and a user's own table is read or refused with a reason."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from nilearn.datasets import fetch_coords_dosenbach_2010, fetch_coords_power_2011

from graphfuse.atlas import Atlas, list_atlases, load_atlas
from graphfuse.errors import InvalidOption, ShapeMismatch, UnreadableFile

REGIONS = {
    "aal-116": 116,
    "cc200": 200,
    "desikan-killiany-68": 68,
    "destrieux-148": 148,
    "dosenbach-160": 160,
    "harvard-oxford-110": 110,
    "power-264": 264,
    "schaefer-100": 100,
    "schaefer-200": 200,
    "schaefer-400": 400,
}
LOBES = {"frontal", "parietal", "temporal", "occipital", "insula", "limbic", "subcortical", "cerebellum", ""}


def small_table(**columns) -> pd.DataFrame:
    table = pd.DataFrame({"x": [-20.0, 20.0, 0.0], "y": 1.0, "z": 2.0}, index=["a", "b", "c"])
    return table.assign(**columns)


def test_every_shipped_atlas_is_listed():
    table = list_atlases()
    assert table["regions"].to_dict() == REGIONS
    assert list(table.columns) == ["regions", "networks", "source"]
    assert table.index.name == "name"
    assert table.loc["schaefer-400", "networks"] == 7
    assert table.loc["cc200", "networks"] == 0
    assert table["source"].str.contains("doi:10.").all()


@pytest.mark.parametrize("name", REGIONS)
def test_shipped_regions_are_whole_and_inside_the_brain(name):
    atlas = load_atlas(name)
    assert len(atlas) == len(set(atlas.names)) == REGIONS[name]
    assert atlas.name == name
    assert atlas.image is None
    assert list(atlas.regions.columns) == ["network", "hemisphere", "x", "y", "z", "source", "label"]
    assert atlas.xyz.shape == (REGIONS[name], 3)
    assert (atlas.xyz >= [-90, -126, -72]).all()
    assert (atlas.xyz <= [90, 91, 109]).all()
    assert len(np.unique(atlas.xyz, axis=0)) == len(atlas)


@pytest.mark.parametrize("name", REGIONS)
def test_shipped_hemispheres_agree_with_x(name):
    regions = load_atlas(name).regions
    assert set(regions["hemisphere"]) <= {"L", "R", "M"}
    assert (regions.loc[regions["hemisphere"] == "L", "x"] < 0).all()
    assert (regions.loc[regions["hemisphere"] == "R", "x"] > 0).all()
    assert (regions.loc[regions["hemisphere"] == "M", "x"].abs() < 4).all()


@pytest.mark.parametrize(
    ("name", "left", "right"),
    [
        ("harvard-oxford-110", "Left ", "Right "),
        ("desikan-killiany-68", "lh_", "rh_"),
        ("destrieux-148", "lh_", "rh_"),
    ],
)
def test_left_and_right_twins_mirror_each_other(name, left, right):
    regions = load_atlas(name).regions
    lefts = [region for region in regions.index if region.startswith(left)]
    rights = [right + region.removeprefix(left) for region in lefts]
    assert 2 * len(lefts) == len(regions)
    mirrored = regions.loc[lefts, ["x", "y", "z"]].to_numpy() * [-1, 1, 1]
    assert np.abs(mirrored - regions.loc[rights, ["x", "y", "z"]].to_numpy()).max() < 9
    assert regions.loc[lefts, "network"].tolist() == regions.loc[rights, "network"].tolist()


def test_desikan_names_are_freesurfer_columns_in_freesurfer_order():
    names = load_atlas("desikan-killiany-68").names
    left = [name.removeprefix("lh_") for name in names[:34]]
    assert names == [f"lh_{name}" for name in left] + [f"rh_{name}" for name in left]
    assert " ".join(left) == (
        "bankssts caudalanteriorcingulate caudalmiddlefrontal cuneus entorhinal fusiform inferiorparietal "
        "inferiortemporal isthmuscingulate lateraloccipital lateralorbitofrontal lingual medialorbitofrontal "
        "middletemporal parahippocampal paracentral parsopercularis parsorbitalis parstriangularis pericalcarine "
        "postcentral posteriorcingulate precentral precuneus rostralanteriorcingulate rostralmiddlefrontal "
        "superiorfrontal superiorparietal superiortemporal supramarginal frontalpole temporalpole "
        "transversetemporal insula"
    )


def test_destrieux_names_are_freesurfer_columns_in_freesurfer_order():
    names = load_atlas("destrieux-148").names
    assert names[74:] == ["rh_" + name.removeprefix("lh_") for name in names[:74]]
    assert names[0] == "lh_G_and_S_frontomargin"
    assert names[5] == "lh_G_and_S_cingul-Ant"
    assert names[73] == "lh_S_temporal_transverse"


def test_freesurfer_labels_are_those_of_its_colour_table():
    desikan = load_atlas("desikan-killiany-68").regions["label"]
    assert desikan[["lh_bankssts", "lh_cuneus", "lh_insula", "rh_insula"]].tolist() == [1001, 1005, 1035, 2035]
    destrieux = load_atlas("destrieux-148").regions["label"]
    picked = ["lh_Lat_Fis-post", "lh_Pole_occipital", "lh_S_temporal_transverse", "rh_G_and_S_frontomargin"]
    assert destrieux[picked].tolist() == [11141, 11143, 11175, 12101]


def test_harvard_oxford_keeps_the_order_and_labels_of_its_volume():
    regions = load_atlas("harvard-oxford-110").regions
    assert regions["label"].is_monotonic_increasing
    assert regions["label"].iloc[[0, 1, -1]].tolist() == [10, 11, 4802]
    assert 3455 not in regions["label"].tolist()
    assert regions.loc["Left Occipital Pole", "label"] == 4802


@pytest.mark.parametrize("parcels", [100, 200, 400])
def test_schaefer_network_and_hemisphere_stand_in_the_name(parcels):
    atlas = load_atlas(f"schaefer-{parcels}")
    assert [name.split("_")[2] for name in atlas.names] == atlas.network.tolist()
    assert [name.split("_")[1][0] for name in atlas.names] == atlas.regions["hemisphere"].tolist()
    assert atlas.regions["label"].tolist() == list(range(1, parcels + 1))


def test_schaefer_first_parcel_lies_where_it_was_published():
    assert load_atlas("schaefer-100")[["7Networks_LH_Vis_1"]].xyz.tolist() == [[-26, -34, -17]]


def test_power_and_dosenbach_equal_nilearn():
    power = fetch_coords_power_2011().rois[["x", "y", "z"]].to_numpy()
    np.testing.assert_array_equal(load_atlas("power-264").xyz, power)
    theirs, ours = fetch_coords_dosenbach_2010(), load_atlas("dosenbach-160")
    np.testing.assert_array_equal(ours.xyz, theirs.rois[["x", "y", "z"]].to_numpy())
    assert ours.network.tolist() == list(theirs.networks)
    assert ours.names == list(theirs.labels)


def test_power_networks_have_their_published_sizes():
    sizes = pd.Series(load_atlas("power-264").network).value_counts().to_dict()
    assert (sizes["default"], sizes["visual"], sizes["fronto-parietal"], sizes["uncertain"]) == (58, 31, 25, 28)
    assert (sizes["somatomotor-hand"], sizes["somatomotor-mouth"], sizes["cingulo-opercular"]) == (30, 5, 14)
    assert (sizes["auditory"], sizes["salience"], sizes["subcortical"], sizes["cerebellar"]) == (13, 18, 13, 4)
    assert (sizes["ventral-attention"], sizes["dorsal-attention"], sizes["memory-retrieval"]) == (9, 11, 5)


@pytest.mark.parametrize("name", ["aal-116", "desikan-killiany-68", "destrieux-148", "harvard-oxford-110"])
def test_anatomical_atlases_are_grouped_by_lobe(name):
    atlas = load_atlas(name)
    assert set(atlas.network) <= LOBES
    assert (atlas.network != "").mean() > 0.85
    assert atlas.xyz[atlas.network == "occipital", 1].max() < atlas.xyz[atlas.network == "frontal", 1].mean()


def test_rows_can_be_picked_in_every_way():
    atlas = load_atlas("schaefer-100")
    mask = atlas.network == "Vis"
    assert len(atlas[mask]) == mask.sum() == 17
    assert atlas[:3].names == atlas.names[:3]
    assert atlas.subset([2, 0, -1]).names == [atlas.names[2], atlas.names[0], atlas.names[-1]]
    assert atlas[5].names == [atlas.names[5]]
    assert atlas[atlas.names[7]].names == [atlas.names[7]]
    np.testing.assert_array_equal(atlas[[9, 4]].xyz, atlas.xyz[[9, 4]])


@pytest.mark.parametrize("rows", [[100], [-101], [0.5], "7Networks_LH_Vis_99", [3, 3], []])
def test_rows_that_are_not_there_are_refused(rows):
    with pytest.raises(InvalidOption):
        load_atlas("schaefer-100")[rows]


def test_an_unknown_region_is_answered_with_the_nearest():
    with pytest.raises(InvalidOption, match=r"no region 'lh_insulla'\. Did you mean 'lh_insula'"):
        load_atlas("desikan-killiany-68")["lh_insulla"]


def test_a_mask_of_the_wrong_length_is_refused():
    with pytest.raises(ShapeMismatch, match=r"must have shape \(100\); got \(99,\)"):
        load_atlas("schaefer-100")[np.ones(99, dtype=bool)]


def test_same_regions_minds_names_and_order():
    atlas = load_atlas("schaefer-100")
    assert atlas.same_regions(load_atlas("schaefer-100"))
    assert not atlas.same_regions(atlas[::-1])
    assert not atlas.same_regions(load_atlas("schaefer-200"))


def test_an_atlas_cannot_be_changed_from_outside_and_survives_pickle():
    table = small_table()
    atlas = Atlas("mine", table)
    table.loc["a", "x"] = 99.0
    assert atlas.xyz[0, 0] == -20
    assert pickle.loads(pickle.dumps(atlas)).same_regions(atlas)
    with pytest.raises(AttributeError):
        atlas.name = "other"
    with pytest.raises(TypeError):
        iter(atlas)


def test_repr_says_what_there_is(tmp_path):
    assert repr(load_atlas("schaefer-100")) == "Atlas('schaefer-100': 100 regions, 7 networks)"
    assert repr(Atlas("mine", small_table(), tmp_path / "m.nii.gz")).endswith("0 networks, image='m.nii.gz')")


def test_what_a_table_leaves_out_is_filled_in():
    regions = Atlas("mine", small_table(x=[-3.0, np.nan, 0.0], network=["A", None, ""])).regions
    assert regions["hemisphere"].tolist() == ["L", "", "M"]
    assert regions["network"].tolist() == ["A", "", ""]
    assert regions["label"].tolist() == [-1, -1, -1]
    assert regions["label"].dtype == np.int64
    assert np.isnan(regions.loc["b", "x"])


@pytest.mark.parametrize(("suffix", "separator"), [(".tsv", "\t"), (".csv", ",")])
def test_a_users_own_table_is_read(tmp_path, suffix, separator):
    rows = [
        ["region", "x", "y", "z", "label", "volume"],
        ["NA", "-1.5", "2", "3", "7", "0.5"],
        ["007", "n/a", "", "3", "", "0.1"],
    ]
    path, image = tmp_path / f"my.own{suffix}", tmp_path / "labels.nii.gz"
    path.write_text("\ufeff" + "\n".join(separator.join(row) for row in rows), encoding="utf-8")
    image.touch()
    atlas = load_atlas(path, image)
    assert atlas.names == ["NA", "007"]
    assert (atlas.name, atlas.image) == ("my.own", image)
    np.testing.assert_array_equal(atlas.xyz, [[-1.5, 2, 3], [np.nan, np.nan, 3]])
    assert atlas.regions["label"].tolist() == [7, -1]
    assert atlas.regions["hemisphere"].tolist() == ["L", ""]
    assert atlas.regions["volume"].tolist() == ["0.5", "0.1"]


def test_a_shipped_atlas_saved_as_a_users_table_comes_back_equal(tmp_path):
    atlas = load_atlas("harvard-oxford-110")
    atlas.regions.to_csv(tmp_path / "copy.csv")
    pd.testing.assert_frame_equal(load_atlas(str(tmp_path / "copy.csv")).regions, atlas.regions)


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(InvalidOption, match="Did you mean 'schaefer-100'"):
        load_atlas("schafer-100")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "No such file"),
        ("", "it is empty"),
        ("region\tx\ty\tz\na\t1\t2\n", "row 1 does not have 4 cells"),
        ("region\tx\ty\tz\na\t1\t2\t3\nb\t1\t2\t3\t4\n", "row 2 does not have 4 cells"),
        ("region\tx\ty\tx\na\t1\t2\t3\n", "two columns share a name"),
        (b"\x1f\x8b\x08\xff\xfe", "can't decode"),
    ],
)
def test_a_file_that_is_not_a_table_is_refused(tmp_path, text, reason):
    path = tmp_path / "mine.tsv"
    if text is not None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UnreadableFile, match=reason) as caught:
        load_atlas(path)
    assert "\n" not in str(caught.value)


def test_an_image_that_is_absent_is_refused(tmp_path):
    with pytest.raises(UnreadableFile, match="label volume that exists"):
        load_atlas("cc200", tmp_path / "absent.nii.gz")


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        (small_table().drop(columns=["y", "z"]), "lacks y, z"),
        (small_table().iloc[:0], "at least one region"),
        (small_table().set_axis(["a", "b", "a"]), "'a' stands twice"),
        (small_table().set_axis(["a", " ", "c"]), "name is empty"),
        (small_table().set_axis(["a", None, "c"]), "name is empty"),
        (small_table(y=["1", "two", "3"]), "'y' .* finite numbers; got 'two'"),
        (small_table(z=[0, np.inf, 0]), "'z' .* finite numbers; got 'inf'"),
        (small_table(hemisphere=["L", "right", "M"]), "must hold L, R or M; got 'right'"),
        (small_table(label=[1, 1, 2]), "each once"),
        (small_table(label=[1.5, 2, 3]), "whole numbers"),
        (small_table(label=[0, 1, 2]), "from 1"),
        (small_table(label=[-2, 1, 2]), "from 1"),
    ],
)
def test_a_faulty_table_is_refused_with_its_reason(table, reason):
    with pytest.raises(InvalidOption, match=reason):
        Atlas("mine", table)
