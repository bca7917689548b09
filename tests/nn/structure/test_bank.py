"""The inductive bank: new people hear the fitted ones and are heard by nobody."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch_geometric.nn import GraphConv

from graphfuse.errors import NegativeWeights, NonFinite, ShapeMismatch
from graphfuse.nn.structure.bank import BankConv, Heard, InductiveBank, hear


def people(n=12, new=5, width=6):
    torch.manual_seed(0)
    agreement = (torch.rand(new + n, n) < 0.7).double() * torch.randint(1, 3, (new + n, n))
    x = torch.randn(new + n, width, dtype=torch.float64)
    return x[new:], agreement[new:], x[:new], agreement[:new]


def network(neighbours=3, seed=1, **options):
    torch.manual_seed(seed)
    return InductiveBank(6, (8, 7), neighbours, **options).double()


def test_a_prediction_does_not_depend_on_the_other_new_people():
    x, among, new, agreement = people()
    model = network()
    bank = model.bank(x, among)
    together = model.predict(new, bank, agreement)
    assert together.shape == (5, 7)
    for i in range(5):
        torch.testing.assert_close(model.predict(new[[i]], bank, agreement[[i]])[0], together[i], rtol=0, atol=1e-12)
    order = torch.tensor([3, 1, 4])
    some = model.predict(new[order], bank, agreement[order])
    torch.testing.assert_close(some, together[order], rtol=0, atol=1e-12)


def test_a_prediction_changes_no_bit_of_the_bank():
    x, among, new, agreement = people()
    model = network()
    bank = model.bank(x, among)
    before = [state.clone() for state in (*bank.states, bank.sigma)]
    model.predict(new, bank, agreement)
    assert all(torch.equal(a, b) for a, b in zip((*bank.states, bank.sigma), before, strict=True))


def test_the_twin_of_somebody_of_the_bank_gets_the_same_embedding():
    x, among, _, _ = people()
    model = network()
    bank = model.bank(x, among)
    agreement = among.masked_fill(torch.eye(12, dtype=torch.bool), 0.0)  # nobody hears himself
    torch.testing.assert_close(model.predict(x, bank, agreement), bank.states[-1])
    torch.testing.assert_close(model(x, among), bank.states[-1])


def test_whom_a_person_hears_is_a_loop_over_people():
    x, _, new, agreement = people()
    sigma = torch.tensor(0.8, dtype=torch.float64)
    heard = hear(new, x, sigma, agreement, 3)
    for s in range(5):
        rho = np.array([1 - np.corrcoef(new[s], v)[0, 1] for v in x])
        a = np.exp(-(rho**2) / (2 * 0.8**2)) * agreement[s].numpy()
        best = np.argsort(-a)[:3]
        assert heard.place[s].tolist() == best.tolist()
        np.testing.assert_allclose(heard.share[s], np.exp(a[best]) / np.exp(a[best]).sum())


def test_the_width_of_the_kernel_is_the_mean_distance_of_the_bank():
    x, among, _, _ = people()
    assert float(network().bank(x, among).sigma) == pytest.approx((1 - np.corrcoef(x)).mean())


def test_the_convolution_equals_pygs_with_copied_weights():
    torch.manual_seed(0)
    theirs, ours = GraphConv(4, 3).double(), BankConv(4, 3).double()
    ours.load_state_dict(theirs.state_dict())
    x, states = torch.randn(2, 4).double(), torch.randn(5, 4).double()
    heard = Heard(torch.tensor([[1, 4], [0, 1]]), torch.tensor([[0.3, 0.7], [0.6, 0.4]]).double())
    source, target = heard.place.flatten(), torch.tensor([0, 0, 1, 1])
    expected = theirs((states, x), torch.stack([source, target]), heard.share.flatten())
    torch.testing.assert_close(ours(x, states, heard), expected)


def test_somebody_who_agrees_with_nobody_stands_alone():
    x, among, new, agreement = people()
    model = network()
    agreement[2] = 0.0
    y, h = model.predict(new, model.bank(x, among), agreement)[2], new[2]
    for conv in model.convs:
        h = (conv.lin_root(h) + conv.lin_rel.bias).relu()
    torch.testing.assert_close(y, h)


def test_a_bank_in_another_order_gives_the_same_predictions():
    x, among, new, agreement = people()
    model, order = network(), torch.randperm(12)
    moved = model.bank(x[order], among[order][:, order])
    torch.testing.assert_close(moved.states[-1], model.bank(x, among).states[-1][order])
    expected = model.predict(new, model.bank(x, among), agreement)
    torch.testing.assert_close(model.predict(new, moved, agreement[:, order]), expected)


def test_parameters_do_not_depend_on_how_many_people_there_are():
    model = network()
    x, _, new, _ = people()
    for n in (1, 2, 12):  # alone, fewer than the neighbours asked for, more
        assert torch.isfinite(model.predict(new, model.bank(x[:n]))).all()


def test_gradients_reach_the_people_and_every_parameter():
    x, among, new, agreement = people()
    x.requires_grad_(), new.requires_grad_()
    model = network()
    model.predict(new, model.bank(x, among), agreement).square().sum().backward()
    assert (x.grad != 0).any()
    assert (new.grad != 0).any()
    assert all((p.grad != 0).any() for p in model.parameters())


@pytest.mark.parametrize("scale", [0.0, 1e-30, 1e15 / 4])
def test_values_and_gradients_of_any_size_are_finite(scale):
    x, among, _, _ = people()
    x, model = (scale * x.clamp(-3, 3)).float().requires_grad_(), network().float()
    y = model(x, among.float())
    y.sum().backward()
    assert torch.isfinite(y).all()
    assert torch.isfinite(x.grad).all()


def test_what_does_not_fit_is_refused():
    x, among, new, agreement = people()
    model = network()
    bank = model.bank(x, among)
    with pytest.raises(NonFinite):
        model.bank(x * torch.nan)
    with pytest.raises(ShapeMismatch, match="agreement"):
        model.predict(new, bank, agreement[:, :4])
    with pytest.raises(NegativeWeights, match="agreement"):
        model.predict(new, bank, -agreement)
    with pytest.raises(ShapeMismatch, match="bank"):
        model.predict(new, bank._replace(states=bank.states[:-1]), agreement)


@pytest.mark.parametrize("dtype", [torch.bool, torch.int64, torch.float64])
def test_agreement_of_any_type_counts_as_numbers(dtype):
    x, among, new, agreement = (part.float() for part in people())
    model = network().float()
    among, agreement = among.clamp(max=1), agreement.clamp(max=1)
    expected = model.predict(new, model.bank(x, among), agreement)
    assert torch.equal(model.predict(new, model.bank(x, among.to(dtype)), agreement.to(dtype)), expected)
