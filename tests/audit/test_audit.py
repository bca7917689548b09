from __future__ import annotations

import numpy as np
import pytest

import graphfuse as gf
from graphfuse.cli import main

OWN = """
import numpy as np
from sklearn.feature_selection import f_classif

def honest(cohort, train, test):
    return np.full((len(test), 2), .5)

def leaky(cohort, train, test):
    X, y = cohort.signals["smri"].stack().reshape(len(cohort), -1), cohort.y
    best = np.nanargmax(f_classif(X, y)[0])
    high = X[test, best] > np.median(X[train, best])
    return np.column_stack([~high, high]).astype(float)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("audit")
    gf.write_cohort(gf.simulate_cohort(60, n_frames=(60, 70), atlas_fmri="schaefer-100", seed=1), folder / "c")
    (folder / "own.py").write_text(OWN)
    return folder


def run(monkeypatch, *arguments) -> int:
    monkeypatch.setattr("sys.argv", ["graphfuse", *map(str, arguments)])
    with pytest.raises(SystemExit) as stop:
        main()
    return int(stop.value.code or 0)


def test_the_command_tells_a_leak_by_its_exit_code(folder, monkeypatch, capsys):
    manifest = folder / "c" / "cohort.toml"
    options = ("--permutations", 2, "--out", folder / "out")
    assert run(monkeypatch, "audit", manifest, "--pipeline", f"{folder / 'own.py'}:honest", *options) == 0
    assert "Verdict: pass" in capsys.readouterr().out
    assert run(monkeypatch, "audit", manifest, "--pipeline", f"{folder / 'own.py'}:leaky", *options) == 3
    out = capsys.readouterr().out
    assert "leak   label flip" in out
    assert (folder / "out" / "audit.tsv").read_text().startswith("check\tabout\tverdict\tfinding\tremedy\nlabel flip")
    assert run(monkeypatch, "audit", manifest, "--pipeline", f"{folder / 'own.py'}:absent") == 2
    assert run(monkeypatch, "audit", manifest, "--pipeline", "nowhere.py:x") == 2


def test_a_finished_run_is_audited_on_its_own_models_and_folds(folder, monkeypatch, capsys):
    models = ("--models", "majority,ridge-smri", "--folds", 3)
    assert run(monkeypatch, "evaluate", folder / "c" / "cohort.toml", *models, "--out", folder / "run") == 0
    capsys.readouterr()
    assert run(monkeypatch, "audit", folder / "run", "--permutations", 2, "--jobs", 2) == 0
    out = capsys.readouterr().out
    assert "label flip, ridge-smri" in out
    assert "label flip, majority" in out
    assert "confounds only" in out


def test_the_worst_finding_is_the_verdict_and_no_id_is_told(noise):
    found = gf.run_audit(
        {"ridge": gf.Ridge(), "cheat": lambda c, train, test: np.eye(2)[c.y[test]]}, noise, permutations=2
    )
    assert found.verdict == "leak"
    assert found.table["verdict"].iloc[0] == "leak"
    assert set(found.table.loc[found.table["verdict"] == "leak", "about"]) == {"cheat"}
    assert not any(subject in str(found) for subject in noise.subjects)
