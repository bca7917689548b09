"""Adjacencies, layers and fusions of any numbers: values and gradients are finite, or refused by name."""

from __future__ import annotations

from functools import cache

import pytest
import torch
from cases import finite_or_refused, many

import graphfuse as gf
from graphfuse.fusion import FUSIONS
from graphfuse.kernels import edge_softmax_attention
from graphfuse.nn import READOUTS, make_readout

KINDS = ("sym", "row", "none")
# conv -> (class, options to draw from)
CONVS = {
    "gcn": (gf.GCNConv, ({},)),
    "cheb": (gf.ChebConv, ({"order": 0}, {"order": 1}, {"order": 3}, {"order": 3, "lambda_max": 1.5})),
    "gat": (gf.GATConv, ({}, {"heads": 2}, {"heads": 2, "concat": False})),
    "gatv2": (gf.GATv2Conv, ({}, {"heads": 2}, {"heads": 2, "concat": False})),
    "transformer": (gf.TransformerConv, ({}, {"heads": 2}, {"heads": 2, "concat": False})),
}


@cache
def made(cls: type, *args, **options) -> torch.nn.Module:
    """A module, made once: most of the time of a case would go into its random weights."""
    torch.manual_seed(0)
    return cls(*args, **options)


def fusion_of(fusion: str, names: tuple[str, ...]) -> torch.nn.Module:
    return FUSIONS[fusion](dict.fromkeys(names, 2), 2)


def weights(d, g: int, r: int) -> torch.Tensor:
    """Edge weights (G, R, R) with isolated nodes; often non-negative, else most layers refuse them."""
    weight = d.tensor(g, r, r) * torch.as_tensor(d.mask(g, r, r, share=d.one(0.0, 0.2, 0.7, 1.0)))
    return weight.abs() if d.one(True, True, False) else weight


def adjacency(d, g: int, r: int) -> gf.Adjacency:
    return gf.Adjacency.from_dense(weights(d, g, r), layout=d.one("dense", "sparse"))


@many
def test_adjacency_of_edges(d):
    r, g, e = d.one(1, 2, 4), d.one(1, 3), d.one(0, 1, 6)
    edge_index = torch.as_tensor(d.rng.integers(d.one(0, 0, -1), r * g + d.one(0, 0, 1), (2, e)))
    if d.one(True, False):
        edge_index[0] = edge_index[1] // r * r  # inside a graph
    weight = d.one(None, d.tensor(e), d.tensor(e + 1), d.tensor(e).abs())
    a = finite_or_refused(
        gf.Adjacency.from_edge_index, edge_index, weight, num_nodes=r, num_graphs=g, layout=d.one("auto", "dense")
    )
    if a is not None:
        finite_or_refused(lambda: (a.to_dense(), *a.to_edge_index(), a.degree(), a[[0]].to_dense()))


@many
def test_adjacency_algebra(d):
    g, r = d.one(1, 3), d.one(1, 2, 4)
    a = finite_or_refused(adjacency, d, g, r)
    if a is None:
        return
    finite_or_refused(a.__matmul__, d.tensor(g, r, 2))
    finite_or_refused(a.degree)
    finite_or_refused(a.normalised, d.one(*KINDS), self_loops=d.one(True, False))
    finite_or_refused(lambda: a.laplacian(d.one(2.0, 1e-30, 1.0)) @ d.tensor(g, r, 2))
    finite_or_refused(a.with_weight, d.tensor(*a.weight.shape))
    finite_or_refused(a.drop_edges, d.one(0.0, 0.5, 1.0))
    finite_or_refused(lambda: (a.with_self_loops(), a.without_self_loops(), a.without_edges()))
    if g == 1:
        finite_or_refused(a.attach, d.tensor(2, r))


@many
def test_attention_over_edges(d):
    g, r, h = d.one(1, 2), d.one(1, 3), d.one(1, 2)
    a = finite_or_refused(adjacency, d, g, r)
    if a is not None:
        scores = d.tensor(g, r, h), d.tensor(g, r, h)
        finite_or_refused(edge_softmax_attention, a, *scores, d.tensor(g, r, h, 2), d.one(0.2, 0.0))


def value_and_gradients(module: torch.nn.Module, inputs: list, *others):
    """What a module returns, and the gradient of its sum to its parameters and inputs."""
    leaves = [x.clone().requires_grad_() for x in inputs if x.is_floating_point()]
    y = module(*leaves, *others)
    parameters = [p for p in module.parameters() if p.requires_grad]
    return y, torch.autograd.grad(y.sum(), [*leaves, *parameters], allow_unused=True)


@pytest.mark.parametrize("conv", CONVS)
@many
def test_convolutions_and_their_gradients(conv, d):
    g, r, wide = d.one(1, 2), d.one(1, 2, 4), d.one(1, 3)
    a = finite_or_refused(adjacency, d, g, r)
    if a is not None:
        cls, options = CONVS[conv]
        module = made(cls, wide, d.one(1, 2), **d.one(*options))
        finite_or_refused(value_and_gradients, module, [d.tensor(g, r, wide)], a)


@many
def test_readouts_and_their_gradients(d):
    g, r, width = d.one(1, 3), d.one(1, 4), d.one(1, 2)
    readout, _ = made(make_readout, d.one(*READOUTS), width, r)
    nodes = d.one(None, torch.as_tensor(d.mask(g, r, share=d.one(0.0, 0.5))))
    finite_or_refused(value_and_gradients, readout, [d.tensor(g, r, width)], nodes)


@many
def test_encoder_and_its_gradients(d):
    g, r, wide = d.one(1, 2), d.one(1, 3), d.one(1, 2)
    options = {"conv": d.one(*CONVS), "readout": d.one(*READOUTS), "norm": d.one(None, "layer"), "num_nodes": r}
    encoder = made(gf.GraphEncoder, wide, d.one((2,), (4, 2)), **options)
    nodes = d.one(None, torch.as_tensor(d.mask(g, r, share=0.5)))
    a = finite_or_refused(adjacency, d, g, r)
    if a is not None:
        finite_or_refused(value_and_gradients, encoder, [d.tensor(g, r, wide)], a, nodes)


@pytest.mark.parametrize("fusion", FUSIONS)
@many
def test_fusions_under_any_mask(fusion, d):
    names, b = ["a", "b", "c"][: 2 if fusion == "co-attention" else d.one(1, 2, 3)], d.one(1, 3)
    module = made(fusion_of, fusion, tuple(names))
    embeddings = {name: d.tensor(b, 2).requires_grad_() for name in names}
    present = {name: torch.as_tensor(d.mask(b, share=d.one(0.7, 1.0))) for name in names}

    def value_and_gradients():
        z, shares = module(embeddings, present)
        return z, shares, torch.autograd.grad(z.sum(), [*embeddings.values(), *module.parameters()], allow_unused=True)

    result = finite_or_refused(value_and_gradients)
    if result is None and all(mask.all() for mask in present.values()):
        assert d.recipe not in ("plain", "small integers", "zero")
