"""SubjectGraph: the graph of a modality, whichever kind it is of."""

from __future__ import annotations

from sklearn.base import BaseEstimator

from graphfuse._check import check_option
from graphfuse.graph.graphs import Graphs
from graphfuse.graph.subject import FunctionalGraph, MorphometricGraph
from graphfuse.signal import Signal

BUILDERS = {"timeseries": FunctionalGraph, "connectivity": FunctionalGraph, "measures": MorphometricGraph}


class SubjectGraph(BaseEstimator):
    """`FunctionalGraph` of a time series or a matrix, `MorphometricGraph` of measures; what `fit` gets decides.

    Parameters
    ----------
    nodes : str or None
        Node features; None = the builder's own.
    sparsify : TopDensity or callable or None
    """

    READS = tuple(sorted(BUILDERS))
    uses_y, scope = False, "training"

    def __init__(self, nodes=None, sparsify=None):
        self.nodes = nodes
        self.sparsify = sparsify

    def fit(self, signal: Signal) -> SubjectGraph:
        """Fit the builder of this kind of signal on these subjects only."""
        builder = BUILDERS[check_option("the kind of signal", signal.kind, BUILDERS)]
        given = {} if self.nodes is None else {"nodes": self.nodes}
        self.builder_ = builder(sparsify=self.sparsify, **given).fit(signal)
        return self

    def transform(self, signal: Signal) -> Graphs:
        """Graphs of these subjects; each depends on nobody else's data."""
        return self.builder_.transform(signal)
