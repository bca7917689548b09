"""The command line run in this process, on a small simulated cohort."""

from __future__ import annotations

import sys
import warnings

import pytest

from graphfuse import cli, simulate_cohort, write_cohort

FAST = "majority,confounds,ridge-smri,fusion"


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("cli") / "cohort"
    write_cohort(simulate_cohort(60, n_frames=(60, 70), missing={"smri": 0.1}, seed=1), out)
    return out


@pytest.fixture
def run(monkeypatch, capsys):
    """Run the command line in this process: (exit code, stdout, stderr)."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["graphfuse", *map(str, arguments)])
        monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
        with warnings.catch_warnings():
            warnings.simplefilter("default")
            with pytest.raises(SystemExit) as stop:
                cli.main()
        captured = capsys.readouterr()
        return stop.value.code or 0, captured.out, captured.err

    return call


@pytest.fixture(scope="session")
def evaluated(folder, tmp_path_factory):
    """A folder that `evaluate` has written."""
    out = tmp_path_factory.mktemp("run") / "out"
    argv = ["graphfuse", "evaluate", folder / "cohort.toml", "--out", out, "--models", FAST, "--folds", "3"]
    patch = pytest.MonkeyPatch()
    patch.setattr(sys, "argv", list(map(str, argv)))
    with warnings.catch_warnings(action="ignore"), pytest.raises(SystemExit) as stop:
        cli.main()
    patch.undo()
    assert not stop.value.code
    return out
