from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
from scipy.stats import binom, ttest_ind

from graphfuse.connectome.exchange import permuted_orders
from graphfuse.connectome.network_statistic import network_based_statistic
from graphfuse.errors import InvalidOption, NonFinite, ShapeMismatch, UnusableRegion

ROW, COLUMN = np.triu_indices(12, 1)
PLANTED = [(0, 1), (1, 2), (2, 3), (3, 0), (0, 2)]


def people(seed: int, n: int = 30, effect: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Connectomes of noise; in the second of two groups the planted edges are stronger."""
    noise = np.random.default_rng(seed).normal(size=(n, 12, 12))
    codes = np.arange(n) % 2
    for a, b in PLANTED:
        noise[:, min(a, b), max(a, b)] += effect * codes
    upper = np.triu(noise, 1)
    return upper + upper.transpose(0, 2, 1), codes


def test_a_planted_component_is_found_with_its_edges_and_regions():
    matrices, codes = people(0, effect=2.5)
    found = network_based_statistic(matrices, codes, 3.0, permutations=199, regions=[f"r{i}" for i in range(12)])
    first = found.components.iloc[0]
    assert (first["component"], first["p"]) == (1, 1 / 200)
    edges = found.edges[found.edges["component"] == 1]
    pairs = {tuple(sorted(pair)) for pair in edges[["region_a", "region_b"]].itertuples(index=False)}
    assert {tuple(sorted((f"r{a}", f"r{b}"))) for a, b in PLANTED} <= pairs
    assert edges["t"].head(5).gt(3).all()
    assert found.p == 1 / 200
    assert "smallest p = 0.005" in repr(found)


@pytest.mark.parametrize("size", ["extent", "intensity"])
def test_t_values_and_components_equal_a_loop_over_edges_and_networkx(size):
    matrices, codes = people(1, effect=2.0)
    for a, b in ((6, 7), (7, 8)):  # a second component, of weaker edges
        matrices[:, [a, b], [b, a]] -= 3.0 * codes[:, None]
    found = network_based_statistic(matrices, codes, 3.5, size=size, permutations=9)
    graph = nx.Graph()
    for a, b in zip(ROW, COLUMN, strict=True):
        t = ttest_ind(matrices[codes == 1, a, b], matrices[codes == 0, a, b]).statistic
        assert found.t[a, b] == pytest.approx(t)
        assert found.t[b, a] == found.t[a, b]
        if abs(t) >= 3.5:
            graph.add_edge(a, b, extent=1, intensity=abs(t) - 3.5)
    parts = [graph.subgraph(members) for members in nx.connected_components(graph)]
    wanted = sorted((part.size(weight=size), part.number_of_edges(), len(part)) for part in parts)[::-1]
    got = found.components[["size", "edges", "regions"]].to_numpy()
    np.testing.assert_allclose(got, wanted)
    assert len(wanted) > 1
    assert found.components["component"].tolist() == list(range(1, len(wanted) + 1))
    assert found.edges.groupby("component").size().tolist() == found.components["edges"].tolist()


def test_the_null_and_p_equal_a_loop_over_permutations():
    matrices, codes = people(2, effect=0.8)
    found = network_based_statistic(matrices, codes, 1.8, permutations=40, random_state=4)
    null = []
    for order in permuted_orders(30, 40, random_state=4):
        shuffled = codes[order]
        t = ttest_ind(matrices[shuffled == 1], matrices[shuffled == 0]).statistic
        graph = nx.Graph([(a, b) for a, b in zip(ROW, COLUMN, strict=True) if abs(t[a, b]) >= 1.8])
        null.append(max((graph.subgraph(m).number_of_edges() for m in nx.connected_components(graph)), default=0))
    assert found.null.tolist() == null
    wanted = [(sum(size >= s for size in null) + 1) / 41 for s in found.components["size"]]
    assert found.components["p"].tolist() == pytest.approx(wanted)


@pytest.mark.parametrize("size", ["extent", "intensity"])
def test_where_there_is_no_effect_five_in_a_hundred_are_significant_at_most(size):
    cohorts = 60
    false = 0
    for seed in range(cohorts):
        matrices, codes = people(seed, n=16)
        false += network_based_statistic(matrices, codes, 2.0, size=size, permutations=39, random_state=seed).p <= 0.05
    assert false <= binom.ppf(0.999, cohorts, 0.05)


def test_a_confound_that_drives_edges_and_groups_is_no_finding_once_it_is_held_constant():
    rng = np.random.default_rng(0)
    age = rng.normal(size=60)
    patients = (age + 0.5 * rng.normal(size=60)) > 0
    matrices = people(0, n=60)[0]
    matrices[:, :5, :5] += age[:, None, None]
    blind = network_based_statistic(matrices, patients, 2.5, permutations=99)
    held = network_based_statistic(matrices, patients, 2.5, covariates=age[:, None], permutations=99)
    assert blind.p == 0.01
    assert held.p > 0.05


def test_blocks_keep_a_difference_between_sites_from_being_a_finding():
    site = np.repeat([0, 1], 30)
    patients = (np.arange(60) % 5 < np.where(site, 4, 1)).astype(int)  # a fifth of one site, four fifths of the other
    matrices = people(3, n=60)[0] + 2 * site[:, None, None]
    free = network_based_statistic(matrices, patients, 3.0, permutations=99)
    blocked = network_based_statistic(matrices, patients, 3.0, within=site, permutations=99)
    assert free.p == 0.01
    assert blocked.p > 0.05


def test_tails_see_the_direction_of_the_effect():
    matrices, codes = people(0, effect=2.5)
    up, down = (
        network_based_statistic(matrices, codes, 3.0, tail=tail, permutations=19) for tail in ("greater", "less")
    )
    assert up.edges["t"].ge(3).all()
    assert len(up.edges) >= 5
    assert down.edges["t"].le(-3).all()
    swapped = network_based_statistic(matrices, 1 - codes, 3.0, tail="less", permutations=19)
    assert swapped.components["edges"].tolist() == up.components["edges"].tolist()


def test_an_unusable_region_counts_as_the_mean_of_those_who_have_it():
    matrices, codes = people(5)
    usable = np.ones((30, 12), bool)
    usable[:4, 3] = False
    filled = matrices.copy()
    for r in range(12):
        if r != 3:
            filled[:4, 3, r] = filled[:4, r, 3] = matrices[4:, 3, r].mean()
    matrices[:4, 3], matrices[:4, :, 3] = np.nan, np.nan
    got = network_based_statistic(matrices, codes, 1.5, usable=usable, permutations=9)
    np.testing.assert_allclose(got.t, network_based_statistic(filled, codes, 1.5, permutations=9).t, atol=1e-10)


def test_without_an_edge_beyond_the_threshold_there_is_nothing_and_p_is_one():
    found = network_based_statistic(*people(0), 50.0, permutations=9)
    assert found.p == 1
    assert list(found.components) == ["component", "edges", "regions", "size", "p"]
    assert list(found.edges) == ["component", "region_a", "region_b", "t"]
    assert len(found.components) == len(found.edges) == 0


def test_the_same_seed_gives_the_same_tables():
    a, b = (network_based_statistic(*people(0), 1.5, permutations=29, random_state=7) for _ in range(2))
    assert a.components.equals(b.components)
    assert np.array_equal(a.null, b.null)


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        ({"threshold": 0.0}, InvalidOption, "threshold"),
        ({"tail": "left"}, InvalidOption, "tail"),
        ({"size": "mass"}, InvalidOption, "size"),
        ({"permutations": 0}, InvalidOption, "permutations"),
        ({"regions": ["a"]}, ShapeMismatch, "regions"),
        ({"usable": np.zeros((30, 12), bool)}, UnusableRegion, "nobody"),
        ({"matrices": np.full((30, 12, 12), np.nan)}, NonFinite, "finite"),
        ({"matrices": np.zeros((30, 12))}, ShapeMismatch, "matrices"),
    ],
)
def test_what_cannot_be_tested_is_refused_by_name(change, error, said):
    matrices, codes = people(0)
    with pytest.raises(error, match=said):
        network_based_statistic(**({"matrices": matrices, "x": codes} | change))
