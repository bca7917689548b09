from __future__ import annotations

import numpy as np
import pytest
import torch

from graphfuse.errors import InvalidOption
from graphfuse.graph.sparsify import TopDensity
from graphfuse.graph.subject import FunctionalGraph, MorphometricGraph
from graphfuse.graph.subject_graph import SubjectGraph
from graphfuse.signal import Signal

RNG = np.random.default_rng(0)
SERIES = Signal.pack("timeseries", [RNG.normal(size=(40, 5)) for _ in range(6)])
MEASURES = Signal.pack("measures", [RNG.normal(size=(5, 3)) for _ in range(6)], columns=("a", "b", "c"))


@pytest.mark.parametrize(("signal", "builder"), [(SERIES, FunctionalGraph), (MEASURES, MorphometricGraph)])
def test_the_kind_of_signal_decides(signal, builder):
    ours = SubjectGraph(sparsify=TopDensity(0.4)).fit(signal).transform(signal)
    theirs = builder(sparsify=TopDensity(0.4)).fit(signal).transform(signal)
    assert torch.equal(ours.x, theirs.x)
    assert torch.equal(ours.adjacency.to_dense(), theirs.adjacency.to_dense())


def test_node_features_can_be_chosen():
    assert SubjectGraph("strength").fit(SERIES).transform(SERIES).x.shape == (6, 5, 1)


def test_a_vector_has_no_graph():
    with pytest.raises(InvalidOption, match="kind of signal"):
        SubjectGraph().fit(Signal.pack("vector", [np.zeros(3)]))
