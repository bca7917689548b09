"""Commands on models: fit, predict, inspect, systems."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from graphfuse.cli.options import Manifest, ModelFile, Root, Strict, leave, read


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
    from graphfuse.systems import makers

    cohort = read(manifest, root, strict)
    chosen = models_by_name(cohort, [model], makers(cohort))[model]
    fitted = chosen.fit(cohort.blind(drop=withheld(cohort)), cohort.y)
    save_model(fitted, out, include_cohort=include_cohort, prototype_size=prototypes)
    print(f"{model} of {len(cohort)} subjects in {out}")
    leave(cohort)


def predict(
    model: ModelFile,
    manifest: Manifest,
    out: Annotated[Path | None, typer.Option(help="Table to write; default: print it.")] = None,
    root: Root = None,
    strict: Strict = False,
) -> None:
    """Predict the subjects of a cohort with a saved model."""
    import pandas as pd

    from graphfuse.estimators.saving import load_model
    from graphfuse.evaluate.run_folder import write_table

    fitted, cohort = load_model(model), read(manifest, root, strict, labels=False)
    table = pd.DataFrame(fitted.predict_proba(cohort), columns=[f"p_{name}" for name in fitted.class_names_])
    table.insert(0, "subject", cohort.subjects)
    if out is None:
        print(table.to_csv(sep="\t", index=False), end="")
    else:
        write_table(table, out)
    leave(cohort)


def inspect(model: ModelFile) -> None:
    """List everything that a model file holds."""
    from graphfuse.estimators.inspection import inspect_model

    table = inspect_model(model)
    for name, value in table.attrs.items():
        print(f"{name}: {value}")
    print(table.to_string(index=False))


def systems() -> None:
    """List the published systems: what each needs, what was found of it, what is our reading, and who published it."""
    from graphfuse.systems import list_systems

    for line in list_systems().to_dict("records"):
        print(line.pop("system"))
        print("\n".join(f"  {key}: {value}" for key, value in line.items() if value))
