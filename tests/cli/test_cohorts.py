from __future__ import annotations

import pandas as pd


def test_simulate_then_check(run, tmp_path):
    assert run("simulate", tmp_path / "sim", "--subjects", 40)[0] == 0
    code, out, _ = run("check", tmp_path / "sim" / "cohort.toml", "--out", tmp_path / "check")
    assert code == 0
    assert "40 subjects, 4 sites" in out
    assert {path.name for path in (tmp_path / "check").iterdir()} == {"columns.tsv", "exclusions.tsv", "masked.tsv"}


def test_check_exits_with_1_when_somebody_is_left_out(run, folder, tmp_path):
    table = pd.read_csv(folder / "participants.tsv", sep="\t", dtype=str)
    table.loc[0, "diagnosis"] = "n/a"
    table.to_csv(folder / "part.tsv", sep="\t", index=False, na_rep="n/a")
    manifest = folder / "part.toml"
    manifest.write_text((folder / "cohort.toml").read_text().replace("participants.tsv", "part.tsv"))
    code, out, err = run("check", manifest)
    assert (code, err) == (1, "")
    assert "Subjects left out: 1" in out


def test_atlases_lists_the_ten(run):
    code, out, _ = run("atlases")
    assert code == 0
    assert len(out.strip().split("\n")) >= 11
    assert "harvard-oxford-110" in out
