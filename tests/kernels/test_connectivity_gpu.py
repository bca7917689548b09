"""The Triton kernels of connectivity convolution equal the explicit graph, in outputs and in every gradient."""

from __future__ import annotations

import os

import pytest
import torch
from torch import Tensor

from graphfuse.errors import InvalidOption
from graphfuse.kernels.connectivity_threshold import THRESHOLDS, thresholded

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
DEVICE = "cpu" if INTERPRETED else "cuda"
TAU = 0.2
SHAPES = [(2, 19, 37, 5), (1, 40, 150, 70), (1, 130, 33, 130)]  # B, T, R, D: all odd; several tiles of each


def test_the_kernels_hold_under_tritons_interpreter(under_interpreter):
    under_interpreter(__file__, "TestKernels")


def draw(shape, dtype=torch.float32) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Standardised series with an isolated region, x, scale, and gradients to the output and the degrees."""
    torch.manual_seed(0)
    batch, frames, regions, width = shape
    z = torch.randn(batch, frames, regions, dtype=dtype) + torch.randn(batch, frames, 1, dtype=dtype) / 3
    z = z / z.norm(dim=1, keepdim=True)
    scale = torch.rand(batch, regions, dtype=dtype)
    z[:, :, regions // 3] = 0.0
    scale[:, regions // 3] = 0.0
    x, grad = (torch.randn(batch, regions, width, dtype=dtype) for _ in range(2))
    return z, x, scale, grad, torch.randn(batch, regions, dtype=dtype)


def by_graph(z, x, scale, grad, degree_grad, kind, loop) -> list[Tensor]:
    """Output, degrees, gradient to x, and gradient to z of both, with the matrix R x R in memory."""
    z, x = z.clone().requires_grad_(), x.clone().requires_grad_()
    weight = thresholded(z.mT @ z, TAU, kind)
    weight = torch.where(torch.eye(z.shape[2], dtype=torch.bool), loop, weight)
    y, degree = scale[..., None] * (weight @ (scale[..., None] * x)), weight.abs().sum(2)
    dz, dx = torch.autograd.grad((y, degree), (z, x), (grad, degree_grad))
    return [y.detach(), degree.detach(), dx, dz]


def by_kernels(z, x, scale, grad, degree_grad, kind, loop, **options) -> list[Tensor]:
    from graphfuse.kernels import connectivity_gpu as gpu

    z, x, scale, grad, degree_grad = (one.to(DEVICE) for one in (z, x, scale, grad, degree_grad))
    y = gpu.forward(z, x, scale, TAU, kind, loop, **options)
    dx = gpu.forward(z, grad, scale, TAU, kind, loop, **options)
    degree = gpu.degree(z, TAU, kind, loop, **options)
    dz = gpu.backward(z, x, scale, grad, degree_grad, TAU, kind, **options)
    return [one.cpu() for one in (y, degree, dx, dz)]


def assert_equal(ours, graph, tolerance=1e-5) -> None:
    for one, other in zip(ours, graph, strict=True):
        assert one.shape == other.shape
        assert one.is_contiguous()
        torch.testing.assert_close(one, other, rtol=tolerance, atol=tolerance)


@pytest.mark.usefixtures("poisoned")
class TestKernels:
    __test__ = INTERPRETED or torch.cuda.is_available()

    @pytest.mark.parametrize("kind", THRESHOLDS)
    def test_outputs_and_gradients_equal_the_explicit_graph(self, kind):
        problem = draw(SHAPES[0])
        assert_equal(by_kernels(*problem, kind, 1.0), by_graph(*problem, kind, 1.0))

    @pytest.mark.parametrize("shape", SHAPES[1:])
    def test_several_blocks_of_regions_frames_and_features(self, shape):
        problem = draw(shape)
        assert_equal(by_kernels(*problem, "soft-keep", 0.0), by_graph(*problem, "soft-keep", 0.0))

    @pytest.mark.parametrize("shape", [(3, 9, 11, 2), (1, 9, 150, 2)])
    def test_several_panels_of_the_backward_pass(self, shape, monkeypatch):
        from graphfuse.kernels import connectivity_gpu as gpu

        monkeypatch.setattr(gpu, "PANEL", 1)  # the least that there is: 128 rows
        problem = draw(shape)
        assert_equal(by_kernels(*problem, "hard-keep", 1.0), by_graph(*problem, "hard-keep", 1.0))

    @pytest.mark.parametrize("precision", ["tf32", "tf32x3"])
    def test_tiles_of_the_matrix_units(self, precision):
        problem = draw(SHAPES[1])  # a soft threshold is continuous, so that a rounded correlation changes little
        tolerance = 1e-5 if INTERPRETED or precision == "tf32x3" else 2e-2
        ours = by_kernels(*problem, "soft-keep", 1.0, precision=precision)
        assert_equal(ours[:3], by_graph(*problem, "soft-keep", 1.0)[:3], tolerance)
        if INTERPRETED:  # the derivative is not continuous
            assert_equal(ours[3:], by_graph(*problem, "soft-keep", 1.0)[3:])

    def test_float64(self):
        problem = draw(SHAPES[0], torch.float64)
        assert_equal(by_kernels(*problem, "hard-absolute", 1.0), by_graph(*problem, "hard-absolute", 1.0))

    def test_no_gradient_to_the_degrees_means_zero(self):
        from graphfuse.kernels import connectivity_gpu as gpu

        z, x, scale, grad, degree_grad = (one.to(DEVICE) for one in draw(SHAPES[0]))
        zero, none = (gpu.backward(z, x, scale, grad, d, TAU, "hard-keep") for d in (0 * degree_grad, None))
        assert torch.equal(zero, none)

    def test_threshold_zero_leaves_padding_and_isolated_regions_without_edges(self):
        from graphfuse.kernels import connectivity_gpu as gpu

        z = draw((1, 9, 5, 1))[0].to(DEVICE)
        c = (z[0].T @ z[0]).abs().fill_diagonal_(0)
        torch.testing.assert_close(gpu.degree(z, 0.0, "hard-keep", 0.0)[0], c.sum(1), rtol=1e-5, atol=1e-6)

    @pytest.mark.parametrize("shape", [(0, 5, 4, 2), (1, 5, 0, 2), (1, 5, 4, 0)])
    def test_nothing_in_gives_nothing_out(self, shape):
        y, degree, *_ = by_kernels(*draw(shape), "hard-keep", 1.0) if shape[2] else self.of_no_regions()
        assert y.shape == (shape[0], shape[2], shape[3])
        assert degree.shape == (shape[0], shape[2])

    @staticmethod
    def of_no_regions():
        z, x, scale = (torch.zeros(1, *rest) for rest in ((5, 0), (0, 2), (0,)))
        return by_kernels(z, x, scale, x, scale, "hard-keep", 1.0)

    def test_the_same_bits_every_run(self):
        problem = draw(SHAPES[0])
        for one, other in zip(*(by_kernels(*problem, "hard-keep", 1.0) for _ in range(2)), strict=True):
            assert torch.equal(one, other)

    @pytest.mark.parametrize(("setting", "precision"), [("highest", "ieee"), ("high", "tf32x3"), ("medium", "tf32")])
    def test_the_precision_is_that_of_torch(self, setting, precision):
        from graphfuse.kernels import connectivity_gpu as gpu

        z, before = draw(SHAPES[0])[0].to(DEVICE), torch.get_float32_matmul_precision()
        torch.set_float32_matmul_precision(setting)
        try:
            assert torch.equal(gpu.degree(z, TAU, "hard-keep", 1.0), gpu.degree(z, TAU, "hard-keep", 1.0, precision))
            assert gpu._tile(z, None)["PRECISION"] == precision
        finally:
            torch.set_float32_matmul_precision(before)

    def test_an_unknown_precision_is_refused(self):
        from graphfuse.kernels import connectivity_gpu as gpu

        with pytest.raises(InvalidOption, match="precision must be one of"):
            gpu.degree(draw(SHAPES[0])[0], TAU, "hard-keep", 1.0, precision="half")


class TestOnAGpu:
    __test__ = torch.cuda.is_available() and not INTERPRETED

    @pytest.mark.parametrize("compiled", [False, True])
    def test_the_public_operation_equals_the_cpu(self, compiled):
        from graphfuse.kernels.connectivity import connectivity_conv

        torch.manual_seed(0)
        series, x = torch.randn(2, 60, 90), torch.randn(2, 90, 7)
        run = torch.compile(connectivity_conv) if compiled else connectivity_conv
        results = []
        for device, function in (("cpu", connectivity_conv), ("cuda", run)):
            leaves = [one.detach().to(device).requires_grad_() for one in (series, x)]
            y = function(*leaves, threshold=0.2, kind="soft")
            results.append([y, *torch.autograd.grad(y.square().sum(), leaves)])
        for cpu, gpu in zip(*results, strict=True):
            torch.testing.assert_close(gpu.cpu(), cpu, rtol=1e-4, atol=1e-4)
