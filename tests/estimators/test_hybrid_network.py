"""One head for the fused features, one for each modality, one answer."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from graphfuse.errors import InvalidOption
from graphfuse.estimators.hybrid_network import HybridNetwork, RoleEncoder
from graphfuse.fusion.output import OUTPUTS
from graphfuse.graph.graphs import Graphs
from graphfuse.graph.rows import Rows
from graphfuse.kernels import Adjacency

SHAPES = {"fmri": (5, 5), "age": (2,), "smri": (4, 3)}
CODES = torch.tensor([0, 1, 2, 1, 0, 2])
PRESENT = {
    "fmri": torch.tensor([True, True, False, True, False, False]),
    "smri": torch.tensor([True, False, True, True, False, False]),
    "age": torch.tensor([True, False, False, True, True, True]),
}


def graphs(name: str, offsets=None) -> Graphs:
    regions, features = SHAPES[name]
    n = 6 if offsets is None else int(offsets[-1])
    generator = torch.Generator().manual_seed(len(name))
    adjacency = torch.rand(n, regions, regions, generator=generator)
    x = torch.randn(n, regions, features, generator=generator)
    return Graphs(
        x,
        Adjacency.from_dense(adjacency + adjacency.transpose(1, 2)),
        torch.ones(n, regions, dtype=torch.bool),
        PRESENT[name],
        offsets,
    )


def inputs() -> dict:
    x = torch.randn(6, 2, generator=torch.Generator().manual_seed(9))
    return {"fmri": graphs("fmri"), "smri": graphs("smri"), "age": Rows(x, PRESENT["age"])}


def network(**options) -> HybridNetwork:
    torch.manual_seed(0)
    return HybridNetwork(SHAPES, 3, **{"width": 8, "hidden": (4,), **options}).eval()


def test_the_answer_is_the_rule_over_the_fused_head_and_the_others():
    net = network(output="weighted", output_options={"weights": (2, 1, 1, 1)})
    logits, present = net.opinions(inputs())
    assert logits.shape == (6, 4, 3)
    expected = torch.stack([torch.ones(6, dtype=torch.bool), PRESENT["age"], PRESENT["fmri"], PRESENT["smri"]], 1)
    assert torch.equal(present, expected)
    for i in range(6):
        w = torch.tensor([2.0, 1, 1, 1]) * present[i]
        p = (w[:, None] * logits[i].softmax(-1)).sum(0) / w.sum()
        torch.testing.assert_close(net(inputs())[i].softmax(0), p)


def test_the_heads_read_the_fused_and_the_single_embeddings():
    net = network()
    z = {role: net.encoders[m](inputs()[role]) for m, role in enumerate(["age", "fmri", "smri"])}
    fused, _ = net.fusion(z, PRESENT)
    logits, _ = net.opinions(inputs())
    torch.testing.assert_close(logits[:, 0], net.fused_head(fused))
    torch.testing.assert_close(logits[:, 2], net.heads[1](z["fmri"]))


def test_the_loss_adds_each_heads_mean_over_those_who_have_it():
    net = network(head_weight=0.7)
    logits, present = net.opinions(inputs())
    each = []
    for k in range(4):
        rows = [i for i in range(6) if present[i, k]]
        each.append(sum(-logits[i, k].log_softmax(0)[CODES[i]] for i in rows) / len(rows))
    torch.testing.assert_close(net.loss(inputs(), CODES), each[0] + 0.7 * sum(each[1:]))
    torch.testing.assert_close(network(head_weight=0).loss(inputs(), CODES), each[0])


def test_a_batch_in_which_nobody_has_a_modality_can_be_learned_from():
    net = network()
    some = {role: part[[4, 5]] for role, part in inputs().items()}  # age alone
    logits, _ = net.opinions(some)
    expected = cross_entropy(logits[:, 0], CODES[4:]) + 0.3 * cross_entropy(logits[:, 1], CODES[4:])
    loss = net.loss(some, CODES[4:])
    torch.testing.assert_close(loss, expected)
    loss.backward()
    assert all(p.grad is None or torch.isfinite(p.grad).all() for p in net.parameters())


@pytest.mark.parametrize("output", ["mean", "bayes", "dempster-shafer", "max"])
def test_missing_values_change_no_bit_of_answer_loss_or_gradient(output):
    results = []
    for fill in (0.0, 3.0, -1e6):
        net, parts = network(output=output), inputs()
        parts["fmri"].x[~PRESENT["fmri"]] = fill
        parts["age"].x[~PRESENT["age"]] = fill
        loss = net.loss(parts, CODES)
        loss.backward()
        results.append([net(parts).detach(), loss.detach(), *(p.grad for p in net.parameters())])
    assert all(torch.isfinite(part).all() for part in results[0])
    assert all(torch.equal(a, b) for other in results[1:] for a, b in zip(results[0], other, strict=True))


def test_every_parameter_gets_a_gradient():
    net = network(dropout=0.0).train()
    net.loss(inputs(), CODES).backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in net.parameters())


def test_roles_that_are_not_fused_join_at_the_output():
    net = network(together=("smri", "fmri"))
    assert net.together == ["fmri", "smri"]
    logits, present = net.opinions(inputs())
    assert present[:, 0].tolist() == [True, True, True, True, False, False]
    assert not logits[4:, 0].any()
    torch.testing.assert_close(net(inputs())[4:].softmax(1), logits[4:, 1].softmax(1))
    changed = inputs()
    changed["age"].x[:] += 1
    assert torch.equal(net.opinions(changed)[0][:, 0], logits[:, 0])
    assert not torch.equal(net(changed)[0], net(inputs())[0])
    alone = {role: part[[4, 5]] for role, part in inputs().items()}
    torch.testing.assert_close(net(alone), net(inputs())[4:])


def test_windows_are_meaned_over_each_persons_own():
    torch.manual_seed(0)
    encoder = RoleEncoder((5, 5), hidden=(4,)).eval()
    part = graphs("fmri", np.array([0, 2, 3, 5, 6, 8, 9]))
    each = encoder.module(part.x, part.adjacency, part.nodes)
    torch.testing.assert_close(encoder(part)[0], each[:2].mean(0))
    torch.testing.assert_close(encoder(part)[1], each[2])


def test_hard_votes_have_finite_logarithms():
    net = network(output="vote")
    logits = net(inputs()).detach()
    assert float(logits.min()) == pytest.approx(math.log(1e-6))
    torch.testing.assert_close(logits.exp().sum(1), torch.ones(6), atol=1e-5, rtol=0)


def test_wrong_options_are_refused():
    with pytest.raises(InvalidOption, match="a role of together"):
        network(together=("dti",))
    with pytest.raises(InvalidOption, match="head_weight"):
        network(head_weight=-1)
    with pytest.raises(InvalidOption, match="rule must be one of"):
        network(output="sum")
    assert network(output=OUTPUTS["max"]).rule is OUTPUTS["max"]
