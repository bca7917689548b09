from __future__ import annotations

import numpy as np
import torch

from graphfuse.nn.windows import by_subject, window_mean

OFFSETS = np.array([0, 2, 3, 6])


def test_windows_become_a_sequence_a_subject():
    z = torch.arange(12.0).view(6, 2)
    sequence, present = by_subject(z, OFFSETS)
    assert sequence.shape == (3, 3, 2)
    assert present.tolist() == [[True, True, False], [True, False, False], [True, True, True]]
    assert torch.equal(sequence[2], z[3:])
    assert not sequence[~present].any()


def test_one_graph_a_subject_is_one_window():
    sequence, present = by_subject(torch.ones(4, 5), None)
    assert sequence.shape == (4, 1, 5)
    assert present.all()


def test_the_mean_counts_the_windows_that_there_are():
    z = torch.randn(6, 4, 2, requires_grad=True)
    mean = window_mean(z, OFFSETS)
    torch.testing.assert_close(mean, torch.stack([z[:2].mean(0), z[2], z[3:].mean(0)]))
    mean.sum().backward()
    assert (z.grad != 0).all()
