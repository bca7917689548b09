"""GraphMeasures: a view that turns a connectome into the graph measures of its regions, one vector a subject."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from sklearn.base import BaseEstimator

from graphfuse.connectome.measures.communities import communities_of
from graphfuse.connectome.measures.regional import MEASURES, check_measures, needs_communities, regional_measures
from graphfuse.errors import NotFitted
from graphfuse.graph.graphs import Graphs
from graphfuse.graph.rows import Rows
from graphfuse.graph.subject import MAX_Z, FunctionalGraph
from graphfuse.signal import Signal


class GraphMeasures(BaseEstimator):
    """Graph measures of every region as one standardised vector a subject, (N, R K), regions first.

    The graph is that of `FunctionalGraph`. Each entry is standardised with the training subjects' mean and deviation;
    one that does not vary among them is 0 for all, and so is a region that is not usable: the training mean.

    Parameters
    ----------
    measures : sequence of str (K,)
        Keys of `MEASURES`.
    kind : str
        Of the connectome, as in `FunctionalGraph`; ignored for ready matrices.
    sparsify : TopDensity or callable or None
        Weights of 0 or above; None = ``TopDensity(0.1)``.
    networks : sequence of str (R,), or str, or None
        For ``modularity`` and ``participation``: the network of each region, or ``"louvain"`` or ``"greedy"`` for
        the communities of each subject. None = the networks of the atlas, ``"louvain"`` where it names fewer than 2.
    random_state : int
        Seed of the search for communities.

    Attributes
    ----------
    mean_, scale_ : Tensor (R, K) float64
        Mean and deviation over the training subjects [unit of the measure].
    networks_ : str or tuple of str
        What `networks` came to.
    """

    READS = ("timeseries", "connectivity")
    uses_y, scope = False, "training"

    def __init__(self, measures=tuple(MEASURES), kind="correlation", sparsify=None, networks=None, random_state=0):
        self.measures = measures
        self.kind = kind
        self.sparsify = sparsify
        self.networks = networks
        self.random_state = random_state

    def fit(self, signal: Signal) -> GraphMeasures:
        """Learn mean and deviation of each measure, and a tangent reference, from these subjects only."""
        self.fit_transform(signal)
        return self

    def fit_transform(self, signal: Signal) -> Rows:
        """Fit on these subjects and return their vectors; quicker than one after the other."""
        check_measures(self.measures)
        self.networks_ = _networks(self.networks, signal)
        self.builder_ = FunctionalGraph(self.kind, nodes="strength", sparsify=self.sparsify).fit(signal)
        graphs = self.builder_.transform(signal)
        values = self._values(graphs)
        self.mean_, self.scale_ = _moments(values, graphs.nodes[graphs.present])
        return self._rows(values, graphs)

    def transform(self, signal: Signal) -> Rows:
        """Vectors of these subjects, each from its own data alone; zeros for who lacks it."""
        if not hasattr(self, "builder_"):
            raise NotFitted("GraphMeasures has not been fitted; call fit on the training subjects first.")
        graphs = self.builder_.transform(signal)
        return self._rows(self._values(graphs), graphs)

    def _values(self, graphs: Graphs) -> torch.Tensor:
        """Measures of the subjects who were measured, (n, R, K)."""
        measures = check_measures(self.measures)
        weights, nodes = graphs.adjacency.to_dense()[graphs.present], graphs.nodes[graphs.present]
        if not len(weights):
            return torch.zeros(0, nodes.shape[1], len(measures), dtype=torch.float64)
        if not needs_communities(measures):
            return regional_measures(weights, measures, nodes)
        communities = communities_of(self.networks_, weights, nodes, self.random_state)
        return regional_measures(weights, measures, nodes, communities)

    def _rows(self, values: torch.Tensor, graphs: Graphs) -> Rows:
        known = graphs.nodes[graphs.present][..., None]
        z = torch.where(known, (values - self.mean_) / self.scale_, 0).clamp(-MAX_Z, MAX_Z)
        x = torch.zeros(len(graphs), self.mean_.numel())
        x[graphs.present] = z.flatten(1).float()
        return Rows(x, graphs.present)


def _networks(networks: str | Sequence[str] | None, signal: Signal) -> str | tuple[str, ...]:
    if networks is not None:
        return networks if isinstance(networks, str) else tuple(networks)
    named = () if signal.atlas is None else tuple(signal.atlas.network.tolist())
    return named if len(set(named) - {""}) > 1 else "louvain"


def _moments(values: torch.Tensor, nodes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and deviation (R, K) over the subjects who have the region; infinite where nothing varies."""
    known = nodes[..., None].double()
    count = known.sum(0).clamp(min=1)
    mean = (values * known).sum(0) / count
    deviation = ((values - mean).square() * known).sum(0).div(count).sqrt()
    return mean, torch.where(deviation > 1e-6 * mean.abs(), deviation, torch.inf)
