from __future__ import annotations

import pytest
import torch

from graphfuse.connectome.measures.communities import louvain
from graphfuse.connectome.measures.regional import (
    COMMUNITY_MEASURES,
    EDGE_MEASURES,
    MEASURES,
    needs_communities,
    regional_measures,
)
from graphfuse.errors import InvalidOption


def test_every_measure_stands_in_its_column(weights, nodes):
    codes = louvain(weights, nodes)
    values = regional_measures(weights, nodes=nodes, communities=codes)
    assert values.shape == (6, 12, len(MEASURES))
    for column, (name, measure) in enumerate(MEASURES.items()):
        own = (weights, codes, nodes) if name in COMMUNITY_MEASURES else (weights, nodes)
        assert torch.equal(values[..., column], measure(*own))


def test_without_communities_those_of_louvain_are_taken(weights):
    got = regional_measures(weights, ["participation"])
    assert torch.equal(got, regional_measures(weights, ["participation"], communities=louvain(weights)))


def test_only_measures_of_communities_ask_for_them():
    assert [name for name in MEASURES if needs_communities([name])] == ["modularity", "participation"]


def test_chunks_give_what_one_graph_alone_gives(weights):
    many = weights.repeat(8, 1, 1)  # more than a chunk
    names = tuple(EDGE_MEASURES)
    alone = torch.cat([regional_measures(one[None], names) for one in weights])
    assert torch.equal(regional_measures(many, names), alone.repeat(8, 1, 1))


def test_unusable_regions_are_zero_and_all_numbers_finite(weights, nodes):
    values = regional_measures(weights, nodes=nodes)
    assert values.isfinite().all()
    assert not values[~nodes].any()


@pytest.mark.parametrize("names", [[], ["degree", "degree"], ["hubness"]])
def test_names_that_are_unknown_double_or_none_are_refused(names, weights):
    with pytest.raises(InvalidOption, match="measures"):
        regional_measures(weights, names)
