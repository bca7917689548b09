from __future__ import annotations

import pandas as pd
import pytest


def test_a_wrong_input_is_one_line_and_exit_code_2(run, folder, tmp_path):
    bad = folder / "bad.toml"
    bad.write_text((folder / "cohort.toml").read_text().replace('target = "diagnosis"', 'target = "diagnosi"'))
    for arguments in (
        ("check", bad),
        ("check", tmp_path / "absent.toml"),
        ("evaluate", folder / "cohort.toml", "--out", tmp_path / "o", "--models", "fussion"),
        ("evaluate", folder / "cohort.toml", "--out", tmp_path / "o", "--folds", "100"),
        ("explain", tmp_path),
        ("predict", folder / "participants.tsv", folder / "cohort.toml"),
        ("fit", folder / "cohort.toml", "--model", "population", "--out", tmp_path / "p.safetensors"),
    ):
        code, out, err = run(*arguments)
        assert code == 2, (arguments, out, err)
        assert err.startswith("error: ")
        assert err.count("\n") == 1
    assert not (tmp_path / "p.safetensors").exists()


def test_the_subject_at_fault_is_named_on_the_terminal_only(run, folder, tmp_path):
    table = pd.read_csv(folder / "participants.tsv", sep="\t", dtype=str)
    table.loc[1] = table.loc[0]
    table.to_csv(folder / "twice.tsv", sep="\t", index=False)
    manifest = folder / "twice.toml"
    manifest.write_text((folder / "cohort.toml").read_text().replace("participants.tsv", "twice.tsv"))
    code, _, err = run("check", manifest)
    assert code == 2
    assert err.rstrip().endswith(f"(subject {table.iloc[0, 0]})")


def test_a_fault_of_ours_is_one_line_without_paths_or_subjects(run, folder, monkeypatch):
    def fail(*args, **options):
        raise RuntimeError("canary-subject in /home/jane")

    monkeypatch.setattr("graphfuse.read.read_cohort", fail)
    code, out, err = run("check", folder / "cohort.toml")
    assert code == 70
    assert err.startswith("error: an unexpected RuntimeError in test_main.py:")
    assert err.count("\n") == 1
    assert "canary" not in out + err
    assert "jane" not in out + err
    monkeypatch.setenv("GRAPHFUSE_DEBUG", "1")
    with pytest.raises(RuntimeError, match="canary"):
        run("check", folder / "cohort.toml")
