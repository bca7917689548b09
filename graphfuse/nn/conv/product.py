"""A linear layer of what neighbours send, with the product over edges at the smaller of the two widths."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import linear

from graphfuse.kernels import Adjacency


def linear_of_product(lin: nn.Linear, operator: Adjacency, x: Tensor) -> Tensor:
    """Return ``A X W^T + b``, (G, R, out), of x (G, R, in): ``(A X) W^T`` where W widens, else ``A (X W^T)``."""
    if lin.in_features < lin.out_features:
        return lin(operator @ x)
    y = operator @ linear(x, lin.weight)
    return y if lin.bias is None else y + lin.bias
