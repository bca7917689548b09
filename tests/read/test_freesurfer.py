from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from graphfuse.atlas import load_atlas
from graphfuse.errors import AtlasMismatch, NonFinite, SubjectMismatch, UnreadableFile
from graphfuse.read import read_cohort
from graphfuse.read.freesurfer import arrange_measures, merge_tables, split_column

ATLAS = load_atlas("desikan-killiany-68")
RNG = np.random.default_rng(0)


def table(measures=("volume", "thickness", "area"), names=ATLAS.names, n=3):
    columns = [f"{name}_{measure}" for measure in measures for name in names]
    return pd.DataFrame(RNG.normal(size=(n, len(columns))), columns=columns)


@pytest.mark.parametrize(
    ("column", "part"),
    [
        ("lh_bankssts_thickness", ("lh_bankssts", "thickness")),
        ("rh_G&S_frontomargin_area", ("rh_G&S_frontomargin", "area")),
        ("lh_MeanThickness_thickness", None),
        ("rh_WhiteSurfArea_area", None),
        ("eTIV", None),
        ("BrainSegVolNotVent", None),
    ],
)
def test_columns(column, part):
    assert split_column(column) == part


def test_measures_by_region_in_order():
    wide = table().assign(lh_MeanThickness_thickness=1.0, eTIV=2.0)
    wide = wide[RNG.permutation(wide.columns)]
    measures, names = arrange_measures(wide, ATLAS)
    assert names == ["thickness", "area", "volume"]
    for r in (0, 40, 67):
        np.testing.assert_array_equal(measures[1, r, 2], np.float32(wide[f"{ATLAS.names[r]}_volume"].iloc[1]))


def test_absent_region_is_nan_and_other_measures_follow():
    measures, names = arrange_measures(table(("meancurv", "area"), ATLAS.names[1:]), ATLAS)
    assert names == ["area", "meancurv"]
    assert np.isnan(measures[:, 0]).all()
    assert np.isfinite(measures[:, 1:]).all()


def test_errors():
    with pytest.raises(AtlasMismatch, match="0 of the 148"):
        arrange_measures(table(("area",), ["lh_nowhere"]), load_atlas("destrieux-148"))
    with pytest.raises(UnreadableFile, match="words"):
        arrange_measures(table().assign(lh_bankssts_area="x"), ATLAS)
    with pytest.raises(UnreadableFile, match="same measure"):
        arrange_measures(table().assign(LH_bankssts_area=1.0), ATLAS)
    with pytest.raises(UnreadableFile, match="two of the tables"):
        merge_tables([table(), table(("area",))])


def smri(study, ids, sep="\t"):
    """One table a hemisphere and measure, as aparcstats2table writes them."""
    paths, whole = [], table(n=6)
    for hemisphere in ("lh", "rh"):
        for measure in ("thickness", "area"):
            part = whole[[c for c in whole if c.startswith(hemisphere) and c.endswith(measure)]]
            part = part.assign(eTIV=1500000.5, BrainSegVolNotVent=1.5)
            part.insert(0, f"{hemisphere}.aparc.{measure}", ids)
            paths.append(f"{hemisphere}.{measure}.txt")
            part.to_csv(study.root / paths[-1], sep=sep, index=False)
    study.extra = f'[signals.smri]\nkind = "freesurfer"\npath = {paths}\natlas = "desikan-killiany-68"\n'
    return whole


def test_a_table_for_each_hemisphere_and_measure(study):
    whole = smri(study, study.ids)
    signal = read_cohort(study.toml(), strict=True).signals["smri"]
    assert signal.columns == ("thickness", "area")
    expected = np.float32(whole[[f"{name}_area" for name in ATLAS.names]])
    np.testing.assert_allclose(signal.stack()[:, :, 1], expected, rtol=1e-6)


def test_site_prefix_is_refused_then_matched_by_digits(study):
    smri(study, [f"sub-{name}" for name in study.ids])
    with pytest.raises(SubjectMismatch, match="aaa-0## is 0## in the table"):
        read_cohort(study.toml())
    study.extra += 'match = "digits"\n'
    assert read_cohort(study.toml()).has("smri").all()


def test_vector_with_a_blank_is_a_fault_and_a_blank_row_is_not_acquired(study):
    lines = ["Measure:volume\tLeft-Thalamus-Proper\tCSF", *(f"{name}\t{i}.5\t3" for i, name in enumerate(study.ids))]
    lines[2], lines[3] = "012\t-9999\t3", "013\t\t"
    (study.root / "aseg.txt").write_text("\n".join(lines))
    study.extra = '[signals.aseg]\nkind = "vector"\npath = "aseg.txt"\n'
    cohort = read_cohort(study.toml())
    assert cohort.exclusions["subject"].tolist() == ["012"]
    assert cohort.has("aseg").tolist() == [True, False, True, True, True]
    with pytest.raises(NonFinite, match="1 of 2 entries"):
        read_cohort(study.toml(), strict=True)
    study.extra += 'columns = ["CSF"]\n'
    assert len(read_cohort(study.toml(), strict=True)) == 6


def test_vector_with_words(study):
    lines = ["ID,a,b", *(f"{name},{i},word" for i, name in enumerate(study.ids))]
    (study.root / "v.csv").write_text("\n".join(lines))
    study.extra = '[signals.v]\nkind = "vector"\npath = "v.csv"\n'
    with pytest.raises(UnreadableFile, match="'b' holds words"):
        read_cohort(study.toml())
