"""The command audit: can a model, or the user's own code, cheat on a cohort?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from graphfuse._check import check_option
from graphfuse._files import make_folder
from graphfuse.cli.options import Jobs, Root, finished, names, read
from graphfuse.errors import InvalidOption


def audit(
    target: Annotated[Path, typer.Argument(help="cohort.toml, or a folder that `evaluate` has written.")],
    models: Annotated[str | None, typer.Option(help="Names; default: those of the folder, else `default`.")] = None,
    pipeline: Annotated[str | None, typer.Option(help="Your own code, FILE.py:NAME, instead of models.")] = None,
    permutations: Annotated[int, typer.Option(help="Fits under permuted labels a model.")] = 10,
    jobs: Jobs = 1,
    seed: int = 0,
    out: Annotated[Path | None, typer.Option(help="Folder for audit.tsv, columns.tsv and pairs.tsv.")] = None,
    root: Root = None,
) -> None:
    """Try to make models, or your own pipeline, cheat on a cohort; exit code 3 when one can, 1 when in doubt."""
    from graphfuse.audit import run_audit
    from graphfuse.evaluate.models import models_by_name
    from graphfuse.evaluate.run_folder import write_table

    cohort, splits, chosen = _audited(target, root, models)
    own = (pipeline or "").rpartition(":")[2]
    pipelines = {own: _load_object(pipeline)} if pipeline else models_by_name(cohort, chosen)
    found = run_audit(pipelines, cohort, splits, permutations=permutations, n_jobs=jobs, random_state=seed)
    print(found)
    if out is not None:
        make_folder(out)
        for name, table in {"audit": found.table, "columns": found.columns, "pairs": found.pairs}.items():
            write_table(table, out / f"{name}.tsv")
    raise typer.Exit({"pass": 0, "doubt": 1, "leak": 3}[found.verdict])


def _audited(target: Path, root: Path | None, models: str | None):
    """Cohort, splits and names of models: of a manifest, or of a folder that `evaluate` has finished."""
    if not target.is_dir():
        return read(target, root, False), None, names(models or "default")
    result, arguments = finished(target)
    return result.cohort, result.splits, names(models or arguments["models"])


def _load_object(place: str):
    """The object that ``FILE.py:NAME`` names; the user's own code is run, because he asks for it."""
    from importlib.util import module_from_spec, spec_from_file_location

    file, _, name = place.rpartition(":")
    if not Path(file).is_file() or not file.endswith(".py"):
        raise InvalidOption(f"--pipeline must be FILE.py:NAME with an existing file; got {place!r}.")
    spec = spec_from_file_location("pipeline", file)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, check_option("the name in --pipeline", name, vars(module)))
