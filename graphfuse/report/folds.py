"""How the people were parted, what no model was shown, and what each fitted step used."""

from __future__ import annotations

import pandas as pd

from graphfuse.evaluate.declaration import SCOPES
from graphfuse.evaluate.result import CrossValidation
from graphfuse.evaluate.splits import Splits
from graphfuse.report.tables import DASH, Cell, Table, make_table


def folds(result: CrossValidation) -> dict:
    """What the section on the folds says."""
    splits = result.splits
    return {
        "kind": _kind(result),
        "sizes": _sizes(result),
        "rule": _rule(result),
        "leave_site_out": splits.leave_site_out,
        "count": len(result.fold_keys),
        "leaks": leaks(result),
        "steps": steps(result),
        "tried": tried(result),
    }


def leaks(result: CrossValidation) -> Table | None:
    """Columns withheld because they give the class away, and in how many folds."""
    if not len(result.leaks):
        return None
    counts = result.leaks["column"].value_counts().rename_axis("column").reset_index(name="folds")
    counts["folds"] = [f"{count} of {len(result.fold_keys)}" for count in counts["folds"]]
    return make_table(counts, "Columns withheld from every model", {"column": "Column", "folds": "Folds"})


def steps(result: CrossValidation) -> Table | None:
    """What the fitted steps of each model declare, one row a model; steps.tsv has them one by one."""
    if not len(result.steps):
        return None
    rows = [_declared(str(model), part) for model, part in result.steps.groupby("model", sort=False)]
    frame = pd.DataFrame(
        rows, columns=["Model", "Read labels of training subjects", "Read data only", "Phenotypes read"]
    )
    wide = result.steps.loc[result.steps["data"] == SCOPES["features"], "model"].unique()
    strong = [i for i, row in enumerate(rows) if row[0].text in wide]
    return make_table(frame, "What the fitted steps of each model declare to have used", strong=strong)


def _declared(model: str, part: pd.DataFrame) -> tuple[Cell, str, str, str]:
    """Kinds of steps that read labels, kinds that do not, columns; whose data as a note under the model's name."""
    labels = part["labels"] != "none"
    kinds = [", ".join(dict.fromkeys(part.loc[chosen, "kind"])) or DASH for chosen in (labels, ~labels)]
    columns = dict.fromkeys(name for cell in part["phenotypes"].dropna() for name in str(cell).split(", ") if name)
    scope = next((text for text in part["data"] if text == SCOPES["features"]), SCOPES["training"])
    return Cell(model, scope), *kinds, ", ".join(columns) or DASH


def tried(result: CrossValidation) -> list[tuple[str, int]]:
    """Models that chose among settings inside their training subjects, and among how many at most."""
    most = result.steps.groupby("model", sort=False)["tried"].max()
    return [(str(name), int(count)) for name, count in most.items() if count > 1]


def _kind(result: CrossValidation) -> str:
    splits = result.splits
    if splits.leave_site_out:
        return f"Leave-one-site-out: {len(result.fold_keys)} folds, each tests all subjects of one site."
    if not isinstance(splits, Splits):
        return f"{len(result.fold_keys)} splits that were given; nobody's person or family stands on both sides of one."
    times = "" if splits.repeats == 1 else f", dealt {splits.repeats} times anew"
    return f"Shuffled {splits.folds}-fold cross-validation{times}."


def _rule(result: CrossValidation) -> str:
    splits = result.splits
    if splits.leave_site_out:
        return "A site that holds one class has no AUC and is left out of its mean."
    if not isinstance(splits, Splits):
        return ""
    strata = "class and site" if splits.by == "site" and result.cohort.site else "class"
    return f"Stratified by {strata}; whole groups are dealt to the folds."


def _sizes(result: CrossValidation) -> Table:
    """Smallest and largest training and test set, and share of each class in them."""
    frame = result.folds.assign(label=result.folds["subject"].map(result.cohort.phenotypes[result.cohort.target]))
    counts = frame.groupby(["role", "repeat", "fold", "label"]).size().unstack(fill_value=0)
    total = counts.sum(axis=1)
    table = pd.DataFrame({"Subjects": _ranges(total, "{:.0f}")})
    for label in reversed(result.cohort.classes):
        if label in counts:
            table[f"Share of {label}"] = _ranges(counts[label] / total, "{:.2f}")
    table = table.rename({"train": "Training set", "test": "Test set"}).rename_axis("Set").sort_index(ascending=False)
    return make_table(table.reset_index(), "Sizes, from the smallest to the largest fold")


def _ranges(values: pd.Series, style: str) -> pd.Series:
    grouped = values.groupby("role")
    low, high = grouped.min().map(style.format), grouped.max().map(style.format)
    return low.where(low == high, low + " – " + high)  # noqa: RUF001 an en dash between two numbers
