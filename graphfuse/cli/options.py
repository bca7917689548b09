"""What the commands share: their common options, reading a cohort or a finished run, the exit code."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Manifest = Annotated[Path, typer.Argument(help="cohort.toml, see examples/")]
Root = Annotated[Path | None, typer.Option(help="Folder that the manifest's paths start from, instead of its own.")]
Strict = Annotated[bool, typer.Option("--strict", help="Stop at the first bad subject instead of leaving him out.")]
Out = Annotated[Path, typer.Option(help="Folder to write into.")]
Jobs = Annotated[int, typer.Option(help="Processes.")]
Folder = Annotated[Path, typer.Argument(help="A folder that `evaluate` has written.")]
ModelFile = Annotated[Path, typer.Argument(help="A file that `fit` has written.")]


def read(manifest: Path, root: Path | None, strict: bool, labels: bool = True):
    """The cohort of a manifest."""
    from graphfuse.read import read_cohort

    return read_cohort(manifest, root=root, strict=strict, labels=labels)


def finished(folder: Path):
    """The result and the arguments of a run that `evaluate` has finished."""
    from graphfuse.evaluate.run_folder import read_arguments, read_run
    from graphfuse.systems import makers

    arguments = read_arguments(folder)
    root = arguments["root"]
    cohort = read(Path(arguments["manifest"]), Path(root) if root else None, False)
    return read_run(folder, cohort, makers(cohort)), arguments


def names(models: str) -> list[str]:
    """Names that commas separate."""
    return [name.strip() for name in models.split(",") if name.strip()]


def leave(cohort) -> None:
    """Exit code 1 when subjects were left out, so that a script notices."""
    if len(cohort.exclusions):
        raise typer.Exit(1)
