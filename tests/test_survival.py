"""Runs that survive: killed, on a full disk, in many processes, they end with the same bytes or say why not."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import graphfuse as gf
from graphfuse.errors import UnwritableFile
from graphfuse.evaluate.run_folder import HASHED, read_run, result_hash, result_hashes, write_run

# What a user's script does: a ridge, a network without and one with graphs, ten folds.
SCRIPT = """
import sys
from pathlib import Path
import graphfuse as gf
from graphfuse.evaluate.run_folder import HASHED, write_run

def evaluate(out, jobs=1):
    cohort = gf.simulate_cohort(30, n_frames=(30, 30), seed=0).cohort
    models = {
        "ridge": gf.Ridge(("smri",)),
        "mlp": gf.MLP(("smri",), epochs=6, hidden=4, members=1),
        "fusion": gf.FusionClassifier({"smri": gf.MorphometricGraph()}, epochs=6, hidden=(4,), width=4, members=1),
    }
    result = gf.cross_validate(models, cohort, gf.Splits(folds=4), baselines="none", n_jobs=jobs, out=out)
    write_run(result, Path(out), {})
    return result

if __name__ == "__main__":
    evaluate(sys.argv[1], int(sys.argv[2]))
"""


@pytest.fixture(scope="module")
def script(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("script") / "evaluate_it.py"
    path.write_text(SCRIPT)
    return path


@pytest.fixture(scope="module")
def evaluate():
    """The function of the script."""
    space = {"__name__": "script"}
    exec(SCRIPT, space)
    return space["evaluate"]


@pytest.fixture(scope="module")
def whole(evaluate, tmp_path_factory) -> Path:
    """A run that nobody disturbed."""
    folder = tmp_path_factory.mktemp("whole")
    evaluate(folder)
    return folder


def start(script: Path, out: Path, jobs: int = 1, **options) -> subprocess.Popen:
    command = [sys.executable, "-W", "ignore", str(script), str(out), str(jobs)]
    return subprocess.Popen(command, start_new_session=True, stderr=subprocess.PIPE, **options)


def count(out: Path) -> int:
    return len(list(out.glob("pieces/*.npz")))


@pytest.mark.slow
def test_three_kills_and_the_run_ends_with_the_same_bytes(script, whole, tmp_path):
    """Each kill comes when so many pieces are on the disk, at an instant that is random inside the next ones."""
    draw, kept = np.random.default_rng(0), {}
    for goal in (1, 5, 9):
        process = start(script, tmp_path)
        while process.poll() is None and count(tmp_path) < goal:
            time.sleep(0.002)
        time.sleep(draw.uniform(0, 0.05))
        os.killpg(process.pid, signal.SIGKILL) if process.poll() is None else None
        process.communicate()
        for path, mark in kept.items():  # what was finished is not done again
            assert path.stat().st_mtime_ns == mark
        kept = {path: path.stat().st_mtime_ns for path in tmp_path.glob("pieces/*.npz")}
        (tmp_path / "pieces" / ".left-over.npz.draft").write_bytes(b"half")
    process = start(script, tmp_path)
    _, errors = process.communicate()
    assert process.returncode == 0, errors.decode()
    assert result_hash(tmp_path) == result_hash(whole)
    assert not list(tmp_path.rglob(".*.draft"))


@pytest.mark.slow
def test_the_same_seed_gives_the_same_bytes_in_other_processes_and_with_two_jobs(script, whole, tmp_path):
    """Three processes beside this one: one job twice, of which one starts with two threads, and two jobs."""
    folders = [tmp_path / name for name in ("one", "threads", "two")]
    runs = [
        start(script, folders[0], 1, env=os.environ | {"OMP_NUM_THREADS": "1"}),
        start(script, folders[1], 1, env=os.environ | {"OMP_NUM_THREADS": "2"}),
        start(script, folders[2], 2),
    ]
    for run in runs:
        _, errors = run.communicate()
        assert run.returncode == 0, errors.decode()
    for folder in folders:
        assert result_hashes(folder) == result_hashes(whole)
        for path in whole.glob("pieces/*.model"):  # the files themselves, not only what is in them
            assert (folder / "pieces" / path.name).read_bytes() == path.read_bytes()


def test_the_hash_covers_tables_and_weights_and_not_the_times(whole, tmp_path):
    assert set(result_hashes(whole)) == {
        *(f"{name}.tsv" for name in HASHED),
        *(f"fusion-0-{fold}" for fold in range(4)),
    }
    copy = tmp_path / "copy"
    subprocess.run(["cp", "-r", whole, copy], check=True)
    (copy / "seconds.tsv").write_text("model\trepeat\tfold\tseconds\n")
    assert result_hash(copy) == result_hash(whole)
    text = (copy / "scores.tsv").read_text()
    (copy / "scores.tsv").write_text(text.replace("0", "1", 1))
    assert result_hash(copy) != result_hash(whole)
    (copy / "scores.tsv").write_text(text)
    (copy / "pieces" / "fusion-0-0.model").write_bytes((copy / "pieces" / "fusion-0-1.model").read_bytes())
    assert result_hash(copy) != result_hash(whole)


def test_a_disk_that_is_full_stops_the_run_by_name_and_the_run_goes_on_later(evaluate, whole, tmp_path):
    """The kernel refuses files above 3 kB, as a quota would: the first model of the run does not fit."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3000, before[1]))
    try:
        with pytest.raises(UnwritableFile, match=r"'fusion-0-0\.model', which needs [\d,]+ bytes: File too large"):
            evaluate(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    left = sorted(path.name for path in (tmp_path / "pieces").iterdir())
    assert left == sorted(["key.json", "ridge-0-0.npz", "mlp-0-0.npz"])
    evaluate(tmp_path)
    assert result_hash(tmp_path) == result_hash(whole)


def test_a_full_disk_while_the_tables_are_written_leaves_no_half_of_one(evaluate, whole, tmp_path):
    result = evaluate(tmp_path)
    for path in tmp_path.glob("*.*"):
        path.unlink()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(UnwritableFile, match=r"'predictions\.tsv', which needs"):
            write_run(result, tmp_path, {})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [path.name for path in tmp_path.iterdir()] == ["pieces"]
    write_run(result, tmp_path, {})
    assert result_hash(tmp_path) == result_hash(whole)


def test_given_splits_come_back_from_a_folder(tmp_path):
    cohort = gf.simulate_cohort(30, n_frames=(30, 30), seed=0).cohort
    halves = [(np.arange(15), np.arange(15, 30)), (np.arange(15, 30), np.arange(15))]
    result = gf.cross_validate({"majority": gf.Majority()}, cohort, halves, baselines="none")
    write_run(result, tmp_path, {})
    back = read_run(tmp_path, cohort).splits
    assert repr(back) == repr(result.splits)
