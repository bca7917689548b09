"""Areas under the curve, and the weights they give."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.metrics import roc_auc_score

from graphfuse.fusion.output.auc import area_under_curve, auc


def panel(classes: int):
    rng = np.random.default_rng(0)
    y = rng.integers(0, classes, 60)
    logits = rng.normal(size=(60, 2, classes))
    logits[np.arange(60), 0, y] += 1
    p = np.round(torch.tensor(logits).softmax(-1).numpy(), 1)  # many ties
    present = rng.random((60, 2)) < 0.8
    return p, present, y


def test_areas_are_those_of_sklearn():
    p, present, y = panel(2)
    areas = area_under_curve(torch.tensor(p), torch.tensor(present), torch.tensor(y))
    for m in range(2):
        own = present[:, m]
        pair = [roc_auc_score(y[own] == c, p[own, m, c]) for c in range(2)]
        np.testing.assert_allclose(areas[m], np.mean(pair), rtol=1e-12)


def test_areas_of_three_classes_are_each_against_the_rest():
    p, present, y = panel(3)
    areas = area_under_curve(torch.tensor(p), torch.tensor(present), torch.tensor(y))
    for m in range(2):
        own = present[:, m]
        each = [roc_auc_score(y[own] == c, p[own, m, c]) for c in range(3)]
        np.testing.assert_allclose(areas[m], np.mean(each), rtol=1e-12)


def test_a_model_that_one_class_only_has_is_worth_a_coin():
    p, present, y = panel(2)
    present[:, 1] = y == 1
    assert area_under_curve(torch.tensor(p), torch.tensor(present), torch.tensor(y))[1] == 0.5
    present[:, 1] = False
    assert area_under_curve(torch.tensor(p), torch.tensor(present), torch.tensor(y))[1] == 0.5


def test_weights_are_what_an_area_has_above_chance():
    p = torch.tensor([[[0.9, 0.1], [0.2, 0.8], [0.5, 0.5]]])
    fused = auc(p, torch.ones(1, 3, dtype=torch.bool), area=(0.8, 0.6, 0.3))
    torch.testing.assert_close(fused[0, 0], torch.tensor((0.6 * 0.9 + 0.2 * 0.2) / 0.8))
    alone = auc(p, torch.tensor([[False, False, True]]), area=(0.8, 0.6, 0.3))
    assert torch.equal(alone, p[:, 2])
