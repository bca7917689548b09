"""Products of embeddings: the appended one, and products that stay small enough."""

from __future__ import annotations

import pytest
import torch

from graphfuse.errors import InvalidOption, MemoryBudget, NonFinite
from graphfuse.fusion.product import append_one, check_product, check_size


def test_the_one_comes_last():
    assert append_one(torch.tensor([[2.0, 3.0]])).tolist() == [[2.0, 3.0, 1.0]]


def test_the_largest_product_of_any_subset_is_bounded():
    large, small = torch.tensor([[1.0], [-1e10]]), torch.tensor([[1e10], [1e-9]])
    check_product([large, small])
    check_product([large, small[:, :0]])
    with pytest.raises(NonFinite, match="1 of 2"):
        check_product([large, small, torch.tensor([[0.0], [1e6]])])  # 1e10 * 1e6, small left out


def test_the_size_is_the_product_of_the_widths():
    assert check_size([2, 3, 4], 24) == 24
    with pytest.raises(MemoryBudget, match="24 numbers; at most 23"):
        check_size([2, 3, 4], 23)
    with pytest.raises(InvalidOption, match="limit"):
        check_size([2, 3, 4], 0)
