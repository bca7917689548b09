"""What every temporal module owes: absent windows are no steps."""

from __future__ import annotations

import pytest
import torch

from graphfuse.errors import NonFinite, ShapeMismatch
from graphfuse.nn.temporal import AttentionPooling, GRUReadout, LSTMReadout, TimeTransformer
from graphfuse.nn.temporal.contract import present_first

PRESENT = torch.tensor([[True] * 4, [False, True, False, True], [True, False, False, False], [False] * 4])
MODULES = {
    "attention": lambda: AttentionPooling(6, 5),
    "gru": lambda: GRUReadout(6, 3),
    "lstm": lambda: LSTMReadout(6, (5, 3)),
    "transformer": lambda: TimeTransformer(6, heads=2, dropout=0.0),
}


def windows():
    return torch.randn(4, 4, 6, generator=torch.Generator().manual_seed(0))


def make(name):
    torch.manual_seed(1)
    return MODULES[name]()


def test_present_windows_come_first_in_their_order():
    x = torch.arange(16.0).view(4, 4, 1)
    moved, present = present_first(x, PRESENT)
    assert moved[1, :2, 0].tolist() == [5.0, 7.0]
    assert present.tolist() == [[True] * 4, [True, True, False, False], [True, False, False, False], [False] * 4]


@pytest.mark.parametrize("name", sorted(MODULES))
def test_absent_windows_change_no_bit(name):
    results = []
    for fill in (0.0, torch.nan, torch.inf, 7.0):
        module, x = make(name), torch.where(PRESENT[..., None], windows(), fill).requires_grad_()
        z = module(x, PRESENT)
        z[:, 0].sum().backward()
        results.append([z.detach(), x.grad, *(p.grad for p in module.parameters()), *module.buffers()])
    assert results[0][0].shape == (4, module.out_channels)
    assert not results[0][0][3].any()  # no window
    assert not results[0][1][~PRESENT].any()
    assert all(torch.isfinite(tensor).all() for tensor in results[0])
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))


@pytest.mark.parametrize("name", sorted(MODULES))
def test_absent_windows_are_not_counted(name):
    module = make(name).eval()
    z = module(windows(), PRESENT)
    for b in range(3):
        torch.testing.assert_close(module(windows()[b : b + 1, PRESENT[b]])[0], z[b])


@pytest.mark.parametrize("name", sorted(MODULES))
def test_none_means_all_windows(name):
    torch.testing.assert_close(make(name)(windows()), make(name)(windows(), torch.ones(4, 4, dtype=torch.bool)))


@pytest.mark.parametrize("name", sorted(MODULES))
def test_nobody_depends_on_the_others_outside_training(name):
    module = make(name).eval()
    torch.testing.assert_close(module(windows()[:1], PRESENT[:1]), module(windows(), PRESENT)[:1])


@pytest.mark.parametrize("name", sorted(MODULES))
def test_gradients_reach_every_parameter(name):
    module = make(name)
    (module(windows(), PRESENT) * torch.linspace(-1, 2, module.out_channels)).pow(3).sum().backward()
    for parameter_name, parameter in module.named_parameters():
        assert parameter.grad.abs().sum() > 0, parameter_name


@pytest.mark.parametrize("name", ["attention", "transformer"])
def test_the_order_of_windows_does_not_matter_to_attention(name):
    order = torch.tensor([2, 0, 3, 1])
    torch.testing.assert_close(make(name)(windows()[:, order], PRESENT[:, order]), make(name)(windows(), PRESENT))


@pytest.mark.parametrize("name", ["gru", "lstm"])
def test_the_order_of_windows_matters_to_recurrent_layers(name):
    assert not torch.allclose(make(name).eval()(windows().flip(1)), make(name).eval()(windows()))


@pytest.mark.parametrize("name", sorted(MODULES))
def test_a_batch_of_one_trains(name):
    module = make(name)
    module(windows()[:1, :1]).sum().backward()
    gradients = [parameter.grad for parameter in module.parameters() if parameter.grad is not None]
    assert gradients
    assert all(torch.isfinite(gradient).all() for gradient in gradients)


@pytest.mark.parametrize("name", sorted(MODULES))
def test_errors_at_the_door(name):
    with pytest.raises(NonFinite, match="present windows"):
        make(name)(windows() * torch.nan, PRESENT)
    with pytest.raises(ShapeMismatch, match="present"):
        make(name)(windows(), PRESENT[:, :3])
    with pytest.raises(ShapeMismatch, match="x must have shape"):
        make(name)(windows()[0])
    with pytest.raises(ShapeMismatch, match="one window"):
        make(name)(windows()[:, :0])
