"""Adjacency: both storages are one thing, and that thing is the textbook's."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch

from graphfuse.errors import InvalidOption, MemoryBudget, NegativeWeights, NonFinite, ShapeMismatch
from graphfuse.kernels.adjacency import DENSE_ABOVE, Adjacency

LAYOUTS = ["dense", "sparse"]
SHAPES = [(1, 1, 1), (1, 7, 7), (3, 5, 5), (2, 4, 9), (2, 9, 4), (5, 13, 13)]


def random_weight(shape, density=0.4, seed=0, dtype=torch.float64):
    """Weights with empty rows, and one node without any edge where there is room."""
    generator = torch.Generator().manual_seed(seed)
    weight = torch.rand(shape, generator=generator, dtype=dtype)
    weight = weight * (torch.rand(shape, generator=generator) < density)
    weight[0, shape[1] // 2] = 0.0
    weight[0, :, min(shape[1] // 2, shape[2] - 1)] = 0.0
    return weight


def numpy_sym(weight, self_loops=True):
    """Kipf's operator, one graph and one entry at a time."""
    out = np.zeros_like(weight)
    for g, a in enumerate(np.array(weight)):
        if self_loops:
            a = a + np.diag((np.diag(a) == 0).astype(a.dtype))
        degree = a.sum(1)
        for r, s in np.argwhere(a):
            out[g, r, s] = a[r, s] / np.sqrt(degree[r] * degree[s]) if degree[r] * degree[s] else 0.0
    return out


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_product_and_both_gradients_equal_numpy(shape, layout):
    graphs, targets, sources = shape
    weight = random_weight(shape).requires_grad_()
    x = torch.randn(graphs, sources, 3, dtype=torch.float64, requires_grad=True)
    grad = torch.randn(graphs, targets, 3, dtype=torch.float64)
    y = Adjacency.from_dense(weight, layout) @ x
    y.backward(grad)
    w, v, d = weight.detach().numpy(), x.detach().numpy(), grad.numpy()
    np.testing.assert_allclose(y.detach().numpy(), np.einsum("grs,gsd->grd", w, v), atol=1e-12)
    np.testing.assert_allclose(x.grad.numpy(), np.einsum("grs,grd->gsd", w, d), atol=1e-12)
    wanted = np.einsum("grd,gsd->grs", d, v)
    wanted = wanted if layout == "dense" else wanted * (w != 0)  # what is no edge has no gradient
    np.testing.assert_allclose(weight.grad.numpy(), wanted, atol=1e-12)


@pytest.mark.parametrize("kind", ["sym", "row", "none"])
@pytest.mark.parametrize("self_loops", [True, False])
def test_layouts_normalise_alike_with_gradients(kind, self_loops):
    results = []
    for layout in LAYOUTS:
        weight = random_weight((3, 6, 6)).requires_grad_()
        x = torch.arange(54.0, dtype=torch.float64).view(3, 6, 3).sin().requires_grad_()
        y = Adjacency.from_dense(weight, layout).normalised(kind, self_loops=self_loops) @ x
        (y * y.detach().cos()).sum().backward()
        results.append((y.detach(), x.grad, torch.where(weight != 0, weight.grad, 0.0).detach()))
    for dense, sparse in zip(*results, strict=True):
        assert torch.isfinite(dense).all()
        torch.testing.assert_close(dense, sparse)


@pytest.mark.parametrize("self_loops", [True, False])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_sym_is_kipfs(layout, self_loops):
    weight = random_weight((3, 8, 8))
    weight = weight + weight.mT
    weight[1].fill_diagonal_(0.5)  # a self-loop that is there keeps its weight
    operator = Adjacency.from_dense(weight, layout).normalised("sym", self_loops=self_loops)
    np.testing.assert_allclose(operator.to_dense().numpy(), numpy_sym(weight.numpy(), self_loops), atol=1e-12)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_row_sums_to_one_and_isolated_nodes_are_safe(layout):
    adjacency = Adjacency.from_dense(random_weight((2, 6, 6)), layout)
    looped = adjacency.normalised("row").to_dense()
    torch.testing.assert_close(looped.sum(2), torch.ones(2, 6, dtype=torch.float64))
    assert looped[0, 3].tolist() == [0, 0, 0, 1, 0, 0]
    bare = adjacency.normalised("sym", self_loops=False).to_dense()
    assert torch.isfinite(bare).all()
    assert not bare[0, 3].any()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_gradient_at_an_isolated_node_is_finite(layout):
    weight = random_weight((1, 6, 6)).requires_grad_()
    operator = Adjacency.from_dense(weight, layout).normalised("sym", self_loops=False)
    (operator @ torch.ones(1, 6, 2, dtype=torch.float64)).sum().backward()
    assert torch.isfinite(weight.grad).all()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_laplacian_is_the_textbooks(layout):
    weight = random_weight((2, 7, 7))
    weight = weight + weight.mT  # its diagonal must be left out
    x = torch.randn(2, 7, 3, dtype=torch.float64)
    bare = weight.numpy() * (1 - np.eye(7))
    for lambda_max in (2.0, 1.3):
        scaled = 2 / lambda_max * (np.eye(7) - numpy_sym(bare, self_loops=False)) - np.eye(7)
        y = Adjacency.from_dense(weight, layout).laplacian(lambda_max) @ x
        np.testing.assert_allclose(y.numpy(), scaled @ x.numpy(), atol=1e-12)


@pytest.mark.parametrize("rows", [[2, 0, 2], np.array([4]), slice(1, 4), np.arange(5) % 2 == 0, 3, []])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_selection_is_selection_of_matrices(layout, rows):
    weight = random_weight((5, 6, 6))
    adjacency = Adjacency.from_dense(weight, layout)
    wanted = weight[[rows] if isinstance(rows, int) else rows]
    selected = adjacency[rows]
    assert torch.equal(selected.to_dense(), wanted)
    if len(wanted):
        alone = Adjacency.from_dense(wanted, layout).normalised("sym")
        assert torch.equal(selected.normalised("sym").to_dense(), alone.to_dense())


@pytest.mark.parametrize("layout", LAYOUTS)
def test_gradient_through_a_selection_uses_its_share_of_the_transpose(layout):
    adjacency = Adjacency.from_dense(random_weight((5, 6, 6)), layout)[1:][[3, 1, 1]]
    x = torch.randn(3, 6, 2, dtype=torch.float64, requires_grad=True)
    grad = torch.randn(3, 6, 2, dtype=torch.float64)
    (adjacency @ x).backward(grad)
    torch.testing.assert_close(x.grad, adjacency.to_dense().mT @ grad)


def test_gradient_reaches_the_weights_of_the_selected_graphs_alone():
    weight = random_weight((4, 5, 5)).requires_grad_()
    adjacency = Adjacency.from_dense(weight, "sparse")
    (adjacency[[1, 3]].normalised() @ torch.randn(2, 5, 2, dtype=torch.float64)).square().sum().backward()
    assert weight.grad.flatten(1).any(1).tolist() == [False, True, False, True]


def test_what_needs_no_gradient_is_normalised_once_for_all_batches():
    adjacency = Adjacency.from_dense(random_weight((4, 5, 5)), "sparse")
    assert adjacency.normalised() is adjacency.normalised()
    batch = adjacency[[1, 2]].normalised()
    assert batch._origin[0] is adjacency.normalised()
    learned = Adjacency.from_dense(random_weight((4, 5, 5)).requires_grad_(), "sparse")
    assert learned.normalised() is not learned.normalised()


def test_what_was_kept_in_inference_mode_can_be_trained_on():
    adjacency = Adjacency.from_dense(random_weight((2, 5, 5), dtype=torch.float32), "sparse")
    x = torch.randn(2, 5, 3, requires_grad=True)
    with torch.inference_mode():
        adjacency.normalised() @ torch.randn(2, 5, 3)
    (adjacency.normalised() @ x).sum().backward()
    assert x.grad.any()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_pickle_holds_the_selection_alone(layout):
    big = Adjacency.from_dense(torch.rand(200, 6, 6), layout)
    small = big[[7]]
    small.normalised()
    data = pickle.dumps(small)
    assert len(data) < 3000
    assert torch.equal(pickle.loads(data).to_dense(), small.to_dense())
    assert torch.equal(copy.deepcopy(small).to_dense(), small.to_dense())


@pytest.mark.parametrize("layout", LAYOUTS)
def test_edge_index_goes_round(layout):
    weight = random_weight((3, 5, 5))
    edge_index, edge_weight = Adjacency.from_dense(weight, layout).to_edge_index()
    source, target = edge_index
    assert torch.equal(weight[target // 5, target % 5, source % 5], edge_weight)  # (target, source), as PyG sends
    order = torch.randperm(len(edge_weight))
    back = Adjacency.from_edge_index(edge_index[:, order], edge_weight[order], num_nodes=5, num_graphs=3, layout=layout)
    assert back.layout == layout
    assert torch.equal(back.to_dense(), weight)


def test_equal_edges_are_summed_and_weights_default_to_one():
    adjacency = Adjacency.from_edge_index([[0, 0, 1], [1, 1, 2]], num_nodes=3)
    assert adjacency.to_dense()[0].tolist() == [[0, 0, 0], [2, 0, 0], [0, 1, 0]]
    assert adjacency.degree().tolist() == [[0, 2, 1]]


def test_no_edge_at_all():
    for adjacency in (
        Adjacency.from_edge_index(torch.zeros(2, 0), num_nodes=3, num_graphs=2),
        Adjacency.from_dense(torch.ones(2, 3, 3)).without_edges(),
        Adjacency.from_dense(torch.zeros(2, 3, 3), "dense"),
    ):
        x = torch.randn(2, 3, 4, requires_grad=True)
        assert not (adjacency @ x).any()
        assert torch.equal(adjacency.normalised() @ x, x)
        (adjacency @ x).sum().backward()
        assert not x.grad.any()
        assert adjacency.density == 0


@pytest.mark.parametrize("layout", LAYOUTS)
def test_attached_nodes_listen_one_way(layout):
    fitted, new = random_weight((1, 6, 6), dtype=torch.float32), torch.rand(2, 6)
    new[1, 2:] = 0.0
    adjacency = Adjacency.from_dense(fitted, layout)
    attached = adjacency.attach(new)
    assert attached.layout == layout
    wanted = torch.zeros(8, 8)
    wanted[:6, :6], wanted[6:, :6] = fitted[0], new
    assert torch.equal(attached.to_dense()[0], wanted)
    both, alone = attached.normalised().to_dense()[0], adjacency.attach(new[1:]).normalised().to_dense()[0]
    torch.testing.assert_close(both[:6, :6], adjacency.normalised().to_dense()[0])  # frozen
    torch.testing.assert_close(both[7, :6], alone[6, :6])  # each one alone


@pytest.mark.parametrize("layout", LAYOUTS)
def test_rectangular_takes_the_degrees_that_are_given(layout):
    weight = random_weight((1, 2, 6))
    row_degree, col_degree = torch.tensor([[2.0, 3.0]]).double(), torch.arange(1.0, 7.0)[None].double()
    adjacency = Adjacency.from_dense(weight, layout)
    operator = adjacency.normalised("sym", self_loops=False, row_degree=row_degree, col_degree=col_degree)
    torch.testing.assert_close(operator.to_dense(), weight / row_degree[..., None].sqrt() / col_degree[:, None].sqrt())
    with pytest.raises(InvalidOption, match="col_degree"):
        adjacency.normalised("sym", self_loops=False)
    with pytest.raises(InvalidOption, match="square"):
        adjacency.normalised("row")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_dropped_edges_vanish_and_the_rest_stays(layout):
    adjacency = Adjacency.from_dense(torch.rand(4, 20, 20) + 0.1, layout)
    dropped = adjacency.drop_edges(0.25, torch.Generator().manual_seed(0)).to_dense()
    kept = dropped != 0
    assert 0.7 < kept.float().mean() < 0.8
    assert torch.equal(dropped[kept], adjacency.to_dense()[kept])


def test_auto_chooses_by_density():
    assert Adjacency.from_dense(random_weight((2, 50, 50), DENSE_ABOVE["cpu"] / 2)).layout == "sparse"
    assert Adjacency.from_dense(random_weight((2, 50, 50), 2 * DENSE_ABOVE["cpu"])).layout == "dense"


def test_types_and_one_graph():
    adjacency = Adjacency.from_dense(np.eye(3, dtype=bool))
    assert adjacency.weight.dtype == torch.float32
    assert (adjacency @ torch.ones(3, 2)).shape == (3, 2)
    assert adjacency.to(torch.float64).weight.dtype == torch.float64
    assert adjacency.to("cpu") is adjacency
    assert (adjacency.shape, adjacency.num_graphs, adjacency.num_nodes) == ((1, 3, 3), 1, 3)
    assert "shape=(1, 3, 3)" in repr(adjacency)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", ["sym", "row"])
def test_negative_weights_are_an_error_with_a_remedy(layout, kind):
    adjacency = Adjacency.from_dense(torch.tensor([[0.0, -0.5], [-0.5, 0.0]]), layout)
    with pytest.raises(NegativeWeights, match="signed='absolute'"):
        adjacency.normalised(kind)
    with pytest.raises(NegativeWeights):
        adjacency.laplacian()
    assert (adjacency @ torch.ones(2, 1)).flatten().tolist() == [-0.5, -0.5]  # a plain product needs no root


def test_errors_at_the_door():
    adjacency = Adjacency.from_dense(torch.ones(2, 3, 3))
    with pytest.raises(NonFinite, match="1 of 4"):
        Adjacency.from_dense([[1.0, float("nan")], [0.0, 0.0]])
    with pytest.raises(ShapeMismatch):
        Adjacency.from_dense(torch.ones(3))
    with pytest.raises(ShapeMismatch):
        adjacency @ torch.ones(2, 4, 1)
    with pytest.raises(InvalidOption, match="float64"):
        adjacency @ torch.ones(2, 3, 1).double()
    with pytest.raises(InvalidOption, match="Did you mean"):
        Adjacency.from_dense(torch.ones(3, 3), layout="sparce")
    with pytest.raises(InvalidOption, match=r"0 \.\. 5"):
        Adjacency.from_edge_index([[0], [6]], num_nodes=3, num_graphs=2)
    with pytest.raises(InvalidOption, match="1 join two graphs"):
        Adjacency.from_edge_index([[0], [4]], num_nodes=3, num_graphs=2)
    with pytest.raises(ShapeMismatch, match="one square graph"):
        adjacency.attach(torch.ones(1, 3))
    with pytest.raises(IndexError):
        adjacency[5]


def test_duplicate_edges_are_summed_and_loops_keep_their_weight():
    index = torch.tensor([[0, 0, 1, 1], [1, 1, 0, 1]])
    a = Adjacency.from_edge_index(index, torch.tensor([1.0, 2.0, 3.0, 0.5]), num_nodes=2)
    assert torch.equal(a.to_dense()[0], torch.tensor([[0.0, 3.0], [3.0, 0.5]]))
    assert torch.equal(a.with_self_loops().to_dense()[0], torch.tensor([[1.0, 3.0], [3.0, 0.5]]))


def test_weights_that_are_not_one_an_edge_and_indices_that_are_no_integers_are_refused():
    index = torch.tensor([[0, 1], [1, 0]])
    with pytest.raises(ShapeMismatch, match="edge_weight"):
        Adjacency.from_edge_index(index, torch.ones(3), num_nodes=2)
    with pytest.raises(InvalidOption, match="integers"):
        Adjacency.from_edge_index(index.float(), num_nodes=2)


def test_an_isolated_node_keeps_its_own_features():
    weight = torch.zeros(1, 3, 3)
    weight[0, 0, 1] = weight[0, 1, 0] = 2.0
    operator = Adjacency.from_dense(weight).normalised("sym").to_dense()[0]
    assert torch.equal(operator[2], torch.tensor([0.0, 0.0, 1.0]))


def test_a_degree_far_below_one_normalises_without_overflow():
    weight = 1e-25 * (1 - torch.eye(2))[None]
    weight.requires_grad_()
    a = Adjacency.from_dense(weight, layout="dense")
    for kind in ("sym", "row"):
        torch.testing.assert_close(a.normalised(kind, self_loops=False).to_dense()[0], 1 - torch.eye(2))
    (gradient,) = torch.autograd.grad(a.normalised("sym", self_loops=False).weight[0, 0, 1], weight)
    assert gradient.isfinite().all()


def test_what_a_product_cannot_hold_is_refused():
    a = Adjacency.from_dense(1e14 * torch.ones(1, 2, 2))
    with pytest.raises(NonFinite, match="A x"):
        a @ torch.full((1, 2, 1), 1e30)
    with pytest.raises(NonFinite, match="Edge weights"):
        Adjacency.from_dense(torch.full((1, 2, 2), 1e20))


def test_attaching_sparse_rows_equals_attaching_dense_ones():
    torch.manual_seed(0)
    rows = torch.rand(3, 4) * (torch.rand(3, 4) < 0.5)
    for layout in ("dense", "sparse"):
        a = Adjacency.from_dense(torch.rand(1, 4, 4), layout=layout)
        sparse = torch.sparse_coo_tensor(rows.nonzero().T, rows[rows > 0], rows.shape, check_invariants=True)
        assert torch.equal(a.attach(sparse).to_dense(), a.attach(rows).to_dense())


def test_a_dense_request_beyond_the_memory_budget_is_refused_with_its_size(monkeypatch):
    monkeypatch.setenv("GRAPHFUSE_MEMORY_GB", "0.001")
    a = Adjacency.from_edge_index(torch.tensor([[0], [1]]), num_nodes=1000)
    with pytest.raises(MemoryBudget, match=r"0\.004 GB"):
        a.to_dense()


def test_edges_may_come_in_any_order():
    index = torch.tensor([[2, 0, 1, 0], [0, 2, 0, 1]])
    a = Adjacency.from_edge_index(index, torch.tensor([1.0, 2.0, 3.0, 4.0]), num_nodes=3)
    assert a.to_dense()[0].tolist() == [[0, 3, 1], [4, 0, 0], [2, 0, 0]]


def test_negative_indices_and_sizes_beyond_int32_are_refused():
    with pytest.raises(InvalidOption, match=r"0 \.\. 2; got -1"):
        Adjacency.from_edge_index(torch.tensor([[0], [-1]]), num_nodes=3)
    with pytest.raises(ShapeMismatch, match="Stack fewer graphs"):
        Adjacency.from_edge_index(torch.zeros(2, 0, dtype=torch.int64), num_nodes=2**31)
    with pytest.raises(NonFinite):
        Adjacency.from_edge_index(torch.tensor([[0], [1]]), torch.tensor([torch.nan]), num_nodes=2)


def test_a_graph_without_nodes_is_empty():
    a = Adjacency.from_edge_index(torch.zeros(2, 0, dtype=torch.int64), num_nodes=0)
    assert a.shape == (1, 0, 0)
    assert (a @ torch.zeros(1, 0, 3)).shape == (1, 0, 3)


def test_symmetry_is_known_and_batches_inherit_it():
    weight = torch.zeros(3, 20, 20)
    weight[:, 0, 1] = weight[:, 1, 0] = 0.5
    even = Adjacency.from_dense(weight, "sparse")
    assert even.symmetric
    assert even.normalised().symmetric
    assert even[[2, 0]].symmetric
    odd = weight.clone()
    odd[1, 0, 1] = 0.25
    assert not Adjacency.from_dense(odd, "sparse").symmetric
    assert not Adjacency.from_dense(weight.requires_grad_(), "sparse").symmetric


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("even", [True, False])
def test_gradients_with_and_without_the_knowledge_of_symmetry(dtype, even):
    weight = random_weight((3, 9, 9), dtype=dtype)
    weight = weight + weight.mT if even else weight
    x = torch.randn(3, 9, 4, dtype=dtype, requires_grad=True)
    grad = torch.randn(3, 9, 4, dtype=dtype)
    adjacency = Adjacency.from_dense(weight, "sparse")
    assert adjacency.symmetric == even
    (adjacency @ x).backward(grad)
    torch.testing.assert_close(x.grad, weight.mT @ grad)


def test_parts_of_a_graph_keep_the_degrees_they_are_given():
    adjacency = Adjacency.from_dense(random_weight((1, 6, 6)), "sparse")
    part = adjacency.of_degree(adjacency.degree() + 2)
    torch.testing.assert_close(part.degree(), adjacency.degree() + 2)
    torch.testing.assert_close(part.with_self_loops().degree(), adjacency.with_self_loops().degree() + 2)
    assert part.to(torch.float32).degree().dtype == torch.float32
    assert part[[0]].degree().equal(part.degree())
