from __future__ import annotations

import math

import pytest
import torch

from graphfuse.errors import InvalidOption, MissingModality, NonFinite
from graphfuse.losses.weighting import WEIGHTINGS, AdaptiveWeighting, FixedWeighting, UncertaintyWeighting


def losses(**means):
    """Two people, one a little above and one a little below each mean."""
    return {name: torch.tensor([mean - 0.1, mean + 0.1], requires_grad=True) for name, mean in means.items()}


def everybody(*names):
    return {name: torch.ones(2, dtype=torch.bool) for name in names}


def test_fixed_weights_stay():
    total, weight = FixedWeighting("ab", {"a": 2.0, "b": 0.5})(losses(b=4.0, a=1.0))
    torch.testing.assert_close(total, torch.tensor(4.0))
    assert {name: float(w) for name, w in weight.items()} == {"a": 2.0, "b": 0.5}
    torch.testing.assert_close(FixedWeighting("ab")(losses(a=1.0, b=4.0))[0], torch.tensor(2.5))


def test_adaptive_weights_are_the_softmax_over_the_mean_with_a_floor():
    weighting = AdaptiveWeighting("ab")
    total, weight = weighting(losses(a=1.0, b=3.0))
    share = math.exp(-1 / 2) / (math.exp(-1 / 2) + math.exp(-3 / 2))
    expected = 0.9 * share + 0.05
    assert weight["a"].item() == pytest.approx(expected)
    assert weight["b"].item() == pytest.approx(1 - expected)
    assert total.item() == pytest.approx(expected * 1 + (1 - expected) * 3)


def test_adaptive_weights_do_not_see_scale_and_never_fall_under_the_floor():
    small, large = AdaptiveWeighting("abc"), AdaptiveWeighting("abc")
    first = small(losses(a=1.0, b=3.0, c=2.0))[1]
    second = large({name: 50 * value for name, value in losses(a=1.0, b=3.0, c=2.0).items()})[1]
    assert all(first[n].item() == pytest.approx(second[n].item()) for n in "abc")
    extreme = AdaptiveWeighting("ab")({"a": torch.tensor([1e-6]), "b": torch.tensor([1e6])})[1]
    assert extreme["b"].item() >= 0.05


def test_adaptive_weights_follow_running_means_in_training_only():
    weighting = AdaptiveWeighting("ab")
    weighting(losses(a=1.0, b=1.0))
    weighting(losses(a=2.0, b=1.0))
    torch.testing.assert_close(weighting.running, torch.tensor([1.1, 1.0]))
    weighting.eval()
    weighting(losses(a=9.0, b=1.0))
    torch.testing.assert_close(weighting.running, torch.tensor([1.1, 1.0]))


def test_adaptive_weights_are_kept_apart_from_gradients():
    values = losses(a=1.0, b=3.0)
    total, weight = AdaptiveWeighting("ab")(values)
    total.backward()
    torch.testing.assert_close(values["a"].grad, (weight["a"] / 2).expand(2))


def test_a_modality_that_nobody_of_a_batch_has_keeps_its_running_mean():
    weighting = AdaptiveWeighting("ab")
    weighting(losses(a=1.0, b=3.0))
    absent = everybody("a", "b") | {"b": torch.zeros(2, dtype=torch.bool)}
    total, weight = weighting(losses(a=1.0, b=50.0), absent)
    torch.testing.assert_close(weighting.running, torch.tensor([1.0, 3.0]))
    torch.testing.assert_close(total, weight["a"])


def test_a_modality_that_was_never_seen_has_no_weight_yet():
    present = everybody("a", "b") | {"b": torch.zeros(2, dtype=torch.bool)}
    weight = AdaptiveWeighting("ab")(losses(a=1.0, b=3.0), present)[1]
    assert (weight["a"], weight["b"]) == (1, 0)


def test_before_training_adaptive_weights_are_equal_and_zero_losses_are_no_nan():
    assert AdaptiveWeighting("ab").eval()(losses(a=1.0, b=3.0))[1]["a"] == 0.5
    total, weight = AdaptiveWeighting("ab")({"a": torch.zeros(2), "b": torch.zeros(2)})
    assert total == 0
    assert weight["b"] == 0.5


def test_the_state_of_adaptive_weights_is_saved():
    weighting, other = AdaptiveWeighting("ab"), AdaptiveWeighting("ab")
    weighting(losses(a=1.0, b=3.0))
    other.load_state_dict(weighting.state_dict())
    assert torch.equal(other.weights(), weighting.weights())


def test_uncertainty_weights_have_the_closed_form_and_their_best_variance_is_the_loss():
    weighting = UncertaintyWeighting("ab")
    with torch.no_grad():
        weighting.log_variance.copy_(torch.tensor([1.0, 4.0]).log())
    total, weight = weighting(losses(a=1.0, b=3.0))
    assert total.item() == pytest.approx(1 / 2 + 3 / 8 + math.log(2))
    assert weight["b"].item() == pytest.approx(1 / 8)
    total.backward()  # d/dv (e^-v L + v) / 2 = (1 - L / s^2) / 2
    torch.testing.assert_close(weighting.log_variance.grad, torch.tensor([0.0, 0.125]))


@pytest.mark.parametrize("name", WEIGHTINGS)
def test_a_modality_counts_only_for_those_who_have_it_and_changes_no_bit_for_others(name):
    present = {"a": torch.tensor([True, True]), "b": torch.tensor([False, True])}
    clean, dirty = losses(a=1.0, b=3.0), losses(a=1.0, b=3.0)
    dirty["b"] = torch.tensor([float("nan"), 3.1], requires_grad=True)
    one, two = WEIGHTINGS[name]("ab"), WEIGHTINGS[name]("ab")
    first, second = one(clean, present), two(dirty, present)
    assert torch.equal(first[0], second[0])
    assert first[1] == second[1]
    second[0].backward()
    assert dirty["b"].grad[0] == 0
    torch.testing.assert_close(first[0], WEIGHTINGS[name]("ab")({"a": clean["a"], "b": clean["b"][1:]})[0])


@pytest.mark.parametrize("name", WEIGHTINGS)
def test_gradients_equal_differences(name):
    weighting = WEIGHTINGS[name]("ab").double().eval()
    values = [torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True) for _ in range(2)]
    assert torch.autograd.gradcheck(lambda a, b: weighting({"a": a, "b": b})[0], values)


@pytest.mark.parametrize("name", WEIGHTINGS)
def test_other_modalities_nan_and_double_names_are_refused(name):
    weighting = WEIGHTINGS[name]("ab")
    with pytest.raises(MissingModality, match=r"made for \['a', 'b'\]; got losses of \['a'\]"):
        weighting(losses(a=1.0))
    with pytest.raises(NonFinite, match=r"losses\['a'\]"):
        weighting({"a": torch.tensor([float("nan")]), "b": torch.ones(1)})
    with pytest.raises(InvalidOption, match="each once"):
        WEIGHTINGS[name](["a", "a"])


def test_losses_below_zero_and_odd_options_are_refused():
    with pytest.raises(InvalidOption, match="losses of at least 0"):
        AdaptiveWeighting("ab")(losses(a=-1.0, b=3.0))
    with pytest.raises(InvalidOption, match="floor"):
        AdaptiveWeighting("ab", floor=2)
    with pytest.raises(InvalidOption, match=r"weights\['b'\]"):
        FixedWeighting("ab", {"a": 1, "b": -1})
    with pytest.raises(InvalidOption, match="weights must have"):
        FixedWeighting("ab", {"a": 1})
