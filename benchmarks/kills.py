"""Kill an evaluation at random instants: does it end with the same bytes, and how much is done twice?

    python benchmarks/kills.py [--kills 20] [--subjects 200] [--models NAME,NAME] [--folds 3] [--jobs 2]

A simulated cohort is evaluated once undisturbed. Then, so many times in a new folder, ``graphfuse evaluate`` is
started, its whole process group gets SIGKILL at an instant drawn uniformly between the first piece and the end of the
undisturbed run (its report included), and the same command is given again. A piece is a model on a fold. Prints for
each kill how many pieces were finished, whether the hash over tables and weights equals the undisturbed one, how many
pieces were begun twice, and how many drafts were left at the end. Exit code 1 if a hash differs, a draft stays, or
more pieces than workers were begun twice.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np

MODELS = "majority,confounds,ridge-smri,ridge-correlation-fmri,svm-correlation-fmri,mlp,fusion"


def traced(log: str, arguments: list[str]) -> None:
    """Run the command line and note in `log` each piece that is begun."""
    from graphfuse import cli
    from graphfuse.evaluate import cross_validation

    begin = cross_validation._piece

    def noted(store, name, model, blind, y_train, fold):
        with Path(log).open("a") as file:
            file.write(f"{name} {fold.repeat} {fold.fold}\n")
        return begin(store, name, model, blind, y_train, fold)

    cross_validation._piece = noted
    sys.argv = ["graphfuse", *arguments]
    cli.main()


def started(out: Path, log: Path, evaluate: list[str]) -> subprocess.Popen:
    """The traced evaluation into `out`, in a process group of its own."""
    command = [sys.executable, __file__, "--traced", str(log), *evaluate, "--out", str(out)]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, start_new_session=True, env=os.environ | {"OMP_NUM_THREADS": "1"}, **quiet)


def finished(out: Path, log: Path, evaluate: list[str]) -> float:
    """Seconds from the first piece to the end of an evaluation that nobody disturbs."""
    process = started(out, log, evaluate)
    began = first_piece(process, log)
    _, errors = process.communicate()
    if process.returncode:
        raise SystemExit(f"The evaluation failed:\n{errors.decode()}")
    return time.perf_counter() - began


def first_piece(process: subprocess.Popen, log: Path) -> float:
    """Wait for the first piece to begin (or for the end) and return that time."""
    while process.poll() is None and not log.exists():
        time.sleep(0.05)
    return time.perf_counter()


def killed(out: Path, log: Path, evaluate: list[str], after: float) -> int:
    """Pieces that were finished when the process group was killed."""
    process = started(out, log, evaluate)
    first_piece(process, log)
    try:
        process.wait(after)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    return len(list(out.glob("pieces/*.npz")))


def main() -> None:
    cli = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument("--kills", type=int, default=20)
    cli.add_argument("--subjects", type=int, default=200)
    cli.add_argument("--models", default=MODELS)
    cli.add_argument("--folds", type=int, default=3)
    cli.add_argument("--jobs", type=int, default=2)
    cli.add_argument("--seed", type=int, default=0)
    args = cli.parse_args()
    with tempfile.TemporaryDirectory() as place:
        raise SystemExit(run(args, Path(place)))


def run(args: argparse.Namespace, place: Path) -> int:
    """All kills; the number of those that went wrong, at most 1."""
    from graphfuse.evaluate.run_folder import result_hash
    from graphfuse.simulate import simulate_cohort
    from graphfuse.write import write_cohort

    manifest = write_cohort(simulate_cohort(args.subjects, seed=args.seed), place / "cohort")
    evaluate = [
        "evaluate",
        str(manifest),
        "--models",
        args.models,
        "--folds",
        str(args.folds),
        "--jobs",
        str(args.jobs),
    ]
    duration = finished(place / "whole", place / "whole.log", evaluate)
    wanted = result_hash(place / "whole")
    pieces = len(list(place.glob("whole/pieces/*.npz")))
    print(f"undisturbed: {duration:.0f} s, {pieces} pieces, hash {wanted[:16]}", flush=True)
    draw, wrong = np.random.default_rng(args.seed), 0
    for number in range(args.kills):
        out, log, after = place / f"{number}", place / f"{number}.log", draw.uniform(0, duration)
        done = killed(out, log, evaluate, after)
        finished(out, log, evaluate)
        twice = sum(count > 1 for count in Counter(log.read_text().splitlines()).values())
        drafts, equal = len(list(out.rglob(".*.draft"))), result_hash(out) == wanted
        print(
            f"kill {number + 1} after {after:5.1f} s: {done:2d} of {pieces} pieces done, hash "
            f"{'equal' if equal else 'DIFFERENT'}, {twice} begun twice, {drafts} drafts left",
            flush=True,
        )
        wrong += not equal or drafts > 0 or twice > args.jobs
    print(f"{args.kills - wrong} of {args.kills} kills went well")
    return int(wrong > 0)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--traced"]:
        traced(sys.argv[2], sys.argv[3:])
    else:
        main()
