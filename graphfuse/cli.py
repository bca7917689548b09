"""The command line: every command reads files, calls the package, and says what it wrote."""

from __future__ import annotations

import os
import sys
import warnings
from io import BytesIO
from pathlib import Path
from traceback import extract_tb
from typing import Annotated

import typer

from graphfuse._check import check_option
from graphfuse._files import make_folder
from graphfuse.errors import GraphFuseError, InvalidOption

app = typer.Typer(
    help="From brain data to graphs, and from graphs to honest diagnoses.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)

Manifest = Annotated[Path, typer.Argument(help="cohort.toml, see examples/")]
Root = Annotated[Path | None, typer.Option(help="Folder that the manifest's paths start from, instead of its own.")]
Strict = Annotated[bool, typer.Option("--strict", help="Stop at the first bad subject instead of leaving him out.")]
Out = Annotated[Path, typer.Option(help="Folder to write into.")]


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


@app.command()
def demo(out: Out = Path("demo"), seed: int = 0) -> None:
    """Simulate a cohort, evaluate, explain and report it, in under a minute."""
    from graphfuse.demo import run_demo

    run_demo(out, seed)


@app.command()
def simulate(
    out: Annotated[Path, typer.Argument(help="Folder to write the cohort into.")], subjects: int = 200, seed: int = 0
) -> None:
    """Write a simulated cohort: cohort.toml, tables, series and its truth."""
    from graphfuse.simulate import simulate_cohort
    from graphfuse.write import write_cohort

    write_cohort(simulate_cohort(subjects, seed=seed), out)
    print(f"{subjects} subjects in {out}. Next: graphfuse check {out / 'cohort.toml'}")


@app.command()
def check(
    manifest: Manifest,
    out: Annotated[Path | None, typer.Option(help="Folder for exclusions.tsv, masked.tsv and columns.tsv.")] = None,
    root: Root = None,
    strict: Strict = False,
) -> None:
    """Say what is there, what is wrong, who is left out, and which columns give the class away."""
    from graphfuse.evaluate.leaks import leak_columns
    from graphfuse.evaluate.run_folder import write_table

    cohort = _read(manifest, root, strict)
    masked, columns = cohort.unusable(), None
    print(cohort)
    print(f"Independent groups (people, families, equal scans): {len(set(cohort.groups))} of {len(cohort)} subjects")
    _print_counts("Subjects left out", cohort.exclusions["reason"])
    _print_masked(masked)
    if cohort.target is not None:
        columns = leak_columns(cohort.phenotypes.drop(columns=cohort.target), cohort.y)
        _print_columns("Columns that give the class away; no model is shown them", columns, "leak")
        _print_columns("Confounds; compare every model with these alone", columns, "confound")
    if out is not None:
        make_folder(out)
        tables = {"exclusions": cohort.exclusions, "masked": masked, "columns": columns}
        for name, table in tables.items():
            if table is not None:
                write_table(table, out / f"{name}.tsv")
    _leave(cohort)


@app.command()
def evaluate(
    manifest: Manifest,
    out: Out,
    models: Annotated[str, typer.Option(help="Names, comma-separated; `default` is every built-in model.")] = "default",
    folds: int = 10,
    repeats: int = 1,
    leave_site_out: Annotated[bool, typer.Option("--leave-site-out")] = False,
    jobs: Annotated[int, typer.Option(help="Processes.")] = 1,
    seed: int = 0,
    root: Root = None,
    strict: Strict = False,
) -> None:
    """Score models on the same folds and write tables and report.html; goes on where it was killed."""
    from graphfuse.evaluate.cross_validation import cross_validate
    from graphfuse.evaluate.models import models_by_name
    from graphfuse.evaluate.run_folder import write_run
    from graphfuse.evaluate.splits import Splits

    cohort = _read(manifest, root, strict)
    chosen = models_by_name(cohort, _names(models))
    splits = Splits(folds=folds, repeats=repeats, leave_site_out=leave_site_out, random_state=seed)
    result = cross_validate(chosen, cohort, splits, baselines="none", n_jobs=jobs, out=out)
    arguments = {"manifest": str(manifest.resolve()), "root": str(root.resolve()) if root else None, "models": models,
                 "folds": folds, "repeats": repeats, "leave_site_out": leave_site_out, "seed": seed}  # fmt: skip
    write_run(result, out, arguments)
    print(result.table().to_string())
    print(result.verdict())
    _explain_and_report(result, out, arguments)
    _leave(cohort)


@app.command()
def audit(
    target: Annotated[Path, typer.Argument(help="cohort.toml, or a folder that `evaluate` has written.")],
    models: Annotated[str | None, typer.Option(help="Names; default: those of the folder, else `default`.")] = None,
    pipeline: Annotated[str | None, typer.Option(help="Your own code, FILE.py:NAME, instead of models.")] = None,
    permutations: Annotated[int, typer.Option(help="Fits under permuted labels a model.")] = 10,
    jobs: Annotated[int, typer.Option(help="Processes.")] = 1,
    seed: int = 0,
    out: Annotated[Path | None, typer.Option(help="Folder for audit.tsv, columns.tsv and pairs.tsv.")] = None,
    root: Root = None,
) -> None:
    """Try to make models, or your own pipeline, cheat on a cohort; exit code 3 when one can, 1 when in doubt."""
    from graphfuse.audit import run_audit
    from graphfuse.evaluate.models import models_by_name
    from graphfuse.evaluate.run_folder import write_table

    cohort, splits, names = _audited(target, root, models)
    pipelines = {pipeline: _load_object(pipeline)} if pipeline else models_by_name(cohort, names)
    found = run_audit(pipelines, cohort, splits, permutations=permutations, n_jobs=jobs, random_state=seed)
    print(found)
    if out is not None:
        make_folder(out)
        for name, table in {"audit": found.table, "columns": found.columns, "pairs": found.pairs}.items():
            write_table(table, out / f"{name}.tsv")
    raise typer.Exit({"pass": 0, "doubt": 1, "leak": 3}[found.verdict])


@app.command()
def explain(folder: Annotated[Path, typer.Argument(help="A folder that `evaluate` has written.")]) -> None:
    """Write importance.tsv, edges.tsv, a glass brain and an interactive view of a finished evaluation."""
    from graphfuse import plot
    from graphfuse._files import write_whole
    from graphfuse.report.pictures import view

    result, _ = _finished(folder)
    importance, edges = _explained(result, folder)
    for name, figure in {
        "importance": plot.plot_importance(importance),
        "connectome": plot.plot_connectome(edges),
    }.items():
        picture = BytesIO()
        figure.savefig(picture, dpi=150, format="png")
        write_whole(folder / f"{name}.png", picture.getvalue())
    page = view(lambda: plot.view_connectome(edges), "Connectome")  # loads nothing from the network
    write_whole(folder / "connectome.html", getattr(page, "page", page).encode())
    print(importance.head(20).to_string(index=False))


@app.command()
def report(folder: Annotated[Path, typer.Argument(help="A folder that `evaluate` has written.")]) -> None:
    """Write report.html of a finished evaluation anew."""
    result, arguments = _finished(folder)
    _explain_and_report(result, folder, arguments)


@app.command()
def fit(
    manifest: Manifest,
    out: Annotated[Path, typer.Option(help="Model file to write.")],
    model: Annotated[str, typer.Option(help="Name of one model.")] = "fusion",
    include_cohort: Annotated[
        bool, typer.Option("--include-cohort", help="Put the features of all subjects into a population model.")
    ] = False,
    prototypes: Annotated[
        int | None, typer.Option(help="Make the nodes of a population model means of so many people, 10 at least.")
    ] = None,
    root: Root = None,
    strict: Strict = False,
) -> None:
    """Fit one model on all subjects of a cohort and save it for `predict`."""
    from graphfuse.estimators.saving import save_model
    from graphfuse.evaluate.cross_validation import withheld
    from graphfuse.evaluate.models import models_by_name

    cohort = _read(manifest, root, strict)
    chosen = models_by_name(cohort, [model])[model]
    fitted = chosen.fit(cohort.blind(drop=withheld(cohort)), cohort.y)
    save_model(fitted, out, include_cohort=include_cohort, prototype_size=prototypes)
    print(f"{model} of {len(cohort)} subjects in {out}")
    _leave(cohort)


@app.command()
def predict(
    model: Annotated[Path, typer.Argument(help="A file that `fit` has written.")],
    manifest: Manifest,
    out: Annotated[Path | None, typer.Option(help="Table to write; default: print it.")] = None,
    root: Root = None,
    strict: Strict = False,
) -> None:
    """Predict the subjects of a cohort with a saved model."""
    import pandas as pd

    from graphfuse.estimators.saving import load_model
    from graphfuse.evaluate.run_folder import write_table

    fitted, cohort = load_model(model), _read(manifest, root, strict, labels=False)
    table = pd.DataFrame(fitted.predict_proba(cohort), columns=[f"p_{name}" for name in fitted.class_names_])
    table.insert(0, "subject", cohort.subjects)
    if out is None:
        print(table.to_csv(sep="\t", index=False), end="")
    else:
        write_table(table, out)
    _leave(cohort)


@app.command()
def inspect(model: Annotated[Path, typer.Argument(help="A file that `fit` has written.")]) -> None:
    """List everything that a model file holds."""
    from graphfuse.estimators.inspection import inspect_model

    table = inspect_model(model)
    for name, value in table.attrs.items():
        print(f"{name}: {value}")
    print(table.to_string(index=False))


@app.command()
def atlases() -> None:
    """List the atlases that come with graphfuse."""
    from graphfuse.atlas import list_atlases

    print(list_atlases().to_string(max_colwidth=70))


def _read(manifest: Path, root: Path | None, strict: bool, labels: bool = True):
    from graphfuse.read import read_cohort

    return read_cohort(manifest, root=root, strict=strict, labels=labels)


def _audited(target: Path, root: Path | None, models: str | None):
    """Cohort, splits and names of models: of a manifest, or of a folder that `evaluate` has finished."""
    if not target.is_dir():
        return _read(target, root, False), None, _names(models or "default")
    result, arguments = _finished(target)
    return result.cohort, result.splits, _names(models or arguments["models"])


def _names(models: str) -> list[str]:
    return [name.strip() for name in models.split(",") if name.strip()]


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


def _finished(folder: Path):
    """The result and the arguments of a run that `evaluate` has finished."""
    from graphfuse.evaluate.run_folder import read_arguments, read_run

    arguments = read_arguments(folder)
    root = arguments["root"]
    return read_run(folder, _read(Path(arguments["manifest"]), Path(root) if root else None, False)), arguments


def _explain_and_report(result, folder: Path, arguments: dict) -> None:
    from graphfuse.report import write_report

    importance, edges = _explained(result, folder) if result.fitted else (None, None)
    shown = {key: value for key, value in arguments.items() if key not in ("manifest", "root")}
    print(f"Report: {write_report(result, folder / 'report.html', importance, edges, shown)}")


def _explained(result, folder: Path):
    """Importance of regions and edges, written to the folder too."""
    from graphfuse.evaluate.run_folder import write_table
    from graphfuse.explain import edge_importance, region_importance

    importance, edges = region_importance(result), edge_importance(result)
    write_table(importance, folder / "importance.tsv")
    write_table(edges, folder / "edges.tsv")
    return importance, edges


def _save_picture(figure, path: Path) -> None:
    from graphfuse._files import write_whole

    content = BytesIO()
    figure.savefig(content, dpi=150, format="png")
    write_whole(path, content.getvalue())


def _print_counts(title: str, values) -> None:
    counts = values.value_counts()
    print(f"{title}: {int(counts.sum())}")
    for value, count in counts.items():
        print(f"  {count} x {value}")


def _print_masked(masked) -> None:
    """One line a subject: which of his regions are masked, three by name."""
    print(f"Subjects with masked regions (constant, absent or not finite): {masked['subject'].nunique()}")
    for (subject, modality), part in masked.groupby(["subject", "modality"]):
        names = list(part["region"])
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        print(f"  {subject} {modality}: {'; '.join(names[:3])}{more}")


def _print_columns(title: str, columns, verdict: str) -> None:
    part = columns[columns["verdict"] == verdict]
    print(f"{title}: {len(part)}")
    for row in part.itertuples():
        print(f"  {row.column}: {row.reason}")


def _leave(cohort) -> None:
    """Exit code 1 when subjects were left out, so that a script notices."""
    if len(cohort.exclusions):
        raise typer.Exit(1)


if __name__ == "__main__":
    main()
