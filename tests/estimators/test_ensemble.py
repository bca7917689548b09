import numpy as np
import torch
from torch import nn

from graphfuse.estimators.calibration import fit_temperature
from graphfuse.estimators.dealing import inner_split
from graphfuse.estimators.ensemble import Ensemble, train_ensemble
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


def test_each_temperature_divides_the_logits_of_its_member_only_and_is_saved():
    class Pair(nn.Module):
        def forward(self, x):
            return x, x

    ensemble, x = Ensemble([Pair(), Pair()]), torch.randn(5, 2)
    ensemble.temperature.copy_(torch.tensor([4.0, 2.0]))
    logits, weights = ensemble(x)
    torch.testing.assert_close(logits, (x / 4 + x / 2) / 2)
    torch.testing.assert_close(weights, x)
    other = Ensemble([Pair(), Pair()])
    other.load_state_dict(ensemble.state_dict())
    assert other.temperature.tolist() == [4, 2]


def noisy(n=400, seed=0):
    """Two classes that overlap much, in many features: a network that is trained long is far too sure."""
    rng = np.random.default_rng(seed)
    codes = np.arange(n) % 2
    return torch.as_tensor(rng.normal(size=(n, 30)) + 0.1 * codes[:, None], dtype=torch.float32), codes


def test_the_fitted_temperatures_are_those_of_the_left_out_logits_and_mend_what_is_too_sure():
    X, codes = noisy()
    train = np.arange(120)
    recipe = Recipe(learning_rate=0.1, weight_decay=0, epochs=1, members=2)  # one epoch of huge steps
    network, _ = train_ensemble(
        lambda: nn.Linear(30, 2), lambda n, rows: n(X[rows]), codes[train], train, recipe, seed=3
    )
    seeds = np.random.SeedSequence(3).generate_state(2).tolist()
    rows = [inner_split(codes[train], train, recipe.validation, seed)[1] for seed in seeds]
    loss, test, target = nn.functional.cross_entropy, X[120:], torch.as_tensor(codes[120:])
    with torch.no_grad():
        for own, member, temperature in zip(rows, network.members, network.temperature, strict=True):
            wanted = 1 / fit_temperature(member(X[own]).double().numpy(), codes[own], spread=1.0)
            assert float(temperature) == np.float32(wanted) > 1
            assert loss(member(test) / temperature, target) < loss(member(test), target)
        joined = sum(m(test) / t for m, t in zip(network.members, network.temperature, strict=True)) / 2
        torch.testing.assert_close(network(test), joined)
        assert loss(network(test), target) < loss(sum(m(test) for m in network.members) / 2, target)
