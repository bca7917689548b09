"""What hearing one's neighbours does to a population network: a table in Markdown, by their number.

Two layers over people, the same features, widths and training; only how a layer hears others differs. Nobody (a linear
layer); the neighbours and oneself in one sum (GCN: with k neighbours a person counts for about 1 / (k + 1) of her own
first layer); oneself and the neighbours apart (SAGE, Chebyshev). Beside it, of whom the graph joins: the share of its
weight between people of one class and of one site, which labels tell here after the fact and no model sees.

    python benchmarks/neighbours.py examples/abide.toml --root DIR [--folds 10] [--jobs 2] [--out DIR]
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

import numpy as np

import graphfuse as gf
from graphfuse.estimators.population_system import EVERYTHING, PopulationSystem
from graphfuse.graph.population import PopulationGraph
from graphfuse.nn.conv import ChebConv, GCNConv, SAGEConv
from graphfuse.nn.deep_layers import NodeLinear

NEIGHBOURS = (1, 3, 10, 30, None)
CONVS = {"GCN": GCNConv, "SAGE": SAGEConv, "Chebyshev, four terms": partial(ChebConv, order=3)}


def model(cohort: gf.Cohort, conv, neighbours: int | None) -> PopulationSystem:
    """Kipf and Welling's network with another convolution, on Parisot's graph, with more patience than theirs."""
    graphs = {EVERYTHING: PopulationGraph(same=None, neighbours=neighbours)}
    return gf.make_system("kipf", cohort, options={"conv": conv}, graphs=graphs, patience=30)


def shares(cohort: gf.Cohort, neighbours: int | None) -> list[float]:
    """Of the graph's weight: between people of one class, of one site; and a person's own share under GCN."""
    fitted = model(cohort, GCNConv, neighbours).set_params(epochs=1).fit(cohort)
    weight = fitted.graphs_[EVERYTHING].adjacency().to_dense()[0].numpy()
    y, site = cohort.y, cohort.sites.to_numpy()
    alike = [(weight * (label[:, None] == label)).sum() / weight.sum() for label in (y, site)]
    return [*alike, float(np.mean(1 / (1 + weight.sum(1))))]


def main() -> None:
    """Print the table."""
    cli = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument("manifest")
    cli.add_argument("--root")
    cli.add_argument("--folds", type=int, default=10)
    cli.add_argument("--jobs", type=int, default=1)
    cli.add_argument("--out", type=Path, help="folder for finished pieces")
    asked = cli.parse_args()
    cohort = gf.read_cohort(asked.manifest, root=asked.root)
    models = {"alone": model(cohort, NodeLinear, 1)}
    models |= {f"{name} {k}": model(cohort, conv, k) for k in NEIGHBOURS for name, conv in CONVS.items()}
    result = gf.cross_validate(
        models, cohort, gf.Splits(folds=asked.folds), baselines="none", n_jobs=asked.jobs, out=asked.out
    )
    auc = result.scores.set_index(["metric", "model"])["mean"]["auc"]
    print(f"{len(cohort)} people; alone (no neighbours): AUC {auc['alone']:.3f}\n")
    print("| neighbours | one class | one site | own share, GCN |", " | ".join(f"AUC, {name}" for name in CONVS), "|")
    print("|---" * (4 + len(CONVS)) + "|")
    for k in NEIGHBOURS:
        cells = [f"{share:.3f}" for share in shares(cohort, k)] + [f"{auc[f'{name} {k}']:.3f}" for name in CONVS]
        print(f"| {'all who agree' if k is None else k} |", " | ".join(cells), "|", flush=True)


if __name__ == "__main__":
    main()
