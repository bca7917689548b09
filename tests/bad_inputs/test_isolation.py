"""R6 and the command line: five bad subjects of 200 cost five rows, and a bad input is one line and an exit code."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest


@pytest.fixture
def many(tmp_path):
    """200 people, five of whom have data that are torn, short, empty, constant, or of another atlas."""
    (tmp_path / "ts").mkdir()
    rng = np.random.default_rng(0)
    ids = [f"{5000 + i}" for i in range(200)]
    for name in ids:
        np.savetxt(tmp_path / "ts" / f"{name}.1D", rng.normal(size=(35, 4)), fmt="%.5g", delimiter="\t")
    line = b"7.5\t2\t3\t4\n"
    bad = {"5007": line * 33 + b"5\t6", "5050": line * 12, "5099": b"", "5120": line * 40, "5199": b"7.5\t3\t4\n" * 40}
    lines = ["region\tx\ty\tz", *[f"r{i}\t{i}\t0\t0" for i in range(4)]]
    (tmp_path / "four.tsv").write_text("\n".join(lines) + "\n")
    for name, content in bad.items():
        (tmp_path / "ts" / f"{name}.1D").write_bytes(content)
    rows = [f"{name},{1 + i % 2},{20 + i % 40}" for i, name in enumerate(ids)]
    (tmp_path / "people.csv").write_text("\n".join(["ID,DX,AGE", *rows]) + "\n")
    (tmp_path / "cohort.toml").write_text(
        'table = "people.csv"\nid = "ID"\ntarget = "DX"\nclasses = { sick = 1, well = 2 }\npositive = "sick"\n'
        '[signals.fmri]\nkind = "timeseries"\npath = "ts/{ID}.1D"\natlas = "four.tsv"\n'
    )
    return tmp_path, sorted(bad)


def test_five_bad_subjects_of_200_cost_five_rows_and_exit_code_1(many, shell):
    folder, bad = many
    code, out, err = shell("check", folder / "cohort.toml", "--out", folder / "check")
    assert (code, err) == (1, "")
    assert "195 subjects" in out
    table = pd.read_csv(folder / "check" / "exclusions.tsv", sep="\t", dtype=str)
    assert table["subject"].tolist() == bad
    for reason, words in zip(
        table["reason"], ["truncated", "12 frames", "empty", "constant", "3 columns"], strict=True
    ):
        assert words in reason
    code, out, err = shell("check", folder / "cohort.toml", "--strict")
    assert code == 2
    assert err.count("\n") == 1
    assert err.startswith("error: ")
    assert "(subject 5007)" in err  # on the user's own terminal


def swap(study, name: str, old: str, new: str) -> None:
    path = study.root / name
    path.write_text(path.read_text().replace(old, new, 1))


BAD = {
    "10-empty-table": lambda s: (s.root / "people.csv").write_text(""),
    "05-short-in-all": lambda s: [s.series(name, np.ones((5, 4))) for name in s.ids],
    "06-transposed-in-all": lambda s: [s.series(n, np.random.default_rng(0).random((4, 50)), "") for n in s.ids],
    "08-truncated-in-all": lambda s: [(s.root / "ts" / f"{n}.1D").write_bytes(b"1\t2\n3") for n in s.ids],
    "11-binary-table": lambda s: (s.root / "people.csv").write_bytes(b"PK\x03\x04\xff\xfe"),
    "18-duplicate-id": lambda s: swap(s, "people.csv", "012,", "011,"),
    "19-lost-zero": lambda s: swap(s, "people.csv", "012,", "12,"),
    "20-file-of-nobody": lambda s: s.series("77", np.ones((40, 4))),
    "23-no-coding": lambda s: swap(s, "cohort.toml", s.coding, ""),
    "24-typo-label": lambda s: swap(s, "people.csv", "Y,1", "Y,l"),
    "33-unknown-key": lambda s: swap(s, "cohort.toml", "kind =", "kidn ="),
    "38-nobody-left": lambda s: [(s.root / "ts" / f"{n}.1D").unlink() for n in s.ids[:1]] and swap(
        s, "cohort.toml", "ts/{ID}", "other/{ID}"),
    "40-broken-toml": lambda s: swap(s, "cohort.toml", "[signals", "[[signals"),
    "40-ambiguous-comma": lambda s: (s.root / "people.csv").write_text(
        "ID;SITE;DX;AGE\n011;X;1;1,234\n012;X;2;2,345\n"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_bad_input_is_one_line_and_exit_code_2(study, shell, name):
    study.toml()
    BAD[name](study)
    code, out, err = shell("check", study.root / "cohort.toml")
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert "Traceback" not in err


@pytest.mark.parametrize("command", [["inspect", "m"], ["predict", "m", "cohort.toml"], ["report", "."]])
def test_a_bad_model_or_folder_is_one_line_and_exit_code_2(study, shell, monkeypatch, command):
    study.toml()
    (study.root / "m").write_bytes(b"\x80\x04no model")
    monkeypatch.chdir(study.root)
    code, _, err = shell(*command)
    assert code == 2
    assert err.startswith("error: ")
    assert err.count("\n") == 1


def test_a_process_of_its_own_says_the_same(study):
    study.toml()
    swap(study, "people.csv", "012,", "011,")
    done = subprocess.run(
        [sys.executable, "-m", "graphfuse.cli", "check", study.root / "cohort.toml"],
        capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("error: Rows [2, 3] of the table have the same id")
    assert done.stderr.count("\n") == 1
