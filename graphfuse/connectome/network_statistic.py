"""The network-based statistic: which connected set of edges differs between groups, with its error rate controlled."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from graphfuse._check import check_option, check_range, check_shape
from graphfuse._progress import progress
from graphfuse.connectome.components import component_sizes, edge_components
from graphfuse.connectome.edge_statistics import EdgeModel, edge_model
from graphfuse.connectome.exchange import permuted_orders
from graphfuse.connectome.vectorise import from_upper_triangle, upper_triangle
from graphfuse.errors import UnusableRegion
from graphfuse.kernels.finite import LIMIT

AT_ONCE = 2**21  # numbers that one batch of permutations writes
ROUNDING = 1e-9  # a permutation that gives the true component again must count, whatever the last bits

# What of a t statistic must reach the threshold, and what an edge adds to the size of its component.
TAILS = {"both": np.abs, "greater": lambda t: t, "less": lambda t: -t}
SIZES = {"extent": np.ones_like, "intensity": lambda excess: excess}


@dataclass(frozen=True, eq=False, repr=False)
class NetworkStatistic:
    """What `network_based_statistic` found.

    Parameters
    ----------
    components : DataFrame
        component (1 = the largest), edges, regions (how many), size, p (corrected for all edges of the connectome).
    edges : DataFrame
        component, region_a, region_b, t: the edges of all components, by component, then by |t|.
    t : array (R, R)
        The t statistic of every edge; 0 on the diagonal.
    null : array (m,)
        Size of the largest component in each permutation.
    threshold : float
        Of t.
    """

    components: pd.DataFrame
    edges: pd.DataFrame
    t: np.ndarray
    null: np.ndarray
    threshold: float

    @property
    def p(self) -> float:
        """The p value of the largest component; 1 when no edge reaches the threshold."""
        return float(self.components["p"].min()) if len(self.components) else 1.0

    def __repr__(self) -> str:
        n = len(self.components)
        return f"{n} component{'' if n == 1 else 's'} of edges beyond t = {self.threshold:g}; smallest p = {self.p:.3g}"


def network_based_statistic(
    matrices: Tensor | np.ndarray,
    x,
    threshold: float = 3.0,
    *,
    covariates=None,
    within: Sequence | np.ndarray | None = None,
    groups: Sequence | np.ndarray | None = None,
    usable: Tensor | np.ndarray | None = None,
    tail: str = "both",
    size: str = "extent",
    permutations: int = 1000,
    regions: Sequence[str] | None = None,
    random_state: int = 0,
) -> NetworkStatistic:
    """Find the connected sets of edges that x goes with, and how rarely chance gives any set as large.

    Every edge gets a t statistic (`edge_t`). The edges beyond the threshold form components; the size of a component is
    compared with that of the largest one in each of m permutations: ``p = (b + 1) / (m + 1)``, where b of them are as
    large. So, if x goes with no edge, the chance that any component has p <= 0.05 is at most 0.05 (nearly so with
    covariates, whose residuals are exchangeable in large samples only). A small p says that the component differs, not
    that each of its edges does.

    A test on all subjects, for description. Its edges were chosen by the labels of everybody: never give them to a
    classifier that is then scored on the same people. `NetworkEdges` chooses anew in the training set of a fold.

    Parameters
    ----------
    matrices : array (N, R, R)
        Symmetric connectomes, Fisher z where they are correlations; the upper triangle is read.
    x : sequence (N,)
        What is tested: the labels of two groups (the second in sorted order minus the first), or numbers, whose trend
        is tested. Codes 0, 1, 2 are numbers.
    threshold : float
        Smallest t of an edge that counts, above 0. It changes what is found, never the error rate.
    covariates : DataFrame or array (N, q), or None
        What is held constant, such as site, age, sex and motion; text columns of a DataFrame become indicators.
    within : sequence (N,) or None
        Subjects swap places within these blocks only, such as sites. Give the site as a covariate too.
    groups : sequence (N,) or None
        Families or persons, which swap as a whole.
    usable : array (N, R) bool or None
        Usable regions. The edge of one that is not takes the mean of those who have it, which adds to no effect.
    tail : str
        ``"both"``, ``"greater"`` (x raises the edge) or ``"less"``, a key of `TAILS`.
    size : str
        ``"extent"``: the number of edges. ``"intensity"``: the sum of what they exceed the threshold by.
    permutations : int
        m; the smallest p is ``1 / (m + 1)``.
    regions : sequence of str (R,) or None
        Names, for example ``atlas.names``; None = ``region 0`` ...
    random_state : int
        Seed of the permutations.

    Returns
    -------
    NetworkStatistic

    Raises
    ------
    UnusableRegion
        An edge that nobody has.
    InvalidOption, NonFinite, ShapeMismatch

    References
    ----------
    Zalesky, Fornito and Bullmore (2010), Network-based statistic: identifying differences in brain networks,
    NeuroImage 53; the permutations of Freedman and Lane: Winkler et al. (2014), NeuroImage 92; the p value: Phipson and
    Smyth (2010), Stat Appl Genet Mol Biol 9.
    """
    check_range("permutations", permutations, 1)
    rule = _Rule(threshold, tail, size)
    values, names = _edges(matrices, usable), _names(regions, np.shape(matrices)[-1])
    model = edge_model(values, x, covariates)
    orders = permuted_orders(len(values), permutations, within, groups, random_state)
    t = model.t()[0]
    null = np.array([rule.sizes(row, len(names)).max(initial=0) for row in _permuted(model, orders, permutations)])
    components, edges = _tables(t, rule, null, names)
    return NetworkStatistic(components, edges, _square(t, len(names)), null, threshold)


@dataclass(frozen=True)
class _Rule:
    """Which edges count, and what each adds to the size of its component."""

    threshold: float
    tail: str
    size: str

    def __post_init__(self):
        check_range("threshold", self.threshold, 0, LIMIT, open_low=True)
        check_option("tail", self.tail, TAILS)
        check_option("size", self.size, SIZES)

    def chosen(self, t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Places of the edges that reach the threshold, and what each adds."""
        excess = TAILS[self.tail](t) - self.threshold
        places = np.flatnonzero(excess >= 0)
        return places, SIZES[self.size](excess[places])

    def sizes(self, t: np.ndarray, n_regions: int) -> np.ndarray:
        """Size of each component of the t statistics (E,)."""
        places, weight = self.chosen(t)
        row, column = np.triu_indices(n_regions, 1)
        return component_sizes(row[places], column[places], n_regions, weight)


def _permuted(model: EdgeModel, orders: Iterator[np.ndarray], total: int) -> Iterator[np.ndarray]:
    """t statistics (E,) of one order after another, several orders a matrix product."""
    at_once = max(1, AT_ONCE // (model.design.shape[1] * max(1, model.residuals.shape[1])))
    bar = progress(orders, "Permuting", total)
    while batch := list(islice(bar, at_once)):
        yield from model.t(np.stack(batch))


def _edges(matrices, usable) -> np.ndarray:
    """The upper triangles (N, E) float64; an edge that a subject lacks has the mean of those who have it."""
    matrices = check_shape("matrices", torch.as_tensor(matrices), (None, None, None))
    if usable is None:
        return upper_triangle(matrices.double()).numpy()
    usable = check_shape("usable", torch.as_tensor(usable).bool(), tuple(matrices.shape[:2]))
    both = usable[:, :, None] & usable[:, None, :]
    known = upper_triangle(both.double()).numpy() > 0
    values = upper_triangle(torch.where(both, matrices.double(), 0)).numpy()
    count = known.sum(0)
    if not count.all():
        raise UnusableRegion(
            f"{(count == 0).sum()} edges join regions that nobody has both of. Leave these regions out."
        )
    return np.where(known, values, values.sum(0) / count)


def _names(regions: Sequence[str] | None, n_regions: int) -> np.ndarray:
    names = [f"region {r}" for r in range(n_regions)] if regions is None else list(regions)
    return check_shape("regions", np.array(names, dtype=object), (n_regions,))


def _tables(t: np.ndarray, rule: _Rule, null: np.ndarray, names: np.ndarray) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The tables of the components and of their edges, the largest component first."""
    places, weight = rule.chosen(t)
    row, column = (ends[places] for ends in np.triu_indices(len(names), 1))
    code = edge_components(row, column, len(names))
    size = np.bincount(code, weights=weight)
    rank = np.empty(len(size), int)
    rank[np.argsort(-size, kind="stable")] = np.arange(1, len(size) + 1)
    edges = pd.DataFrame({"component": rank[code], "region_a": names[row], "region_b": names[column], "t": t[places]})
    components = pd.DataFrame(
        [
            (k, int((code == c).sum()), len(np.union1d(row[code == c], column[code == c])), size[c])
            for k, c in enumerate(np.argsort(rank), start=1)
        ],
        columns=["component", "edges", "regions", "size"],
    )
    reached = (null >= components["size"].to_numpy(float)[:, None] * (1 - ROUNDING)).sum(1)
    components["p"] = (reached + 1) / (len(null) + 1)
    strongest = edges["t"].abs().sort_values(ascending=False, kind="stable").index
    return components, edges.loc[strongest].sort_values("component", kind="stable", ignore_index=True)


def _square(t: np.ndarray, n_regions: int) -> np.ndarray:
    return from_upper_triangle(torch.from_numpy(t)[None], n_regions)[0].numpy()
