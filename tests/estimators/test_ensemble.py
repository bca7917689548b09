import numpy as np
import torch
from torch import nn

from graphfuse.estimators.calibration import fit_temperature
from graphfuse.estimators.dealing import inner_split
from graphfuse.estimators.ensemble import Ensemble, temperature, train_ensemble
from graphfuse.estimators.training import Recipe


def test_the_ensemble_is_the_mean_of_its_members_part_by_part():
    members = [nn.Linear(3, 2) for _ in range(3)]
    x = torch.randn(5, 3)
    wanted = sum(member(x) for member in members) / 3
    torch.testing.assert_close(Ensemble(members)(x), wanted)

    class Pair(nn.Module):
        def __init__(self, value):
            super().__init__()
            self.value = value

        def forward(self, x):
            return x * self.value, None

    logits, weights = Ensemble([Pair(1.0), Pair(3.0)])(x)
    torch.testing.assert_close(logits, 2 * x)
    assert weights is None


def test_members_differ_repeat_and_leave_the_users_generator_alone():
    rng = np.random.default_rng(0)
    codes = np.repeat([0, 1], 30)
    X = torch.as_tensor(rng.normal(size=(60, 4)) + codes[:, None], dtype=torch.float32)

    def train(seed):
        recipe = Recipe(epochs=3, members=2)
        return train_ensemble(lambda: nn.Linear(4, 2), lambda n, rows: n(X[rows]), codes, np.arange(60), recipe, seed)

    torch.manual_seed(5)
    wanted = torch.rand(2)
    torch.manual_seed(5)
    network, history = train(1)
    assert torch.equal(torch.rand(2), wanted)
    assert [len(losses) for losses in history] == [3, 3]
    assert not torch.equal(network.members[0].weight, network.members[1].weight)
    again, _ = train(1)
    assert torch.equal(network(X), again(X))
    other, _ = train(2)
    assert not torch.equal(network(X), other(X))
    assert not network.training


def test_the_temperature_divides_the_logits_only_and_is_saved():
    class Pair(nn.Module):
        def forward(self, x):
            return x, x

    ensemble, x = Ensemble([Pair()]), torch.randn(5, 2)
    ensemble.temperature.fill_(4.0)
    logits, weights = ensemble(x)
    torch.testing.assert_close(logits, x / 4)
    torch.testing.assert_close(weights, x)
    other = Ensemble([Pair()])
    other.load_state_dict(ensemble.state_dict())
    assert float(other.temperature) == 4


def test_a_subject_who_validates_twice_counts_once_with_the_mean_of_the_logits():
    rng = np.random.default_rng(0)
    codes = np.array([0, 1] * 10)
    first, second = rng.normal(size=(12, 2)), rng.normal(size=(12, 2))  # rows 0-11 and 8-19
    mean = np.concatenate([first[:8], (first[8:] + second[:4]) / 2, second[4:]])
    wanted = 1 / fit_temperature(mean, codes, spread=1.0)
    got = temperature([(np.arange(12), first), (np.arange(8, 20), second)], codes)
    np.testing.assert_allclose(got, wanted, rtol=1e-9)


def noisy(n=400, seed=0):
    """Two classes that overlap much, in many features: a network that is trained long is far too sure."""
    rng = np.random.default_rng(seed)
    codes = np.arange(n) % 2
    return torch.as_tensor(rng.normal(size=(n, 30)) + 0.1 * codes[:, None], dtype=torch.float32), codes


def test_the_fitted_temperature_is_that_of_the_left_out_logits_and_mends_what_is_too_sure():
    X, codes = noisy()
    train = np.arange(120)
    recipe = Recipe(learning_rate=0.1, weight_decay=0, epochs=1, members=2)  # one epoch of huge steps
    network, _ = train_ensemble(
        lambda: nn.Linear(30, 2), lambda n, rows: n(X[rows]), codes[train], train, recipe, seed=3
    )
    seeds = np.random.SeedSequence(3).generate_state(2).tolist()
    rows = [inner_split(codes[train], train, recipe.validation, seed)[1] for seed in seeds]
    with torch.no_grad():
        left_out = [(r, m(X[r]).double().numpy()) for r, m in zip(rows, network.members, strict=True)]
        assert float(network.temperature) == np.float32(temperature(left_out, codes))
        test, target = X[120:], torch.as_tensor(codes[120:])
        cooled, raw = network(test), network(test) * network.temperature
    assert network.temperature > 1
    loss = nn.functional.cross_entropy
    assert loss(cooled, target) < loss(raw, target)
    assert torch.equal(cooled.argmax(1), raw.argmax(1))
    gap = lambda logits: (logits[:, 1] - logits[:, 0]).double()  # noqa: E731
    assert torch.equal(gap(cooled).argsort(), gap(raw).argsort())
