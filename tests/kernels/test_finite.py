from __future__ import annotations

import pytest
import torch

from graphfuse.errors import NonFinite
from graphfuse.kernels.finite import check_finite


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf"), -1e16])
def test_what_is_not_finite_or_too_large_is_counted(bad):
    x = torch.ones(3, 2)
    x[1, 1] = bad
    with pytest.raises(NonFinite, match=r"weights must be finite.*1 of 6 numbers.*Mask"):
        check_finite("weights", x, 1e15)


def test_what_is_finite_comes_back_itself():
    for x in (torch.full((3,), -3.4e38), torch.tensor([1, 2]), torch.zeros(0, 4), torch.ones(2, requires_grad=True)):
        assert check_finite("x", x) is x


def test_infinities_that_would_cancel_are_found():
    with pytest.raises(NonFinite, match="2 of 2"):
        check_finite("x", torch.tensor([float("inf"), -float("inf")]))
