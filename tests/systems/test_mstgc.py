"""MSTGC: channels that share and channels that do not, windows in their order, and what the parts are worth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch.nn.functional import cross_entropy

from graphfuse.atlas import Atlas
from graphfuse.cohort import Cohort
from graphfuse.errors import InvalidOption, MissingModality
from graphfuse.graph.graphs import Graphs
from graphfuse.graph.sparsify import TopDensity
from graphfuse.kernels import Adjacency
from graphfuse.losses.infomax import InfoMaxLoss
from graphfuse.losses.infomin import InfoMinLoss
from graphfuse.signal import Signal
from graphfuse.systems.mstgc import SYSTEM, MSTGCNetwork, mstgc

B, W, R, F = 5, 4, 8, 10
SHAPES = {"functional": (R, F), "structural": (R, 1)}


def graphs(count: int, features: int, offsets: np.ndarray | None = None) -> Graphs:
    weight = torch.rand(count, R, R)
    adjacency = Adjacency.from_dense(TopDensity(0.4)(weight + weight.mT))
    nodes = torch.ones(count, R, dtype=torch.bool)
    present = torch.ones(B, dtype=torch.bool)
    return Graphs(torch.randn(count, R, features), adjacency, nodes, present, offsets)


@pytest.fixture
def inputs():
    return {"functional": graphs(B * W, F, np.arange(0, B * W + 1, W)), "structural": graphs(B, 1)}


def network(**options) -> MSTGCNetwork:
    torch.manual_seed(0)
    return MSTGCNetwork(SHAPES, 2, hidden=6, **options).eval()


def backwards(graphs: Graphs) -> Graphs:
    """The windows of each person in the other order."""
    rows = np.arange(B * W).reshape(B, W)[:, ::-1].ravel()
    return replace(graphs, x=graphs.x[rows], adjacency=graphs.adjacency[rows])


def without(graphs: Graphs, people: int) -> Graphs:
    """The first people lack this modality."""
    present = torch.arange(B) >= people
    owners = present if graphs.offsets is None else present.repeat_interleave(W)
    return replace(graphs, present=present, nodes=graphs.nodes & owners[:, None])


def test_the_order_of_the_windows_counts_with_the_lstm_and_not_with_the_mean(inputs):
    """The signature: graph convolutions and a mean over windows, whatever they are, hear no order."""
    turned = {**inputs, "functional": backwards(inputs["functional"])}
    assert not torch.allclose(network()(inputs), network()(turned), atol=1e-5)
    torch.testing.assert_close(network(temporal="mean")(inputs), network(temporal="mean")(turned))


def test_the_common_channel_has_one_set_of_weights_for_both_graphs_and_the_own_ones_do_not(inputs):
    """The signature: on two equal graphs the common channel says the same of both, the own channels do not."""
    functional = inputs["functional"]
    same = Graphs(functional.x[::W], functional.adjacency[::W], functional.nodes[::W], functional.present)
    one = replace(same, offsets=np.arange(B + 1))
    windows = network()._run({"functional": one, "structural": same})
    assert torch.equal(windows.common["functional"], windows.common["structural"])
    assert not torch.allclose(windows.specific["functional"], windows.specific["structural"], atol=1e-4)
    different = network()._run({"functional": one, "structural": inputs["structural"]})
    assert not torch.allclose(different.common["functional"], different.common["structural"], atol=1e-4)


def test_channels_equal_graph_convolutions_written_out(inputs):
    model = network()
    windows = model._run(inputs)
    for name in ("functional", "structural"):
        weight = inputs[name].adjacency.to_dense()
        weight = weight if name == "functional" else weight.repeat_interleave(W, 0)
        weight = weight + torch.eye(R)
        scale = weight.sum(-1).rsqrt()
        operator = scale[:, :, None] * weight * scale[:, None, :]
        for stack, given in ((name, windows.specific), ("common", windows.common)):
            z = inputs["functional"].x
            for conv in model.stacks[stack].convs:
                z = (operator @ z @ conv.lin.weight.T + conv.bias).relu()
            torch.testing.assert_close(given[name], z)


def test_attention_weighs_the_channels_region_by_region_as_printed(inputs):
    model = network()
    windows = model._run(inputs)
    z, share = model._fused(windows)
    common = (windows.common["functional"] + windows.common["structural"]) / 2
    channels = [windows.specific["functional"], windows.specific["structural"], common]
    hidden, _, last = model.attention.score
    score = torch.stack([torch.tanh(c @ hidden.weight.T + hidden.bias) @ last.weight[0] for c in channels], -1)
    torch.testing.assert_close(share, score.softmax(-1))
    torch.testing.assert_close(z, sum(share[..., [k]] * c for k, c in enumerate(channels)))


def test_the_loss_is_the_cross_entropy_and_both_terms_of_contrast(inputs):
    model, codes = network(alpha=0.3, beta=0.7), torch.arange(B) % 2
    windows = model._run(inputs)
    apart = sum(
        model.infomin(windows.common[name], windows.specific[name], windows.nodes[name]) for name in windows.nodes
    )
    first, second = (windows.common[name].view(B, W, R, -1) for name in ("functional", "structural"))
    alike = sum(model.infomax(first[:, w], second[:, w]) for w in range(W)) / W
    expected = cross_entropy(model(inputs), codes) + 0.3 * apart + 0.7 * alike
    torch.testing.assert_close(model.loss(inputs, codes), expected)
    assert isinstance(model.infomin, InfoMinLoss)
    assert isinstance(model.infomax, InfoMaxLoss)


@pytest.mark.parametrize("discriminator", ["bilinear", "dot", "sigmoid_dot"])
def test_gradients_reach_every_parameter(inputs, discriminator):
    model = network(discriminator=discriminator).train()
    model.loss(inputs, torch.arange(B) % 2).backward()
    assert [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []


@pytest.mark.parametrize("options", [{"alpha": 0.0, "beta": 0.0}, {"channels": ("functional", "structural")}])
def test_without_contrast_the_loss_is_the_cross_entropy(inputs, options):
    model, codes = network(**options), torch.arange(B) % 2
    torch.testing.assert_close(model.loss(inputs, codes), cross_entropy(model(inputs), codes))


def test_layers_are_as_published():
    model = MSTGCNetwork(SHAPES, 2)
    assert [layer.hidden_size for layer in model.temporal.layers] == [180, 90]
    assert model.head.in_features == 90
    assert {name: len(stack.convs) for name, stack in model.stacks.items()} == dict.fromkeys(model.stacks, 3)
    assert sorted(model.stacks) == ["common", "functional", "structural"]


def test_the_factory_cuts_six_windows(cohort):
    model = mstgc({"functional": "fmri", "structural": "dti"})
    graphs = model.views["functional"].fit(cohort.signals["fmri"]).transform(cohort.signals["fmri"])
    assert set(np.diff(graphs.offsets)) == {6}


@pytest.mark.parametrize("role", ["functional", "structural"])
def test_a_missing_modality_has_no_share_and_its_values_change_no_bit(inputs, role):
    model = network()
    gone = without(inputs[role], 2)
    rows = slice(0, 2 * W) if role == "functional" else slice(0, 2)
    x = gone.x.clone()
    x[rows] += 5
    edges = gone.adjacency.to_dense().clone()
    edges[rows] = edges[rows].roll(1, 1)
    wild = replace(gone, x=x, adjacency=Adjacency.from_dense(edges))
    answers = [model({**inputs, role: value}) for value in (gone, wild)]
    assert torch.equal(*answers)
    assert torch.isfinite(model.loss({**inputs, role: gone}, torch.arange(B) % 2))
    told = model.weights({**inputs, role: gone})
    assert not told[f"attention_{role}"][:2].any()
    assert told[f"attention_{role}"][2:].all()


def test_the_order_of_the_regions_does_not_count(inputs):
    order, model = torch.randperm(R), network()
    moved = {
        role: replace(
            item, x=item.x[:, order], adjacency=Adjacency.from_dense(item.adjacency.to_dense()[:, order][:, :, order])
        )
        for role, item in inputs.items()
    }
    torch.testing.assert_close(model(moved), model(inputs))
    torch.testing.assert_close(model.weights(moved)["score"], model.weights(inputs)["score"][..., order])


def test_weights_say_half_of_the_regions_are_kept_and_shares_sum_to_one(inputs):
    told = network().weights(inputs)
    assert {tuple(value.shape) for value in told.values()} == {(B, W, R)}
    assert ((told["score"] != 0).sum(-1) == R // 2).all()
    total = sum(value for name, value in told.items() if name.startswith("attention"))
    torch.testing.assert_close(total, torch.ones(B, W, R))


@pytest.mark.parametrize("options", [{"temporal": "gru"}, {"channels": ("shared",)}, {"discriminator": "cosine"}])
def test_an_unknown_part_is_refused(options):
    with pytest.raises(InvalidOption):
        network(**options)


def test_a_cohort_without_a_structural_graph_of_the_same_regions_is_told_so(cohort):
    bare = replace(cohort, signals={name: cohort.signals[name] for name in ("fmri", "aseg")})
    with pytest.raises(MissingModality, match=r"connectivity matrices or regional measures \(as structural\)"):
        SYSTEM.for_cohort(bare)


T, REGIONS, PLANTED = 120, 12, 4  # frames; regions; the first of them, which are joined in one half of the scan
DENSITY = {f"views__{role}__sparsify": TopDensity(0.3) for role in SHAPES}
LESS = {
    "full": {},
    "no order": {"temporal": "mean"},
    "no own channels": {"channels": ("common",)},
}


def dynamics(n: int, seed: int) -> Cohort:
    """Regions 0 .. 3 act together in one half of the scan; 4 .. 7 by a trait that their fibres show too.

    The class says in which half, so that no mean over the scan knows it, and shifts the trait.
    """
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(n) % 2)
    trait = np.exp(rng.normal(0, 0.5, n) + (y - 0.5))
    half = np.arange(T)[:, None] < T // 2
    x = rng.normal(size=(n, T, REGIONS))
    x[:, :, :4] += 1.5 * (half == (y[:, None, None] == 1)) * rng.normal(size=(n, T, 1))
    x[:, :, 4:8] += 0.7 * trait[:, None, None] * rng.normal(size=(n, T, 1))
    fibres = np.triu(rng.gamma(1.0, size=(n, REGIONS, REGIONS)), 1)
    fibres[:, 4:8, 4:8] *= trait[:, None, None]
    return people(x, fibres, y)


def community(n: int, seed: int) -> Cohort:
    """The first regions act together, and have more fibres, in the second class."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    x = rng.normal(size=(n, T, REGIONS))
    x[:, :, :PLANTED] += 2.5 * y[:, None, None] * rng.normal(size=(n, T, 1))
    fibres = np.triu(rng.gamma(1.0, size=(n, REGIONS, REGIONS)), 1)
    fibres[:, :PLANTED, :PLANTED] *= np.exp(y)[:, None, None]
    return people(x, fibres, y)


def people(x: np.ndarray, fibres: np.ndarray, y: np.ndarray) -> Cohort:
    """Series (N, T, R) and the upper triangle of fibres (N, R, R) as a cohort of two classes."""
    names = [f"region {r}" for r in range(REGIONS)]
    xyz = np.random.default_rng(0).normal(size=(REGIONS, 3))
    atlas = Atlas("twelve", pd.DataFrame(xyz, names, list("xyz")).assign(network="a"))
    signals = {
        "fmri": Signal.pack("timeseries", list(x.astype(np.float32)), atlas, t_r=np.full(len(y), 2.0)),
        "dti": Signal.pack("connectivity", list((fibres + fibres.transpose(0, 2, 1)).astype(np.float32)), atlas),
    }
    index = pd.Index([f"{i:03d}" for i in range(len(y))], name="subject")
    return Cohort(pd.DataFrame({"group": np.array(["a", "b"])[y]}, index), signals, target="group", classes=("a", "b"))


def fitted(train: Cohort, seed: int, **options):
    """MSTGC after 25 epochs."""
    model = mstgc({"functional": "fmri", "structural": "dti"})
    model.set_params(options={"hidden": 16, **options}, epochs=25, patience=25, random_state=seed, **DENSITY)
    return model.fit(train)


@pytest.mark.slow
def test_planted_dynamics_need_the_order_of_the_windows_and_the_own_channels():
    """The published order of ablations, without the contrast: its gain lies within the spread of our seeds."""
    auc = {name: [] for name in LESS}
    for seed in range(3):
        cohort = dynamics(300, seed)
        train, test = cohort[np.arange(140)], cohort[np.arange(140, 300)]
        for name, options in LESS.items():
            auc[name].append(roc_auc_score(test.y, fitted(train, seed, **options).predict_proba(test)[:, 1]))
    mean = {name: np.mean(values) for name, values in auc.items()}
    assert mean["full"] > mean["no order"]
    assert mean["full"] > mean["no own channels"]


@pytest.mark.slow
def test_the_planted_community_ranks_on_top_and_the_pooling_sets_it_apart():
    cohort = community(200, 0)
    train, test = cohort[np.arange(120)], cohort[np.arange(120, 200)]
    model = fitted(train, 0)
    inputs, network = model.inputs(test), model.network_.members[0]
    x = inputs["functional"].x.clone().requires_grad_()
    logits = network({**inputs, "functional": replace(inputs["functional"], x=x)})
    (slope,) = torch.autograd.grad((logits[:, 1] - logits[:, 0]).sum(), x)
    importance = (slope * x).detach().sum(-1).abs().mean(0)  # gradient times input, by region
    assert set(importance.topk(PLANTED).indices.tolist()) == set(range(PLANTED))
    kept = (network.weights(inputs)["score"] != 0).double().mean((0, 1))
    ends = [set(kept.topk(PLANTED, largest=largest).indices.tolist()) for largest in (True, False)]
    assert set(range(PLANTED)) in ends  # either end of the scores may be the one that stays
