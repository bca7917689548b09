"""The jumping readout sums over levels."""

from __future__ import annotations

import pytest
import torch

from graphfuse.errors import InvalidOption
from graphfuse.nn.jumping import jumping_readout


def test_is_the_sum_of_rectified_max_and_mean():
    first, second = torch.randn(2, 5, 3), torch.randn(2, 2, 3)
    nodes = torch.tensor([[True, False], [True, True]])
    z = jumping_readout([(first, None), (second, nodes)])
    expected = torch.cat([first[0].amax(0), first[0].mean(0)]).relu() + torch.cat([second[0, 0]] * 2).relu()
    torch.testing.assert_close(z[0], expected)
    plain = jumping_readout([(first, None), (second, nodes)], torch.nn.Identity())
    both = torch.cat([first[0].amax(0) + second[0, 0], first[0].mean(0) + second[0, 0]])
    torch.testing.assert_close(plain[0], both)


def test_the_order_of_nodes_does_not_matter():
    x, order = torch.randn(2, 5, 3), torch.randperm(5)
    torch.testing.assert_close(jumping_readout([(x[:, order], None)]), jumping_readout([(x, None)]))


def test_no_level_is_refused():
    with pytest.raises(InvalidOption, match="one level"):
        jumping_readout([])
