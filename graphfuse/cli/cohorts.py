"""Commands on cohorts: simulate, check, atlases."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from graphfuse._files import make_folder
from graphfuse.cli.options import Manifest, Root, Strict, leave, read


def simulate(
    out: Annotated[Path, typer.Argument(help="Folder to write the cohort into.")], subjects: int = 200, seed: int = 0
) -> None:
    """Write a simulated cohort: cohort.toml, tables, series and its truth."""
    from graphfuse.simulate import simulate_cohort
    from graphfuse.write import write_cohort

    write_cohort(simulate_cohort(subjects, seed=seed), out)
    print(f"{subjects} subjects in {out}. Next: graphfuse check {out / 'cohort.toml'}")


def check(
    manifest: Manifest,
    out: Annotated[Path | None, typer.Option(help="Folder for exclusions.tsv, masked.tsv and columns.tsv.")] = None,
    root: Root = None,
    strict: Strict = False,
) -> None:
    """Say what is there, what is wrong, who is left out, and which columns give the class away."""
    from graphfuse.evaluate.leaks import leak_columns
    from graphfuse.evaluate.run_folder import write_table

    cohort = read(manifest, root, strict)
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
    leave(cohort)


def atlases() -> None:
    """List the atlases that come with graphfuse."""
    from graphfuse.atlas import list_atlases

    print(list_atlases().to_string(max_colwidth=70))


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
