"""A population graph of many people: seconds, peak of resident memory, and what an approximate search found.

    python benchmarks/large_population.py --subjects 500000 --search approximate [--neighbours 10] [--features 64]

Clustered imaging, 20 sites, two sexes, ages of 5 to 60 years. The peak counts everything: Python, torch, the features.
Recall is of the true neighbours of `--sample` people, found among everybody.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent.parent))

import graphfuse as gf
from benchmarks.workloads.population_graph import SAME, WITHIN, people


def main() -> None:
    """Build the graph once, print what it took."""
    arguments = _arguments()
    torch.set_num_threads(arguments.threads)
    x, table = people(arguments.subjects, arguments.features)
    phenotypes = {"none": ((), None), "sex": (("sex",), None), "all": (SAME, WITHIN)}[arguments.phenotypes]
    graph = gf.PopulationGraph(*phenotypes, neighbours=arguments.neighbours, search=arguments.search)
    _say("people made")
    graph.fit(x, table)
    _say("fitted")
    begin = time.perf_counter()
    adjacency = graph.adjacency()
    _say(f"{adjacency} in {time.perf_counter() - begin:.1f} s")
    print(
        f"recall {_recall(graph, adjacency, x, table, arguments.sample):.4f} of {arguments.sample} people's neighbours"
    )


def _recall(graph, adjacency, x, table, sample: int) -> float:
    """Share of the exact neighbours of the first people that the graph has."""
    n, k = len(x), graph.neighbours
    sample = min(sample, n)
    exact = gf.PopulationGraph(graph.same, graph.within, neighbours=k + 1).fit(x, table)
    source, weight = exact._from_fitted(exact.units_[:sample], {h: t[:sample] for h, t in exact.traits_.items()})
    found = total = 0
    for person in range(sample):
        true = source[person][(source[person] != person) & (weight[person] > 0)][:k]
        edges = slice(*adjacency.pattern.crow[person : person + 2].tolist())
        found += int(torch.isin(true, adjacency.pattern.col[edges]).sum())
        total += len(true)
    return found / max(total, 1)


def _say(what: str) -> None:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"{what}; peak {peak:.2f} GB", flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--subjects", type=int, default=500_000)
    parser.add_argument("--features", type=int, default=64)
    parser.add_argument("--neighbours", type=int, default=10)
    parser.add_argument("--search", default="approximate", choices=["exact", "approximate"])
    parser.add_argument("--phenotypes", default="all", choices=["none", "sex", "all"])
    parser.add_argument("--sample", type=int, default=200)
    parser.add_argument("--threads", type=int, default=2)
    return parser.parse_args()


if __name__ == "__main__":
    main()
