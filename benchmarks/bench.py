"""The table of ``make bench``: each workload against its peers, in a process of its own.

    python benchmarks/bench.py [WORKLOAD ...] [--threads 2] [--out benchmarks/results]

A workload is a file of ``benchmarks/workloads/`` with ``rows() -> iterable of Row``. Threads are pinned for torch, the
BLAS, OpenMP and numba alike; a contestant that is quicker on one thread (nilearn) is also shown there, by itself.
Prints the table and writes it as ``NAME.tsv`` a workload.
"""

from __future__ import annotations

import argparse
import csv
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
COLUMNS = ("workload", "contestant", "seconds", "ratio", "error", "peak_mb", "floor", "kept", "notes")


def main() -> int:
    """Run the workloads asked for, each in a fresh process."""
    arguments = _arguments()
    if arguments.inside:
        return _run_here(arguments.workloads[0], arguments.threads, arguments.out)
    names = arguments.workloads or sorted(path.stem for path in (HERE / "workloads").glob("[a-z]*.py"))
    environment = {**os.environ, **dict.fromkeys(THREAD_VARIABLES, str(arguments.threads))}
    status = 0
    for name in names:
        command = [sys.executable, __file__, name, "--inside", "--threads", str(arguments.threads)]
        status |= subprocess.run([*command, "--out", str(arguments.out)], env=environment, check=False).returncode
    return status


def table(rows) -> list[dict]:
    """One record a contestant, ours first with what it promised."""
    records = []
    for row in rows:
        for name, seconds in row.seconds.items():
            ours = name == "graphfuse"
            records.append(
                {
                    "workload": row.workload,
                    "contestant": name,
                    "seconds": f"{seconds:.4g}",
                    "ratio": "" if ours else f"{row.ratio(name):.2f}",
                    "error": f"{row.error:.1e}" if ours and row.error is not None else "",
                    "peak_mb": f"{row.peaks[name]:.0f}" if name in row.peaks else "",
                    "floor": "; ".join(_floors(row)) if ours else "",
                    "kept": "; ".join(_kept(row)) if ours else "",
                    "notes": row.notes if ours else "",
                }
            )
    return records


def _floors(row) -> list[str]:
    return [f"{floor.ratio:g} x {floor.peer}" for floor in row.floors] + list(row.checks)


def _kept(row) -> list[str]:
    ratios = [(row.ratio(floor.peer), floor.ratio) for floor in row.floors]
    return [f"{'yes' if ratio >= least else 'NO'} ({ratio:.2f})" for ratio, least in ratios] + [
        "yes" if kept else "NO" for kept in row.checks.values()
    ]


def _run_here(name: str, threads: int, out: Path) -> int:
    import torch

    sys.path.insert(0, str(HERE.parent))  # `benchmarks` as a namespace package
    torch.set_num_threads(threads)
    spec = importlib.util.spec_from_file_location(f"workload_{name}", HERE / "workloads" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    records = []
    for row in module.rows():
        new = table([row])
        records += new
        _show(new)
    out.mkdir(parents=True, exist_ok=True)
    with (out / f"{name}.tsv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS, delimiter="\t", lineterminator="\n")
        writer.writeheader()
        writer.writerows(records)
    return 0


def _show(records: list[dict]) -> None:
    print(f"\n{records[0]['workload']}", flush=True)
    for record in records:
        line = f"  {record['contestant']:34s} {record['seconds']:>10s} s  {record['peak_mb']:>7s} MB"
        line += f"  x {record['ratio']}" if record["ratio"] else ""
        line += f"  error {record['error']}" if record["error"] else ""
        print(line, flush=True)
    ours = records[0]
    if ours["floor"]:
        print(f"  floor {ours['floor']}: {ours['kept']}", flush=True)
    if ours["notes"]:
        print(f"  {ours['notes']}", flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workloads", nargs="*")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, default=HERE / "results")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
