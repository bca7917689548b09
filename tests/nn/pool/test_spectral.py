"""Spectral clusters recover planted blocks; Fourier modes are eigenvectors with settled signs."""

from __future__ import annotations

import pytest
import torch
from sklearn.cluster import spectral_clustering
from sklearn.metrics import adjusted_rand_score

from graphfuse.errors import InvalidOption, NegativeWeights
from graphfuse.kernels import Adjacency
from graphfuse.nn.pool.spectral import fourier_basis, mean_graph, spectral_clusters

BLOCKS = torch.tensor([0] * 6 + [1] * 5 + [2] * 7)


def planted(seed=0):
    generator = torch.Generator().manual_seed(seed)
    noise = torch.rand(18, 18, generator=generator, dtype=torch.float64)
    weight = torch.where(BLOCKS[:, None] == BLOCKS, 1.0, 0.05) * (0.5 + noise)
    return (weight + weight.T) / 2


@pytest.mark.parametrize("layout", ["dense", "sparse"])
def test_the_mean_graph_is_the_symmetric_mean(layout):
    weight = torch.rand(4, 5, 5) * (torch.rand(4, 5, 5) < 0.5)
    mean = weight.double().mean(0)
    torch.testing.assert_close(mean_graph(Adjacency.from_dense(weight, layout)), (mean + mean.T) / 2)


def test_planted_blocks_are_found_as_scikit_learn_finds_them():
    graph = planted()
    clusters = spectral_clusters(graph, 3)
    assert torch.equal(clusters, BLOCKS)  # numbered by their first node
    theirs = spectral_clustering(graph.numpy(), n_clusters=3, random_state=0, assign_labels="cluster_qr")
    assert adjusted_rand_score(clusters.numpy(), theirs) == 1.0


def test_clusters_do_not_depend_on_the_numbering():
    order = torch.randperm(18, generator=torch.Generator().manual_seed(1))
    clusters = spectral_clusters(planted()[order][:, order], 3)
    assert adjusted_rand_score(clusters.numpy(), BLOCKS[order].numpy()) == 1.0
    assert clusters[0] == 0


def test_one_cluster_holds_all_and_as_many_as_nodes_hold_one_each():
    assert not spectral_clusters(planted(), 1).any()
    assert torch.equal(spectral_clusters(planted(), 18), torch.arange(18))


def test_a_graph_that_falls_apart_is_clustered_by_its_pieces():
    graph = torch.where(BLOCKS[:, None] == BLOCKS, planted(), 0.0)
    assert torch.equal(spectral_clusters(graph, 3), BLOCKS)


def test_modes_are_orthonormal_eigenvectors_in_order_of_their_eigenvalue():
    graph = planted()
    basis = fourier_basis(graph, BLOCKS, 4)
    for k in range(3):
        members = BLOCKS.eq(k)
        assert not basis[:, ~members, k].any()
        sub = graph[members][:, members] * (1 - torch.eye(int(members.sum()), dtype=torch.float64))
        scale = sub.sum(1) ** -0.5
        laplacian = torch.eye(len(sub), dtype=torch.float64) - scale[:, None] * sub * scale
        modes = basis[:, members, k]
        torch.testing.assert_close(modes @ modes.T, torch.eye(4, dtype=torch.float64))
        values = (modes @ laplacian @ modes.T).diagonal()
        torch.testing.assert_close(modes @ laplacian, values[:, None] * modes)
        torch.testing.assert_close(values, torch.linalg.eigvalsh(laplacian)[:4], atol=1e-9, rtol=0)


def test_the_first_mode_is_the_root_of_the_degree_even_in_pieces():
    graph = torch.zeros(5, 5, dtype=torch.float64)
    graph[0, 1] = graph[1, 0] = 1.0
    graph[2, 3] = graph[3, 2] = graph[3, 4] = graph[4, 3] = 4.0
    root = graph.sum(1).sqrt()
    torch.testing.assert_close(fourier_basis(graph, torch.zeros(5).long(), 1)[0, :, 0], root / root.norm())
    alone = fourier_basis(torch.zeros(4, 4), torch.zeros(4).long(), 1)
    torch.testing.assert_close(alone[0, :, 0], torch.full((4,), 0.5, dtype=torch.float64))


def test_signs_are_settled():
    basis = fourier_basis(planted(), BLOCKS, 5)
    for vector in basis.permute(0, 2, 1).flatten(0, 1):
        assert vector[vector.abs().argmax()] > 0
    pair = fourier_basis(torch.ones(2, 2), torch.zeros(2).long(), 2)[1, :, 0]
    torch.testing.assert_close(pair, torch.tensor([0.5, -0.5], dtype=torch.float64).sign() * 0.5**0.5)


def test_renumbering_renumbers_the_modes():
    order = torch.randperm(18, generator=torch.Generator().manual_seed(2))
    graph, basis = planted(), fourier_basis(planted(), BLOCKS, 4)
    torch.testing.assert_close(fourier_basis(graph[order][:, order], BLOCKS[order], 4), basis[:, order])


def test_small_clusters_repeat_their_last_mode():
    basis = fourier_basis(planted(), torch.tensor([0] * 16 + [1, 2]), 3)
    assert torch.equal(basis[:, 16, 1], torch.ones(3, dtype=torch.float64))


def test_errors_at_the_door():
    with pytest.raises(NegativeWeights):
        spectral_clusters(-planted(), 3)
    with pytest.raises(InvalidOption, match="symmetric"):
        spectral_clusters(planted().triu(), 3)
    with pytest.raises(InvalidOption, match="num_clusters"):
        spectral_clusters(planted(), 19)
