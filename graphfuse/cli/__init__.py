"""The command line: every command reads files, calls the package, and says what it wrote."""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path
from traceback import extract_tb

import typer

from graphfuse.cli.audits import audit
from graphfuse.cli.cohorts import atlases, check, simulate
from graphfuse.cli.models import fit, inspect, predict, systems
from graphfuse.cli.runs import demo, evaluate, explain, report
from graphfuse.errors import GraphFuseError

COMMANDS = (demo, simulate, check, evaluate, audit, explain, report, fit, predict, inspect, atlases, systems)

app = typer.Typer(
    help="From brain data to graphs, and from graphs to honest diagnoses.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
for command in COMMANDS:
    app.command()(command)


def main() -> None:
    """Run a command; a GraphFuseError becomes one line on stderr and exit code 2."""
    warnings.showwarning = lambda message, *_, **__: print(f"warning: {message}", file=sys.stderr)
    warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta state")
    try:
        app()
    except GraphFuseError as error:
        who = f" (subject {error.subject})" if error.subject else ""
        print(f"error: {' '.join(str(error).split())}{who}", file=sys.stderr)
        raise SystemExit(2) from None
    except Exception as error:  # a fault of ours: a traceback would show the user's paths and subjects
        if os.environ.get("GRAPHFUSE_DEBUG"):
            raise
        at = extract_tb(error.__traceback__)[-1]
        place = f"{Path(at.filename).name}:{at.lineno}"
        print(
            f"error: an unexpected {type(error).__name__} in {place}, which is a fault of graphfuse; please report it. "
            "GRAPHFUSE_DEBUG=1 shows all of it, and perhaps your paths and subjects.",
            file=sys.stderr,
        )
        raise SystemExit(70) from None
