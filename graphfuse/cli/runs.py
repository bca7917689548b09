"""Commands on evaluations: demo, evaluate, explain, report."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Annotated

import typer

from graphfuse.cli.options import Folder, Jobs, Manifest, Out, Root, Strict, finished, leave, names, read


def demo(out: Out = Path("demo"), seed: int = 0) -> None:
    """Simulate a cohort, evaluate, explain and report it, in under a minute."""
    from graphfuse.demo import run_demo

    run_demo(out, seed)


def evaluate(
    manifest: Manifest,
    out: Out,
    models: Annotated[
        str, typer.Option(help="Names, comma-separated, or `default`, `fusions`, `all` (with the systems).")
    ] = "default",
    folds: int = 10,
    repeats: int = 1,
    leave_site_out: Annotated[bool, typer.Option("--leave-site-out")] = False,
    jobs: Jobs = 1,
    seed: int = 0,
    root: Root = None,
    strict: Strict = False,
    together: Annotated[
        bool,
        typer.Option("--together", help="Train the networks of all folds as one batch: MLP and population models."),
    ] = False,
) -> None:
    """Score models on the same folds and write tables and report.html; goes on where it was killed."""
    from graphfuse.evaluate.cross_validation import cross_validate
    from graphfuse.evaluate.models import models_by_name
    from graphfuse.evaluate.run_folder import write_run, write_table
    from graphfuse.evaluate.splits import Splits
    from graphfuse.systems import claims, makers

    cohort = read(manifest, root, strict)
    chosen = models_by_name(cohort, names(models), makers(cohort))
    splits = Splits(folds=folds, repeats=repeats, leave_site_out=leave_site_out, random_state=seed)
    result = cross_validate(chosen, cohort, splits, baselines="none", n_jobs=jobs, out=out, together=together)
    arguments = {"manifest": str(manifest.resolve()), "root": str(root.resolve()) if root else None, "models": models,
                 "folds": folds, "repeats": repeats, "leave_site_out": leave_site_out, "seed": seed}  # fmt: skip
    write_run(result, out, arguments)
    write_table(result.leaderboard(claims=claims()), out / "leaderboard.tsv")
    print(result.table().to_string())
    print(result.verdict())
    _explain_and_report(result, out, arguments)
    leave(cohort)


def explain(folder: Folder) -> None:
    """Write importance.tsv, edges.tsv, a glass brain and an interactive view of a finished evaluation."""
    from graphfuse import plot
    from graphfuse._files import write_whole
    from graphfuse.report.pictures import view

    result, _ = finished(folder)
    importance, edges = _explained(result, folder)
    _save_picture(plot.plot_importance(importance), folder / "importance.png")
    _save_picture(plot.plot_connectome(edges), folder / "connectome.png")
    page = view(lambda: plot.view_connectome(edges), "Connectome")  # loads nothing from the network
    write_whole(folder / "connectome.html", getattr(page, "page", page).encode())
    print(importance.head(20).to_string(index=False))


def report(folder: Folder) -> None:
    """Write report.html of a finished evaluation anew."""
    result, arguments = finished(folder)
    _explain_and_report(result, folder, arguments)


def _explain_and_report(result, folder: Path, arguments: dict) -> None:
    from graphfuse.report import write_report
    from graphfuse.systems import claims

    importance, edges = _explained(result, folder) if result.fitted else (None, None)
    shown = {key: value for key, value in arguments.items() if key not in ("manifest", "root")}
    print(f"Report: {write_report(result, folder / 'report.html', importance, edges, shown, claims())}")


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
