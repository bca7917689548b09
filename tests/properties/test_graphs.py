"""Graphs of any numbers, any masked region and any absent subject: finite, or refused by name."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from cases import finite_or_refused, many

import graphfuse as gf
from graphfuse.connectome import SIMILARITIES
from graphfuse.graph.graphs import from_networkx
from graphfuse.graph.sparsify import SIGNED
from graphfuse.graph.subject import FUNCTIONAL_KINDS, NODE_FEATURES

SPARSIFIERS = {
    "density": lambda d: gf.TopDensity(d.one(0.01, 0.5, 1.0), d.one(*SIGNED)),
    "threshold": lambda d: gf.Threshold(d.one(1e-30, 0.3, 1.0), d.one(*SIGNED)),
    "spanning": lambda d: gf.SpanningDensity(d.one(0.01, 0.5, 1.0), d.one(*SIGNED)),
    "disparity": lambda d: gf.DisparityFilter(d.one(0.01, 0.5, 1.0), d.one(*SIGNED)),
    "nearest": lambda d: gf.KNearest(d.one(1, 2, 50), d.one(*SIGNED)),
}


def symmetric(x: np.ndarray) -> np.ndarray:
    upper = np.triu(x)
    return upper + np.triu(x, 1).swapaxes(-1, -2)


@pytest.mark.parametrize("kind", SPARSIFIERS)
@many
def test_sparsifiers(kind, d):
    b, r = d.one(0, 1, 3), d.one(1, 2, 5)
    x = (
        symmetric(d.array(b, r, r, dtype=d.one(np.float32, np.float64)))
        if d.one(True, True, False)
        else d.array(b, r, r)
    )
    result = finite_or_refused(SPARSIFIERS[kind](d), x, d.one(None, d.mask(b, r)))
    assert result is None or (result.diagonal(dim1=1, dim2=2) == 0).all()


def signal(d, kind: str, r: int) -> gf.Signal:
    """A signal of up to four subjects, some not acquired."""
    n = d.one(1, 2, 4)
    shape = {"timeseries": (d.one(1, 2, 8, 8, 8), r), "connectivity": (r, r), "measures": (r, d.one(1, 3, 6))}[kind]
    x = d.array(n, *shape)
    if kind == "connectivity":
        x = d.one(symmetric(x), symmetric(np.clip(x, -1, 1)), x)
    acquired = d.mask(n, share=d.one(0.0, 0.6, 1.0, 1.0, 1.0))
    return gf.Signal.pack(kind, [array if there else None for array, there in zip(x, acquired, strict=True)])


def fit_and_transform(view, train: gf.Signal, new: gf.Signal):
    return view.fit(train).transform(train), view.transform(new)


@many
def test_functional_graph(d):
    what, r = d.one("timeseries", "timeseries", "connectivity"), d.one(1, 2, 4)
    sparsify = d.one(None, SPARSIFIERS["nearest"](d))
    view = gf.FunctionalGraph(d.one(*FUNCTIONAL_KINDS), d.one(None, "ledoit-wolf"), d.one(*NODE_FEATURES), sparsify)
    finite_or_refused(fit_and_transform, view, signal(d, what, r), signal(d, what, r))


@many
def test_morphometric_graph(d):
    r = d.one(1, 2, 4)
    view = gf.MorphometricGraph(d.one("auto", *SIMILARITIES), d.one("measures", *NODE_FEATURES))
    finite_or_refused(fit_and_transform, view, signal(d, "measures", r), signal(d, "measures", r))


def people(d, n: int, p: int) -> tuple[torch.Tensor, pd.DataFrame]:
    table = pd.DataFrame({"site": d.rng.choice(["a", "b", None], n), "sex": d.rng.choice([1.0, 2.0, np.nan], n)})
    return d.tensor(n, p), table.assign(age=d.array(n))


@many
def test_population_graph(d):
    n, p = d.one(1, 2, 6), d.one(1, 2, 5)
    within = d.one(None, {"age": 2.0}, {"age": 1e30})
    graph = gf.PopulationGraph(d.one((), ("site", "sex")), within, d.one(True, False), d.one(1, 3, 10))
    x, table = people(d, n, p)
    if finite_or_refused(lambda: graph.fit(x, table).adjacency()) is None:
        return
    x, table = people(d, d.one(1, 4), p)
    attached = finite_or_refused(graph.attach, x, table)
    if attached is not None:
        finite_or_refused(attached.normalised, "sym")


@many
def test_graphs_and_their_doors(d):
    g, r, f = d.one(1, 3), d.one(1, 2, 4), d.one(1, 2)
    weight = d.tensor(g, r, r) * torch.as_tensor(d.mask(g, r, r, share=0.5))
    nodes, present = torch.as_tensor(d.mask(g, r)), torch.as_tensor(d.mask(g))
    graphs = finite_or_refused(
        lambda: gf.Graphs(d.tensor(g, r, f), gf.Adjacency.from_dense(weight), nodes, present)
    )  # fmt: skip
    if graphs is None:
        return
    items = graphs.to_pyg(y=d.one(None, [0] * g))
    back = finite_or_refused(gf.Graphs.from_pyg, items)
    assert torch.equal(back.adjacency.to_dense(), graphs.adjacency.to_dense())
    names = [f"n{i}" for i in range(r)]
    finite_or_refused(from_networkx, graphs.to_networkx(0, names), names)
    assert finite_or_refused(lambda: graphs[[0]]) is not None


@many
def test_graphs_from_pyg_data_of_any_numbers(d):
    from torch_geometric.data import Data

    r, e = d.one(1, 2, 4), d.one(0, 1, 5)
    items = []
    for _ in range(d.one(1, 2)):
        edge_index = torch.as_tensor(d.rng.integers(d.one(0, 0, -1), r + d.one(0, 0, 1), (2, e)))
        weight = d.one(None, d.tensor(e), d.tensor(e + 1))
        items.append(Data(d.tensor(r, 2), edge_index, edge_weight=weight))
    finite_or_refused(gf.Graphs.from_pyg, items)
