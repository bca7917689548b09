from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.neighbors import NearestCentroid

from graphfuse.errors import InvalidOption, ShapeMismatch
from graphfuse.losses.discriminative import discriminative_loss


def test_two_classes_have_the_closed_form():
    z, labels = torch.tensor([[0.0], [2.0], [2.0], [4.0]]), torch.tensor([0, 0, 1, 1])
    # centres 1 and 3: everyone is 1 off; the centres are 2 apart, the margin 5 is 3 short
    torch.testing.assert_close(discriminative_loss(z, labels, margin=5.0), torch.tensor(1.0 + 9.0))
    torch.testing.assert_close(discriminative_loss(z, labels, margin=2.0), torch.tensor(1.0))


def test_three_classes_equal_a_loop_over_sklearns_centroids():
    rng = np.random.default_rng(0)
    z, labels = rng.normal(size=(9, 2)), np.repeat([4, 1, 7], 3)
    fitted = NearestCentroid().fit(z, labels)
    centre = dict(zip(fitted.classes_, fitted.centroids_, strict=True))
    tight = np.mean([np.sum((row - centre[y]) ** 2) for row, y in zip(z, labels, strict=True)])
    pairs = [(4, 1), (4, 7), (1, 7)]
    apart = np.mean([max(0, 1.5 - np.linalg.norm(centre[a] - centre[b])) ** 2 for a, b in pairs])
    got = discriminative_loss(torch.tensor(z), torch.tensor(labels), margin=1.5)
    assert got.item() == pytest.approx(tight + apart)


def test_tight_classes_far_apart_lose_nothing_and_one_class_has_no_neighbours():
    z, labels = torch.tensor([[0.0], [0.0], [9.0]]), torch.tensor([0, 0, 1])
    assert discriminative_loss(z, labels) == 0
    assert discriminative_loss(z[:2], labels[:2]) == 0


def test_coinciding_centres_are_no_nan():
    z = torch.zeros(4, 2, requires_grad=True)
    loss = discriminative_loss(z, torch.tensor([0, 1, 0, 1]))
    loss.backward()
    assert loss == 1
    assert torch.isfinite(z.grad).all()


def test_a_negative_margin_and_too_few_labels_are_refused():
    with pytest.raises(InvalidOption, match="margin"):
        discriminative_loss(torch.zeros(2, 1), torch.tensor([0, 1]), margin=-1)
    with pytest.raises(ShapeMismatch, match="labels"):
        discriminative_loss(torch.zeros(2, 1), torch.tensor([0]))
