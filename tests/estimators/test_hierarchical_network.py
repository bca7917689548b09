from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from graphfuse.estimators.hierarchical_network import HierarchicalNetwork
from graphfuse.graph.graphs import Graphs
from graphfuse.graph.rows import Rows
from graphfuse.kernels.adjacency import Adjacency

SHAPES = {"fmri": (5, 4), "smri": (3,)}
CODES = torch.tensor([0, 1, 1])


def inputs(windows: bool = False, present=(True, True, True)) -> dict:
    torch.manual_seed(0)
    offsets = np.array([0, 2, 3, 5]) if windows else None
    g = 5 if windows else 3
    weight = torch.rand(g, 5, 5)
    graphs = Graphs(
        torch.randn(g, 5, 4),
        Adjacency.from_dense(weight + weight.mT),
        torch.ones(g, 5, dtype=torch.bool),
        torch.ones(3, dtype=torch.bool),
        offsets,
    )
    return {"fmri": graphs, "smri": Rows(torch.randn(3, 3), torch.tensor(present))}


def network(**options) -> HierarchicalNetwork:
    torch.manual_seed(1)
    return HierarchicalNetwork(SHAPES, 2, hidden=(6, 7, 8), width=4, **options)


@pytest.mark.parametrize("windows", [False, True])
def test_every_depth_has_its_say_and_the_deepest_answers(windows):
    module = network().eval()
    answers = module.logits(inputs(windows))
    assert [tuple(answer.shape) for answer in answers] == [(3, 2)] * 3
    assert torch.equal(module(inputs(windows)), answers[-1])


def test_the_loss_is_that_of_the_deepest_head_and_a_share_of_the_others():
    module = network(weight=0.25).eval()
    first, second, last = (cross_entropy(answer, CODES) for answer in module.logits(inputs()))
    torch.testing.assert_close(module.loss(inputs(), CODES), last + 0.25 * (first + second))


def test_gradients_reach_every_parameter():
    module = network()
    module.train().loss(inputs(windows=True), CODES).backward()
    assert all(parameter.grad is not None for parameter in module.parameters())


def test_one_branch_hears_the_other_before_its_last_layer():
    """Only with `bidirectional` do the regions of one modality depend on the other modality."""
    for bidirectional in (True, False):
        module = network(bidirectional=bidirectional).eval()
        heard = []
        layer = module.encoders["fmri"].layer

        def keep(level, x, part, message, layer=layer, heard=heard):
            left = layer(level, x, part, message)
            heard.append(left[1].detach())
            return left

        module.encoders["fmri"].layer = keep
        parts = inputs()
        module(parts)
        module(parts | {"smri": Rows(parts["smri"].x + 1, parts["smri"].present)})
        assert torch.equal(heard[0], heard[3])  # the first layer is one's own
        assert torch.equal(heard[2], heard[5]) != bidirectional


def test_values_of_a_missing_modality_change_no_bit():
    module = network().eval()
    parts = inputs(present=(True, False, True))
    before = module(parts)
    spoilt = parts["smri"].x.clone()
    spoilt[1] = 1e6
    assert torch.equal(module(parts | {"smri": Rows(spoilt, parts["smri"].present)}), before)


@pytest.mark.parametrize(("readout", "the_same"), [("mean", True), ("flatten", False)])
def test_flatten_tells_one_region_from_another_and_mean_does_not(readout, the_same):
    module = network(readout=readout).eval()
    parts, order = inputs(), torch.tensor([2, 0, 4, 1, 3])
    graphs = parts["fmri"]
    weight = graphs.adjacency.to_dense()[:, order][:, :, order]
    moved = Graphs(graphs.x[:, order], Adjacency.from_dense(weight), graphs.nodes, graphs.present)
    same = torch.allclose(module(parts | {"fmri": moved}), module(parts), atol=1e-6)
    assert same == the_same
