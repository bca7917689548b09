"""Bad inputs 31 to 38: weights, edges, sizes and modalities that are not there."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

import graphfuse as gf
from graphfuse.connectome.functional import fisher_z
from graphfuse.errors import (
    GraphFuseError,
    InvalidOption,
    MemoryBudget,
    MissingModality,
    NegativeWeights,
    NonFinite,
    ShapeMismatch,
)  # fmt: skip
from graphfuse.graph.graphs import Graphs
from graphfuse.kernels.adjacency import Adjacency


def test_31_an_isolated_node_gets_a_loop_and_no_nan():
    weight = torch.zeros(1, 3, 3)
    weight[0, 0, 1] = weight[0, 1, 0] = 1.0
    for layout in ("dense", "sparse"):
        adjacency = Adjacency.from_dense(weight, layout)
        assert int((adjacency.degree() == 0).sum()) == 1  # the count
        normal = adjacency.normalised("sym").to_dense()[0]
        assert torch.isfinite(normal).all()
        assert normal[2].tolist() == [0, 0, 1]


def test_32_negative_weights_are_an_error_by_default_and_a_choice_otherwise():
    weight = torch.tensor([[[0.0, -0.5], [-0.5, 0.0]]])
    with pytest.raises(NegativeWeights, match=r"2 are negative.*signed="):
        Adjacency.from_dense(weight).normalised("sym")
    for signed, value in {"absolute": 0.5, "positive": 0.0}.items():
        kept = gf.TopDensity(1.0, signed=signed)(weight)
        assert kept[0, 0, 1] == value
        assert torch.isfinite(Adjacency.from_dense(kept).normalised("sym").to_dense()).all()


def test_33_an_asymmetric_matrix_is_an_error_until_it_is_symmetrised(study, costs_one):
    (study.root / "dti").mkdir()
    matrices = {name: (a := np.abs(study.rng.normal(size=(4, 4)))) + a.T for name in study.ids}
    matrices[study.ids[1]][0, 1] += 1
    for name, matrix in matrices.items():
        np.savetxt(study.root / "dti" / f"{name}.csv", matrix, delimiter=",")
    study.fmri = '[signals.dti]\nkind = "connectivity"\npath = "dti/{ID}.csv"\natlas = "four.tsv"\n'
    costs_one(ShapeMismatch, "not symmetric.*symmetrise = true")
    study.fmri += "symmetrise = true\n"
    matrix = study.read(strict=True).signals["dti"][1]
    np.testing.assert_allclose(matrix, (matrices[study.ids[1]] + matrices[study.ids[1]].T) / 2, rtol=1e-6)


def test_34_equal_edges_are_summed_and_a_diagonal_is_no_edge_of_a_connectome():
    edge_index = torch.tensor([[0, 0, 1], [1, 1, 0]])
    adjacency = Adjacency.from_edge_index(edge_index, torch.tensor([1.0, 2.0, 3.0]), num_nodes=2)
    assert adjacency.to_dense()[0].tolist() == [[0, 3], [3, 0]]
    kept = gf.TopDensity(1.0)(torch.tensor([[[1.0, 0.4], [0.4, 1.0]]]))
    assert kept[0].diagonal().tolist() == [0, 0]


def test_35_a_correlation_of_one_is_clipped():
    z = fisher_z(torch.tensor([1.0, -1.0, 1.0 + 1e-6, 0.5], dtype=torch.float64))
    assert torch.isfinite(z).all()
    assert z[0] == -z[1] == z[2]
    assert float(z[0]) == pytest.approx(np.arctanh(1 - 1e-7))
    assert float(z[3]) == pytest.approx(np.arctanh(0.5))
    with pytest.raises(InvalidOption, match="correlations, not covariances"):
        fisher_z(torch.tensor([1.5]))


def test_36_weights_or_features_of_another_length_are_an_error():
    edge_index = torch.tensor([[0, 1, 2], [1, 2, 0]])
    with pytest.raises(ShapeMismatch, match="edge_weight"):
        Adjacency.from_edge_index(edge_index, torch.ones(2), num_nodes=3)
    with pytest.raises(InvalidOption, match=r"must lie in 0 \.\. 1; got 0 \.\. 2"):
        Adjacency.from_edge_index(edge_index, torch.ones(3), num_nodes=2)
    adjacency = Adjacency.from_edge_index(edge_index, num_nodes=3)
    with pytest.raises(ShapeMismatch):
        Graphs(torch.ones(1, 4, 2), adjacency, torch.ones(1, 4, dtype=torch.bool), torch.ones(1, dtype=torch.bool))
    with pytest.raises(NonFinite):
        Adjacency.from_edge_index(edge_index, torch.tensor([1.0, np.nan, 1.0]), num_nodes=3)


def test_37_a_dense_graph_of_too_many_people_is_refused_with_its_size():
    edge_index = torch.tensor([[0, 1], [1, 0]])
    with pytest.raises(MemoryBudget, match=r"GB|TB"):
        Adjacency.from_edge_index(edge_index, num_nodes=5_000_000, layout="dense")
    with pytest.raises(MemoryBudget, match=r"GB|TB"):
        Adjacency.from_edge_index(edge_index, num_nodes=5_000_000, layout="sparse").to_dense()


def test_38_a_modality_that_some_lack_is_masked_and_one_that_a_class_lacks_is_an_error(study, refused):
    (study.root / "dti").mkdir()
    for name in study.ids[1:]:
        np.savetxt(study.root / "dti" / f"{name}.csv", np.ones((4, 4)) + np.eye(4) * study.rng.random())
    study.extra = '[signals.dti]\nkind = "connectivity"\npath = "dti/{ID}.csv"\natlas = "four.tsv"\n'
    cohort = study.read(strict=True)
    assert cohort.has("dti").tolist() == [False] + [True] * 5
    assert "dti 5 x 4 x 4" in repr(cohort)  # the count
    for name in study.ids[2::2]:
        (study.root / "dti" / f"{name}.csv").unlink()
    refused(MissingModality, "No subject of class 'sick' has dti")


def test_38_a_model_refuses_it_too():
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"dx": ["a", "b"] * 10}, index=[f"s{i}" for i in range(20)])
    arrays = [None if i % 2 else rng.normal(size=20) for i in range(20)]
    signals = {"v": gf.Signal.pack("vector", arrays, columns=[f"v{i}" for i in range(20)])}
    cohort = gf.Cohort(table, signals, "dx", ("a", "b"))
    with pytest.raises(GraphFuseError, match="v"):
        gf.Ridge(("v",)).fit(cohort.blind(), cohort.y)
