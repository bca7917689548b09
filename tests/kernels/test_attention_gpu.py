"""The Triton kernels of attention equal their plain twin, in outputs and in every gradient."""

from __future__ import annotations

import os
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from graphfuse.kernels import Adjacency
from graphfuse.kernels.attention import attend_reference
from graphfuse.kernels.csr import sort_edges

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
DEVICE = "cpu" if INTERPRETED else "cuda"
KINDS = ("additive", "dot")


def test_the_kernels_hold_under_tritons_interpreter(under_interpreter):
    under_interpreter(__file__, "TestKernels")


@dataclass
class Problem:
    """A graph of n targets and m sources with empty rows, and what attention takes."""

    leaves: list[Tensor]  # q, k, v and, for additive scores, a
    edge: Tensor | None
    crow: Tensor
    col: Tensor
    transpose: list[Tensor]
    grad: Tensor
    settings: tuple

    @classmethod
    def draw(cls, sizes=(7, 6, 3, 5, 3), kind="additive", masked=False, dropout=0.0, large=1.0, dtype=torch.float32):
        n, m, heads, inner, width = sizes
        torch.manual_seed(0)
        there = torch.rand(n, m) < 0.7
        there[n // 3] = False  # a target without an edge
        there[:, m // 2] = False  # a source without an edge
        pattern, _ = sort_edges(*there.nonzero().T, (1, n, m))
        transposed, order = pattern.transpose
        edge = (torch.rand(len(pattern.col)) < 0.6).to(torch.uint8) if masked else None
        shapes = [(n, heads, inner), (m, heads, inner), (m, heads, width)] + [(heads, inner)] * (kind == "additive")
        leaves = [large * torch.randn(shape, dtype=dtype) for shape in shapes]
        grad = torch.randn(n, heads, width, dtype=dtype)
        transpose = [transposed.crow, transposed.col, order.int()]
        return cls(leaves, edge, pattern.crow, pattern.col, transpose, grad, (kind, 0.2, 0.3, dropout, 4321))

    def to(self, device: str) -> Problem:
        def moved(x):
            return None if x is None else x.to(device)

        lists = ([moved(x) for x in some] for some in (self.leaves, self.transpose))
        leaves, transpose = lists
        rest = (moved(x) for x in (self.edge, self.crow, self.col))
        return Problem(leaves, *rest, transpose, self.grad.to(device), self.settings)

    def forward_arguments(self, leaves) -> tuple:
        q, k, v, a = leaves if len(leaves) == 4 else (*leaves, None)
        return q, k, v, a, self.edge, self.crow, self.col

    def by_twin(self) -> list[Tensor]:
        """Outputs and gradients by autograd through plain torch."""
        leaves = [x.clone().requires_grad_() for x in self.leaves]
        y, lse = attend_reference(*self.forward_arguments(leaves), *self.settings)
        gradients = torch.autograd.grad(y, leaves, self.grad, allow_unused=True, materialize_grads=True)
        return [y.detach(), lse.detach(), *gradients]

    def by_kernels(self) -> list[Tensor]:
        from graphfuse.kernels import attention_gpu

        here = self.to(DEVICE)
        arguments = here.forward_arguments(here.leaves)
        y, lse = attention_gpu.attend_forward(*arguments, *here.settings)
        gradients = attention_gpu.attend_backward(here.grad, y, lse, *arguments, *here.transpose, *here.settings)
        return [x.cpu() for x in (y, lse, *gradients) if x is not None]


def assert_equal(ours: list[Tensor], twin: list[Tensor]) -> None:
    assert len(ours) == len(twin)
    for x, y in zip(ours, twin, strict=True):
        assert x.shape == y.shape
        torch.testing.assert_close(x, y, rtol=1e-5, atol=1e-5)


@pytest.mark.usefixtures("poisoned")
class TestKernels:
    __test__ = INTERPRETED or torch.cuda.is_available()

    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize(("masked", "dropout"), [(False, 0.0), (True, 0.4)])
    def test_outputs_and_all_gradients_equal_the_twin(self, kind, masked, dropout):
        problem = Problem.draw(kind=kind, masked=masked, dropout=dropout)
        assert_equal(problem.by_kernels(), problem.by_twin())

    @pytest.mark.parametrize("kind", KINDS)
    def test_rows_longer_than_a_tile_and_heads_of_several_programs(self, kind, monkeypatch):
        from graphfuse.kernels import attention_gpu

        monkeypatch.setattr(attention_gpu, "TILE", 16)  # two edges of one head a step
        monkeypatch.setattr(attention_gpu, "PROGRAMS", 2)  # several targets a program
        problem = Problem.draw((5, 7, 3, 5, 7), kind, masked=True, dropout=0.3)
        assert_equal(problem.by_kernels(), problem.by_twin())

    def test_one_head_one_score_as_gat_has(self):
        problem = Problem.draw((5, 5, 1, 1, 1))
        assert_equal(problem.by_kernels(), problem.by_twin())

    @pytest.mark.parametrize("kind", KINDS)
    def test_float64(self, kind):
        problem = Problem.draw((4, 5, 2, 3, 2), kind, dtype=torch.float64)
        assert_equal(problem.by_kernels(), problem.by_twin())

    def test_all_coefficients_dropped_give_zeros(self):
        y, _, *gradients = Problem.draw((3, 4, 2, 1, 2), dropout=1.0).by_kernels()
        assert not any(x.any() for x in (y, *gradients))

    def test_large_scores_are_finite_and_equal_the_twin(self):
        problem = Problem.draw((4, 5, 2, 3, 2), large=100.0)
        ours, twin = problem.by_kernels(), problem.by_twin()
        assert all(torch.isfinite(x).all() for x in ours)
        torch.testing.assert_close(ours[0], twin[0])

    def test_no_edges_at_all_give_zeros(self):
        problem = Problem.draw((3, 4, 2, 2, 2))
        empty = torch.zeros(0, dtype=torch.int32)
        problem.crow, problem.col = torch.zeros(4, dtype=torch.int32), empty
        problem.transpose = [torch.zeros(5, dtype=torch.int32), empty, empty]
        assert not any(x.any() for x in problem.by_kernels())

    def test_the_same_bits_every_run(self):
        problem = Problem.draw((5, 6, 2, 3, 2), dropout=0.3)
        for first, second in zip(problem.by_kernels(), problem.by_kernels(), strict=True):
            assert torch.equal(first, second)


class TestOnAGpu:
    __test__ = torch.cuda.is_available() and not INTERPRETED

    @pytest.mark.parametrize("compiled", [False, True])
    @pytest.mark.parametrize("kind", KINDS)
    def test_the_public_operation_equals_the_cpu(self, kind, compiled):
        from graphfuse.kernels import attend

        torch.manual_seed(0)
        weight = (torch.rand(3, 50, 50) < 0.2).float()
        tensors = [torch.randn(3, 50, 4, 8) for _ in range(3)] + [torch.randn(4, 8)] * (kind == "additive")
        run = torch.compile(attend) if compiled else attend
        results = []
        for device, function in (("cpu", attend), ("cuda", run)):
            leaves = [x.detach().to(device).requires_grad_() for x in tensors]
            y = function(Adjacency.from_dense(weight, "sparse").to(device), *leaves)
            results.append([y, *torch.autograd.grad(y.square().sum(), leaves)])
        for cpu, gpu in zip(*results, strict=True):
            torch.testing.assert_close(gpu.cpu(), cpu, rtol=1e-4, atol=1e-4)
