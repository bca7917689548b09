import numpy as np
import torch
from torch import nn

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
