"""Connectivity convolution equals the graph that was written out: output, gradients, masks, windows, memory."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from graphfuse.errors import InvalidOption, NegativeWeights, NonFinite, ShapeMismatch, ShortSeries
from graphfuse.kernels import connectivity_cpu
from graphfuse.kernels.connectivity import (
    KINDS,
    SIGNED,
    _connectivity,
    _connectivity_backward,
    connectivity_conv,
    connectivity_degree,
    connectivity_reference,
)

TAU = 0.31
CASES = [
    (kind, signed, normalise, loops)
    for kind, signed, normalise, loops in product(KINDS, SIGNED, ("sym", "none"), (True, False))
    if kind in ("hard", "soft") or (signed == "absolute" and (kind, normalise) != ("none", "sym"))
]


def explicit(series, x, threshold, kind, signed, normalise, loops):
    """The whole graph, by the textbook: correlation, threshold, policy, degrees, product."""
    c = torch.stack([torch.corrcoef(one.T).reshape(x.shape[1], -1) for one in series])
    c = torch.where(torch.eye(x.shape[1], dtype=torch.bool), 0, c)
    if kind == "relu":
        weight = c.relu()
    elif kind == "soft":
        weight = torch.nn.functional.softshrink(c, threshold)
    else:
        weight = c if kind == "none" else torch.where(c.abs() >= threshold, c, 0)
    weight = {"absolute": torch.abs, "positive": torch.relu, "keep": lambda w: w}[
        "keep" if kind in ("relu", "none") else signed
    ](weight)
    loop = torch.eye(x.shape[1], dtype=x.dtype) * loops
    if normalise == "sym":
        degree = (weight.abs() + loop).sum(2)
        scale = torch.where(degree > 0, degree.clamp_min(1e-300) ** -0.5, 0)
        weight, loop = scale[:, :, None] * weight * scale[:, None], scale[:, :, None] * loop * scale[:, None]
    return (weight + loop) @ x


def problem(shape=(2, 17, 23, 3), dtype=torch.float64, seed=0):
    """Series with common signals, so that correlations lie on both sides of the threshold, and far from it."""
    torch.manual_seed(seed)
    graphs, frames, regions, width = shape
    common = torch.randn(graphs, frames, 3).double() @ torch.randn(graphs, 3, regions).double()
    series = 5 + common + 0.5 * torch.randn(graphs, frames, regions).double()
    return series.to(dtype), torch.randn(graphs, regions, width).to(dtype)


def with_gradients(conv, series, x, *arguments):
    leaves = [series.clone().requires_grad_(), x.clone().requires_grad_()]
    y = conv(*leaves, *arguments)
    return (y, *torch.autograd.grad((y * torch.linspace(-1, 2, y.numel()).view_as(y)).sum(), leaves))


@pytest.fixture
def small_tiles(monkeypatch):
    monkeypatch.setattr(connectivity_cpu, "TILE", 8)


@pytest.mark.parametrize(("kind", "signed", "normalise", "loops"), CASES)
def test_equals_the_explicit_graph_in_float64(kind, signed, normalise, loops, small_tiles):
    arguments = TAU, kind, signed, normalise, loops
    ours = with_gradients(connectivity_conv, *problem(), *arguments)
    theirs = with_gradients(explicit, *problem(), *arguments)
    for mine, yours in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, yours, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("kind", ["hard", "soft", "relu"])
@pytest.mark.parametrize("signed", SIGNED)
def test_equals_the_explicit_graph_in_float32(kind, signed, small_tiles):
    arguments = TAU, kind, signed, "sym", True
    ours = with_gradients(connectivity_conv, *problem(dtype=torch.float32), *arguments)
    theirs = with_gradients(explicit, *[tensor.double() for tensor in problem(dtype=torch.float32)], *arguments)
    for mine, yours in zip(ours, theirs, strict=True):
        assert mine.dtype == torch.float32
        torch.testing.assert_close(mine.double(), yours, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "shape", [(1, 6, 1, 2), (3, 9, 8, 1), (2, 9, 9, 1), (1, 40, 16, 5), (4, 3, 7, 2), (70, 9, 5, 2)]
)
@pytest.mark.parametrize("kind", ["hard", "soft"])
def test_odd_shapes(shape, kind, small_tiles):
    arguments = TAU, kind, "absolute", "sym", True
    ours = with_gradients(connectivity_conv, *problem(shape), *arguments)
    theirs = with_gradients(explicit, *problem(shape), *arguments)
    for mine, yours in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, yours, rtol=1e-9, atol=1e-10)


def test_one_tile_and_many_agree(monkeypatch):
    whole = with_gradients(connectivity_conv, *problem((2, 11, 37, 3)), TAU, "hard", "keep")
    monkeypatch.setattr(connectivity_cpu, "TILE", 5)
    tiled = with_gradients(connectivity_conv, *problem((2, 11, 37, 3)), TAU, "hard", "keep")
    for one, many in zip(whole, tiled, strict=True):
        torch.testing.assert_close(one, many)


def test_two_frames_correlate_fully():
    series = torch.tensor([[[0.0, 1.0, 5.0], [1.0, 3.0, 4.0]]])  # rises, rises, falls
    y = connectivity_conv(series, torch.eye(3)[None], 0.5, "hard", "keep", "none", False)
    torch.testing.assert_close(y[0], torch.tensor([[0.0, 1, -1], [1, 0, -1], [-1, -1, 0]]))


def test_no_graph_and_no_region_give_empty_output():
    assert connectivity_conv(torch.zeros(0, 5, 3), torch.zeros(0, 3, 2)).shape == (0, 3, 2)
    assert connectivity_conv(torch.zeros(2, 5, 0), torch.zeros(2, 0, 2)).shape == (2, 0, 2)


@pytest.mark.parametrize("kind", ["hard", "soft", "relu", "none"])
@pytest.mark.parametrize("loops", [True, False])
def test_a_constant_region_is_isolated(kind, loops):
    series, x = problem()
    series[:, :, 4] = 1e6 + 1 / 3
    normalise = "none" if kind == "none" else "sym"
    y, grad_series, grad_x = with_gradients(connectivity_conv, series, x, TAU, kind, "absolute", normalise, loops)
    torch.testing.assert_close(y[:, 4], x[:, 4] * loops)
    assert not grad_series[:, :, 4].any()
    assert all(tensor.isfinite().all() for tensor in (y, grad_series, grad_x))
    others = torch.arange(23) != 4
    without = connectivity_conv(series[..., others], x[:, others], TAU, kind, "absolute", normalise, loops)
    torch.testing.assert_close(y[:, others], without)


@pytest.mark.parametrize("kind", ["hard", "none"])
def test_missing_frames_count_as_dropped_whatever_stands_in_them(kind):
    series, x = problem()
    mask = torch.ones(2, 17, dtype=torch.bool)
    mask[:, [0, 3, 16]] = False
    arguments = TAU, kind, "absolute", "none" if kind == "none" else "sym", True
    dropped = with_gradients(connectivity_conv, series[:, mask[0]], x, *arguments)
    series[~mask] = torch.nan
    y, grad_series, grad_x = with_gradients(connectivity_conv, series, x, *arguments, mask)
    for mine, yours in zip((y, grad_series[:, mask[0]], grad_x), dropped, strict=True):
        torch.testing.assert_close(mine, yours)
    assert not grad_series[~mask].any()


def test_windows_as_a_batch_equal_a_loop(monkeypatch):
    monkeypatch.setattr("graphfuse.kernels.connectivity_series.CHUNK_NUMBERS", 500)  # several chunks
    series, _ = problem((1, 40, 9, 1))
    windows = series[0].unfold(0, 12, 3).mT  # (W, T, R), a view of overlapping frames
    x = torch.randn(len(windows), 9, 4).double()
    batch = with_gradients(connectivity_conv, windows, x, TAU)
    for w in range(len(windows)):
        y = connectivity_conv(series[:, 3 * w : 3 * w + 12], x[w : w + 1], TAU)
        torch.testing.assert_close(batch[0][w], y[0])


def test_the_gradient_to_windows_adds_up_in_the_series():
    series, _ = problem((1, 20, 6, 1))
    x = torch.randn(5, 6, 2).double()
    gradients = []
    for conv in (connectivity_conv, explicit):
        leaf = series[0].clone().requires_grad_()
        y = conv(leaf.unfold(0, 12, 2).mT, x, TAU, "hard", "absolute", "sym", True)
        gradients += torch.autograd.grad(y.sin().sum(), leaf)
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize("kind", ["hard", "soft", "none"])
@pytest.mark.parametrize("normalise", ["sym", "none"])
def test_gradcheck_away_from_the_threshold(kind, normalise, small_tiles):
    series, x = problem((2, 8, 11, 2))
    if kind == "none":
        series = series + 20 * torch.randn(2, 8, 1).double()  # one signal for all: degrees are positive
    leaves = series.requires_grad_(), x.requires_grad_()
    assert torch.autograd.gradcheck(lambda s, v: connectivity_conv(s, v, TAU, kind, "keep", normalise), leaves)


def test_given_degrees_equal_computed_ones_and_are_constants():
    series, x = problem()
    degree = connectivity_degree(series, TAU)
    torch.testing.assert_close(connectivity_conv(series, x, TAU, degree=degree), connectivity_conv(series, x, TAU))
    c = torch.stack([torch.corrcoef(one.T) for one in series]).abs()
    torch.testing.assert_close(degree, torch.where(c >= TAU, c, 0).sum(2))  # the diagonal is the loop
    scale = degree.rsqrt()[..., None]
    _, ours, _ = with_gradients(lambda s, v: connectivity_conv(s, v, TAU, degree=degree), series, x)
    _, theirs, _ = with_gradients(
        lambda s, v: scale * explicit(s, scale * v, TAU, "hard", "absolute", "none", True), series, x
    )
    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("kind", ["hard-absolute", "hard-keep", "soft-positive", "none"])
def test_the_twin_agrees(kind):
    series, x = problem()
    z = series - series.mean(1, keepdim=True)
    z = z / z.norm(dim=1, keepdim=True)
    name, _, signed = kind.partition("-")
    y = connectivity_conv(series, x, TAU, name, signed or "absolute", "none")
    torch.testing.assert_close(y, connectivity_reference(z, x, TAU, kind, 1.0, False))


def test_the_same_input_gives_the_same_bits(small_tiles):
    first, second = (with_gradients(connectivity_conv, *problem(dtype=torch.float32), TAU) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_nothing_is_read_before_it_is_written(small_tiles):
    torch.use_deterministic_algorithms(True)  # fills what is not yet written with NaN
    try:
        poisoned = with_gradients(connectivity_conv, *problem(), TAU, "soft", "keep")
    finally:
        torch.use_deterministic_algorithms(False)
    for mine, clean in zip(poisoned, with_gradients(connectivity_conv, *problem(), TAU, "soft", "keep"), strict=True):
        assert torch.equal(mine, clean)


def test_units_of_the_series_do_not_matter():
    series, x = problem(dtype=torch.float32)
    for unit in (1e-30, 1e30):
        torch.testing.assert_close(connectivity_conv(series * unit, x, TAU), connectivity_conv(series, x, TAU))


class Sizes(TorchDispatchMode):
    """Record the size of the storage of every tensor that any operator makes."""

    def __init__(self):
        super().__init__()
        self.largest = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for tensor in torch.utils._pytree.tree_leaves(result):
            if isinstance(tensor, torch.Tensor):
                self.largest = max(self.largest, tensor.numel(), tensor.untyped_storage().nbytes() // tensor.itemsize)
        return result


@pytest.mark.parametrize(("kind", "signed"), [("hard", "positive"), ("soft", "keep"), ("none", "keep")])
def test_no_tensor_of_regions_by_regions_exists_forward_or_backward(kind, signed):
    series, x = problem((1, 20, 2000, 4), dtype=torch.float32)
    with Sizes() as sizes:
        with_gradients(connectivity_conv, series, x, TAU, kind, signed, "none" if kind == "none" else "sym")
    assert 2000 * 20 <= sizes.largest <= connectivity_cpu.TILE**2 < 2000 * 2000


def test_the_memory_test_sees_a_matrix():
    series, x = problem((1, 20, 100, 4))
    with Sizes() as sizes:
        explicit(series, x, TAU, "hard", "positive", "sym", True)
    assert sizes.largest >= 100 * 100


@pytest.mark.parametrize("kind", ["hard-keep", "none"])
def test_operators_pass_opcheck(kind):
    series, x = problem((2, 6, 5, 2))
    mask, degree = torch.ones(2, 6, dtype=torch.bool), torch.ones(2, 5).double()
    for to_series, given, symmetric in ((True, None, kind != "none"), (False, degree, True)):
        leaves = series.clone().requires_grad_(to_series), x.clone().requires_grad_()
        torch.library.opcheck(_connectivity, (*leaves, mask, given, TAU, kind, 1.0, symmetric))
    arguments = (series, x, None, degree, x, x, TAU, kind, 1.0, True, True)
    torch.library.opcheck(_connectivity_backward, arguments)


def test_compiles_without_a_break_and_agrees():
    compiled = torch.compile(connectivity_conv, backend="aot_eager", fullgraph=True)
    ours = with_gradients(compiled, *problem(), TAU)
    for mine, eager in zip(ours, with_gradients(connectivity_conv, *problem(), TAU), strict=True):
        torch.testing.assert_close(mine, eager)


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_a_bad_number_is_refused_by_name(bad):
    for which, name in enumerate(("series", "x")):
        tensors = problem()
        tensors[which][0, 3, 2] = bad
        with pytest.raises(NonFinite, match=name):
            connectivity_conv(*tensors)


def test_shapes_options_and_frames_are_checked():
    series, x = problem()
    for message, arguments in {
        "series must": (series[0], x),
        "x must": (series, x[:, 1:]),
        "mask must have": (series, x, 0.3, "hard", "keep", "sym", True, torch.ones(2, 5, dtype=torch.bool)),
        "mask must be a bool": (series, x, 0.3, "hard", "keep", "sym", True, torch.ones(2, 17)),
        "degree must": (series, x, 0.3, "hard", "keep", "sym", True, None, torch.ones(2, 5)),
    }.items():
        with pytest.raises(ShapeMismatch, match=message):
            connectivity_conv(*arguments)
    for options in ({"threshold": 1.5}, {"kind": "firm"}, {"signed": "both"}, {"normalise": "row"}):
        with pytest.raises(InvalidOption, match=next(iter(options))):
            connectivity_conv(series, x, **options)
    with pytest.raises(ShortSeries, match="got 1"):
        connectivity_conv(series, x, mask=torch.arange(17).expand(2, -1) == 3)
    with pytest.raises(ShortSeries, match="got 0"):
        connectivity_conv(series[:, :0], x)


def test_a_negative_degree_is_an_error_never_a_nan():
    series, x = problem()
    with pytest.raises(NegativeWeights):
        connectivity_conv(series, x, degree=-torch.ones(2, 23).double())
    falling = torch.tensor([[[0.0, 5.0, 5.0], [1.0, 4.0, 4.0], [2.0, 3.0, 3.0]]])  # degrees -1, 1, 1
    with pytest.raises(NegativeWeights, match="normalise='none'"):
        connectivity_conv(falling, torch.ones(1, 3, 1), kind="none")
