"""Population graphs: phenotypes and imaging to the k heaviest edges of each person, against loops and searches.

The published loop is written anew after Parisot et al. 2018 (their public code): for each phenotype, for each i, for
each j > i, a count goes up where two people agree; the similarity is ``exp`` of scipy's correlation distances, N x N.
It makes dense matrices and no top-k; ours is the whole way from the table to an `Adjacency` of the 10 heaviest edges.
As there, phenotypes are text by subject, and a quantity becomes a number for each pair anew.

At 10,000 people the loop is timed on its first 50 rows and scaled by the number of pairs; 500,000 people have a script
of their own, ``benchmarks/large_population.py``.

Peers of the search alone get unit rows in float32: scikit-learn's brute force by Euclidean distance (the same order as
the cosine, and its fused path), faiss ``IndexFlatIP``, pynndescent at its defaults with its index built each time, as
ours is (compiled in the turn that warms up). What is compared are the weights of their distances.
"""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pandas as pd
import torch
from scipy.spatial.distance import cdist, pdist, squareform

import graphfuse as gf
from benchmarks.paired import OURS, Floor, compare
from graphfuse.graph.agreement import codes, levels, traits
from graphfuse.graph.nearest import approximate, exact
from graphfuse.graph.population import _unit_rows
from graphfuse.kernels.codes import Codes, agreement

SAME, WITHIN, K = ("site", "sex"), {"age": 2.0}, 10
LOOP_ROWS = 50  # of 10,000


def rows():
    """871 people as in ABIDE I, then 10,000, then the search for neighbours alone."""
    yield _agreement(871)
    yield _phenotypes(871)
    yield _both(871, 2000)
    yield _scaled(10_000, 200)
    yield _search(10_000, 64)


def people(n: int, features: int, seed: int = 0) -> tuple[torch.Tensor, pd.DataFrame]:
    """Clustered imaging, 20 sites, two sexes, ages of 5 to 60 years."""
    draw = np.random.default_rng(seed)
    centres = 1 + draw.standard_normal((100, features), dtype=np.float32)
    x = centres[draw.integers(0, 100, n)] + draw.standard_normal((n, features), dtype=np.float32)
    site, sex = draw.integers(0, 20, n).astype(str), draw.integers(1, 3, n)
    return torch.as_tensor(x), pd.DataFrame({"site": site, "sex": sex, "age": draw.uniform(5, 60, n)})


def _graph(x, table, **options):
    return gf.PopulationGraph(SAME, WITHIN, neighbours=K, **options).fit(x, table).adjacency()


def _agreement(n: int):
    """The phenotype part by itself: from the table to all counts, as the loop does it."""
    _, table = people(n, 1)

    def ours():
        known = levels(table, SAME)
        mine = codes(traits(table, known, WITHIN), known, WITHIN, n)
        return agreement(mine, mine).fill_diagonal_(0)  # the loop counts nobody with himself

    contestants = {
        OURS: ours,
        "published loop": lambda: loop_agreement(table),
        "numpy, all pairs at once": lambda: numpy_agreement(table),
    }
    return compare(f"phenotypes of all pairs of {n} people", contestants, floors=[Floor("published loop", 100)])


def _phenotypes(n: int):
    """The whole graph of phenotypes alone: from the table to the edges of the k who agree most."""
    x, table = people(n, 1)
    contestants = {
        OURS: lambda: _graph(x, table, similarity=False),
        "published loop": lambda: loop_agreement(table),
        "numpy, all pairs at once": lambda: numpy_agreement(table),
    }
    return compare(f"phenotypes alone, {n} people", contestants, error=False)


def _both(n: int, features: int):
    x, table = people(n, features)
    contestants = {
        OURS: lambda: _graph(x, table).to_edge_index()[1].sort().values,
        "published loop": lambda: loop_agreement(table) * loop_similarity(x.numpy()),
        "numpy, all pairs at once": lambda: numpy_agreement(table) * numpy_similarity(x.numpy()),
    }
    error = dense_error(x, table)
    floors = [Floor("published loop", 15)]
    return compare(f"phenotypes and similarity, {n} x {features}", contestants, error=error, floors=floors)


def _scaled(n: int, features: int):
    x, table = people(n, features)
    name = f"published loop, {LOOP_ROWS} of {n} rows, scaled"
    row = compare(f"phenotypes and similarity, {n} x {features}", {OURS: lambda: _graph(x, table)}, error=False)
    begin = time.perf_counter()
    loop_agreement(table, LOOP_ROWS)
    pairs = LOOP_ROWS * n - LOOP_ROWS * (LOOP_ROWS + 1) / 2
    phenotypes = (time.perf_counter() - begin) * (n * (n - 1) / 2) / pairs
    begin = time.perf_counter()
    np.exp(-(cdist(x[:LOOP_ROWS].numpy(), x.numpy(), "correlation") ** 2))
    similarity = (time.perf_counter() - begin) * (n - 1) / 2 / LOOP_ROWS  # pdist takes each pair once
    notes = f"the loop scaled: {phenotypes:.3g} s for phenotypes, {similarity:.3g} s for similarity"
    return replace(row, seconds=row.seconds | {name: phenotypes + similarity}, floors=[Floor(name, 100)], notes=notes)


def _search(n: int, features: int):
    import faiss
    from pynndescent import NNDescent
    from sklearn.neighbors import NearestNeighbors

    units = _unit_rows(people(n, features)[0])
    x, scale = units.numpy(), 0.5
    nobody = Codes(torch.zeros(0, n, dtype=torch.int32), torch.zeros(0, n), torch.zeros(0))

    def by_sklearn():
        distance, _ = NearestNeighbors(n_neighbors=K, algorithm="brute").fit(x).kneighbors()  # without oneself
        return np.exp(-((distance**2 / 2) ** 2) * scale)

    def by_faiss():
        index = faiss.IndexFlatIP(features)
        index.add(x)
        return np.exp(-((1 - index.search(x, K + 1)[0][:, 1:]) ** 2) * scale)

    def by_pynndescent():
        distance = NNDescent(x, "cosine", n_neighbors=K + 1, random_state=0).neighbor_graph[1]
        return np.exp(-(distance[:, 1:] ** 2) * scale)

    contestants = {
        OURS: lambda: exact(units, nobody, scale, K)[1],
        "faiss IndexFlatIP": by_faiss,
        "scikit-learn brute": by_sklearn,
        "graphfuse, approximate": lambda: approximate(units, nobody, scale, K)[1],
        "pynndescent": by_pynndescent,
    }
    found, true = approximate(units, nobody, scale, K)[0], exact(units, nobody, scale, K)[0]
    recall = float((found[:, :, None] == true[:, None, :]).any(1).float().mean())
    notes = f"the approximate search finds {recall:.2%} of the neighbours; it is for more people than these"
    return compare(f"{K} nearest of {n} x {features}, no phenotypes", contestants, notes=notes)


# ---- the published loop, and the same without loops


def loop_agreement(table: pd.DataFrame, first: int | None = None) -> np.ndarray:
    """Phenotypes that agree, N x N, pair by pair; `first` = only the pairs of so many rows."""
    subjects = [f"subject {i}" for i in range(len(table))]
    graph = np.zeros((len(table), len(table)))
    for name in (*SAME, *WITHIN):
        values = dict(zip(subjects, table[name].astype(str), strict=True))
        for i in range(len(table) if first is None else first):
            for j in range(i + 1, len(table)):
                if name in WITHIN:
                    if abs(float(values[subjects[i]]) - float(values[subjects[j]])) < WITHIN[name]:
                        graph[i, j] += 1
                        graph[j, i] += 1
                elif values[subjects[i]] == values[subjects[j]]:
                    graph[i, j] += 1
                    graph[j, i] += 1
    return graph


def loop_similarity(x: np.ndarray) -> np.ndarray:
    """The kernel of all correlation distances, N x N."""
    distance = squareform(pdist(x, "correlation"))
    return np.exp(-(distance**2) / (2 * distance.mean() ** 2))


def numpy_agreement(table: pd.DataFrame) -> np.ndarray:
    """The same count by broadcasting."""
    columns = [np.unique(table[name], return_inverse=True)[1] for name in SAME]
    graph = sum((column[:, None] == column).astype(np.float32) for column in columns)
    return graph + sum(
        np.abs(table[h].to_numpy()[:, None] - table[h].to_numpy()) < width for h, width in WITHIN.items()
    )


def numpy_similarity(x: np.ndarray) -> np.ndarray:
    """The same kernel by one product of matrices, in float32."""
    distance = 1 - np.corrcoef(x, dtype=np.float32)
    return np.exp(-(distance**2) / (2 * distance.mean() ** 2))


def dense_error(x: torch.Tensor, table: pd.DataFrame) -> float:
    """Largest difference of our weights from the loop's matrix where it is thinned by a plain sort."""
    weight = loop_agreement(table) * loop_similarity(x.double().numpy())
    np.fill_diagonal(weight, 0)
    kept = np.zeros_like(weight)
    chosen = np.argsort(-weight, axis=1, kind="stable")[:, :K]
    np.put_along_axis(kept, chosen, np.take_along_axis(weight, chosen, 1), 1)
    ours = _graph(x, table).to_dense()[0].numpy()
    return float(np.abs(ours - np.maximum(kept, kept.T)).max() / kept.max())
