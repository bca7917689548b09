from __future__ import annotations

import pytest

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


@pytest.fixture
def own(tmp_path):
    (tmp_path / "own.py").write_text(OWN)
    return tmp_path / "own.py"


def test_the_command_tells_a_leak_by_its_exit_code(run, folder, own, tmp_path):
    manifest, out = folder / "cohort.toml", tmp_path / "out"
    options = ("--permutations", 2, "--out", out)
    code, said, _ = run("audit", manifest, "--pipeline", f"{own}:honest", *options)
    assert (code, "Verdict: pass" in said) == (0, True)
    code, said, _ = run("audit", manifest, "--pipeline", f"{own}:leaky", *options)
    assert (code, "leak   label flip, leaky" in said) == (3, True)
    assert (out / "audit.tsv").read_text().startswith("check\tabout\tverdict\tfinding\tremedy\nlabel flip\tleaky\tleak")
    for wrong in (f"{own}:absent", "nowhere.py:x"):
        code, _, err = run("audit", manifest, "--pipeline", wrong)
        assert (code, err.count("\n")) == (2, 1)


def test_a_finished_run_is_audited_on_its_own_models_and_folds(run, folder, tmp_path):
    models = ("--models", "majority,ridge-smri", "--folds", 3)
    assert run("evaluate", folder / "cohort.toml", *models, "--out", tmp_path / "run")[0] == 0
    code, said, _ = run("audit", tmp_path / "run", "--permutations", 2, "--jobs", 2)
    assert code == 0
    for text in ("label flip, ridge-smri", "label flip, majority", "confounds only, cohort"):
        assert text in said
