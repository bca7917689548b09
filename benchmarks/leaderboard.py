"""Print finished runs as one table in Markdown: every model of `graphfuse evaluate` beside what its authors published.

The first run gives the order and the costs; of each further run (other people, other splits) one column is added.

    graphfuse evaluate examples/abide.toml --root DIR --models all --out RUN
    python benchmarks/leaderboard.py RUN [NAME=OTHER ...]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd


def read(run: str) -> pd.DataFrame:
    """The leaderboard of a run, by model."""
    table = Path(run) / "leaderboard.tsv"
    if not table.is_file():
        raise argparse.ArgumentTypeError(f"expected a finished run, with leaderboard.tsv in it; got {run}")
    return pd.read_csv(table, sep="\t").set_index("model")


def named(text: str) -> tuple[str, pd.DataFrame]:
    """NAME=FOLDER as the name and the leaderboard."""
    name, equals, run = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"expected NAME=FOLDER; got {text}")
    return name, read(run)


def interval(row: pd.Series) -> str:
    """The AUC with its interval."""
    return f"{row['auc']:.3f} [{row['low']:.3f}, {row['high']:.3f}]"


def tested(row: pd.Series) -> str:
    """Difference to the best baseline and p, nothing for the baseline itself."""
    if pd.isna(row["difference"]):
        return ""
    p = "< .001" if row["p_holm"] < 0.001 else f"{row['p_holm']:.3f}"
    return f"{row['difference']:+.3f}, {p}"


def cells(row: pd.Series) -> list[str]:
    """Columns of the first run."""
    claim = row["claim"] if isinstance(row.get("claim"), str) else ""
    costs = [f"{row['seconds']:.1f}", f"{row['parameters']:,.0f}", f"{row['peak_mb']:.0f}"]
    return [row["role"], interval(row), f"{row['accuracy']:.3f}", tested(row), *costs, claim]


def table(first: pd.DataFrame, others: dict[str, pd.DataFrame]) -> list[str]:
    """Lines of Markdown."""
    head = ["model", "role", "AUC", "accuracy", "against the best baseline, *p*", "s", "parameters", "MB", "published"]
    head[3:3] = [f"AUC, {name}" for name in others]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for model, row in first.iterrows():
        shown = cells(row)
        shown[2:2] = [interval(other.loc[model]) if model in other.index else "" for other in others.values()]
        lines.append(f"| {' | '.join([model, *shown])} |")
    return lines


def main() -> None:
    """Print the table."""
    cli = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument("run", type=read, help="the folder of a finished run")
    cli.add_argument("others", type=named, nargs="*", help="NAME=FOLDER of further runs")
    asked = cli.parse_args()
    print("\n".join(table(asked.run, dict(asked.others))))


if __name__ == "__main__":
    main()
