from __future__ import annotations

import numpy as np
import pytest
import torch

from graphfuse.connectome.measures.weights import as_weights
from graphfuse.errors import NegativeWeights, NonFinite, ShapeMismatch


def test_the_diagonal_and_what_stands_at_unusable_regions_never_pass():
    weights = torch.ones(1, 4, 4)
    weights[0, 2], weights[0, :, 2] = torch.nan, -7
    nodes = torch.tensor([[True, True, False, True]])
    got, mask = as_weights(weights, nodes)
    assert torch.equal(mask, nodes)
    wanted = torch.ones(4, 4).double().fill_diagonal_(0)
    wanted[2], wanted[:, 2] = 0, 0
    assert torch.equal(got[0], wanted)


def test_numpy_arrays_and_no_graphs_at_all_are_welcome():
    assert as_weights(np.ones((2, 3, 3)))[0].dtype == torch.float64
    assert as_weights(np.zeros((0, 3, 3)))[0].shape == (0, 3, 3)


@pytest.mark.parametrize(
    ("change", "error"),
    [(-1.0, NegativeWeights), (float("nan"), NonFinite), (float("inf"), NonFinite), (3.0, ShapeMismatch)],
)
def test_weights_that_no_measure_is_defined_for_are_refused(change, error):
    weights = torch.ones(2, 3, 3)
    weights[1, 0, 1] = change
    with pytest.raises(error):
        as_weights(weights)


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ShapeMismatch):
        as_weights(torch.ones(3, 3))
    with pytest.raises(ShapeMismatch):
        as_weights(torch.ones(2, 3, 4))
    with pytest.raises(ShapeMismatch):
        as_weights(torch.ones(2, 3, 3), torch.ones(2, 4, dtype=torch.bool))
