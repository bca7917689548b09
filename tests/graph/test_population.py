from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from graphfuse.errors import InvalidOption, NonFinite, NotFitted, ShapeMismatch
from graphfuse.graph import nearest, population
from graphfuse.graph.population import PopulationGraph

AGE = 2.0


def people(n: int, seed: int = 0) -> tuple[torch.Tensor, pd.DataFrame]:
    rng = np.random.default_rng(seed)
    x = torch.as_tensor(rng.standard_normal((n, 7)), dtype=torch.float32)
    age = rng.integers(8, 20, n).astype(float)
    table = pd.DataFrame({"site": rng.choice(["a", "b", "c"], n), "sex": rng.choice([1.0, 2.0], n), "age": age})
    table.loc[[1, 4], "age"] = np.nan
    table.loc[2, "sex"] = np.nan
    table.loc[3, "site"] = None
    table.index = [f"s{i}" for i in range(n)]
    return x, table


def agreement(a: pd.Series, b: pd.Series) -> int:
    """How many of site, sex and age agree; a missing value agrees with nobody."""
    count = sum(int(pd.notna(a[h]) and pd.notna(b[h]) and a[h] == b[h]) for h in ("site", "sex"))
    return count + int(pd.notna(a["age"]) and pd.notna(b["age"]) and abs(a["age"] - b["age"]) < AGE)


def weights(x, table, new_x=None, new_table=None, phenotypes=True, similarity=True) -> np.ndarray:
    """The kernel of specs 0.1 in a plain loop: rows = new people (or the fitted ones), columns = fitted people."""
    fitted = x.double().numpy()
    rho = 1 - np.corrcoef(fitted)
    sigma = rho.mean()  # over all pairs, the zero diagonal included
    new = fitted if new_x is None else new_x.double().numpy()
    new_table = table if new_table is None else new_table
    result = np.zeros((len(new), len(fitted)))
    for i in range(len(new)):
        for j in range(len(fitted)):
            distance = 1 - np.corrcoef(new[i], fitted[j])[0, 1]
            result[i, j] = np.exp(-(distance**2) / (2 * sigma**2)) if similarity else 1.0
            result[i, j] *= agreement(new_table.iloc[i], table.iloc[j]) if phenotypes else 1
    return result


def strongest(weight: np.ndarray, k: int) -> np.ndarray:
    kept = np.zeros_like(weight)
    for i, row in enumerate(weight):
        chosen = np.argsort(-row, kind="stable")[:k]
        kept[i, chosen] = row[chosen]
    return kept


def graph(k=4, **options) -> PopulationGraph:
    return PopulationGraph(same=("site", "sex"), within={"age": AGE}, neighbours=k, **options)


def test_the_graph_is_the_kernel_of_the_specification_in_a_plain_loop():
    x, table = people(25)
    weight = weights(x, table)
    np.fill_diagonal(weight, 0)
    kept = strongest(weight, 4)
    wanted = np.maximum(kept, kept.T)
    got = graph().fit(x, table).adjacency().to_dense()[0]
    np.testing.assert_allclose(got, wanted, atol=1e-5)
    assert (wanted > 0).sum(1).max() > 4  # the symmetrisation shows


def test_similarity_alone_and_phenotypes_alone():
    x, table = people(20)
    alone = PopulationGraph(neighbours=30).fit(x, table).adjacency().to_dense()[0]
    weight = weights(x, table, phenotypes=False)
    np.fill_diagonal(weight, 0)
    np.testing.assert_allclose(alone, weight, atol=1e-5)
    counts = graph(k=30, similarity=False).fit(x, table).adjacency().to_dense()[0]
    weight = weights(x, table, similarity=False)
    np.fill_diagonal(weight, 0)
    np.testing.assert_allclose(counts, weight, atol=1e-6)
    assert counts.max() == 3


def test_a_missing_value_agrees_with_nobody_not_even_another_missing_one():
    x, table = people(20)
    table = table.assign(site=None, sex=np.nan, age=np.nan)
    assert graph().fit(x, table).adjacency().to_dense().sum() == 0


def test_new_people_listen_to_their_nearest_fitted_ones_and_nobody_hears_them():
    x, table = people(25)
    new_x, new_table = people(9, seed=1)
    fitted = graph().fit(x, table)
    before = fitted.adjacency()
    attached = fitted.attach(new_x, new_table)
    dense = attached.to_dense()[0]
    assert torch.equal(dense[:25, :25], before.to_dense()[0])
    assert torch.equal(attached.degree()[0, :25], before.degree()[0])
    assert dense[:, 25:].abs().sum() == 0
    wanted = strongest(weights(x, table, new_x, new_table), 4)
    np.testing.assert_allclose(dense[25:, :25], wanted, atol=1e-5)


def test_attaching_one_at_a_time_gives_the_same_rows():
    x, table = people(25)
    new_x, new_table = people(9, seed=1)
    fitted = graph().fit(x, table)
    together = fitted.attach(new_x, new_table).to_dense()[0, 25:, :25]
    for i in range(9):
        alone = fitted.attach(new_x[[i]], new_table.iloc[[i]]).to_dense()[0, 25:, :25]
        torch.testing.assert_close(alone[0], together[i], atol=1e-6, rtol=0)


def test_a_site_that_nobody_fitted_has_agrees_with_nobody():
    x, table = people(25)
    new_x, new_table = people(5, seed=1)
    only = PopulationGraph(same=("site",), neighbours=4).fit(x, table)
    elsewhere = only.attach(new_x, new_table.assign(site="zzz")).to_dense()[0, 25:]
    assert elsewhere.abs().sum() == 0


def test_a_code_is_the_same_category_whole_or_with_a_point():
    x, table = people(25)
    table = table.assign(sex=table["sex"].fillna(1).astype(int))
    fitted = PopulationGraph(same=("sex",), neighbours=4).fit(x, table)
    as_int = fitted.attach(x, table).to_dense()
    as_float = fitted.attach(x, table.assign(sex=table["sex"].astype(float))).to_dense()
    assert torch.equal(as_int, as_float)
    assert as_int[0, 25:].sum() > 0


def test_chunks_change_nothing(monkeypatch):
    x, table = people(25)
    new_x, new_table = people(9, seed=1)
    fitted = graph().fit(x, table)
    whole = fitted.adjacency().to_dense(), fitted.attach(new_x, new_table).to_dense()
    monkeypatch.setattr(population, "CHUNK", 4)
    torch.testing.assert_close(fitted.adjacency().to_dense(), whole[0], atol=1e-6, rtol=0)
    torch.testing.assert_close(fitted.attach(new_x, new_table).to_dense(), whole[1], atol=1e-6, rtol=0)


def test_people_without_variation_and_more_neighbours_than_people():
    x, table = people(6)
    x[2] = 1.0
    dense = graph(k=50).fit(x, table).adjacency().to_dense()
    assert torch.isfinite(dense).all()
    assert dense.diagonal(dim1=1, dim2=2).sum() == 0


def test_an_unknown_phenotype_or_no_neighbour_is_refused():
    x, table = people(6)
    with pytest.raises(InvalidOption, match="age_at_scan"):
        PopulationGraph(within={"age_at_scan": 2.0}).fit(x, table)
    with pytest.raises(InvalidOption, match="sexe"):
        PopulationGraph(same=("sexe",)).fit(x, table)
    with pytest.raises(InvalidOption, match="neighbours"):
        PopulationGraph(neighbours=0).fit(x, table)


def test_features_and_phenotypes_must_fit_together():
    x, table = people(6)
    with pytest.raises(ShapeMismatch, match="features"):
        graph().fit(x[:5], table)
    with pytest.raises(ShapeMismatch, match="features"):
        graph().fit(x, table).attach(x[:, :3], table)
    with pytest.raises(NonFinite, match="features"):
        graph().fit(torch.full_like(x, torch.nan), table)
    with pytest.raises(InvalidOption, match="holds text"):
        PopulationGraph(within={"site": 1.0}).fit(x, table)
    with pytest.raises(NotFitted):
        graph().attach(x, table)


class Largest(TorchDispatchMode):
    """Keeps the size of the largest tensor that any operation returns."""

    numbers = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, (tuple, list)) else [result]:
            if isinstance(tensor, torch.Tensor) and tensor.layout == torch.strided:
                self.numbers = max(self.numbers, tensor.numel())
        return result


@pytest.mark.parametrize("similarity", [True, False])
def test_no_matrix_of_all_by_all_is_ever_made(monkeypatch, similarity):
    x, table = people(400)
    monkeypatch.setattr(population, "CHUNK", 50)
    with Largest() as largest:
        fitted = graph(k=3, similarity=similarity).fit(x, table)
        attached = fitted.attach(x, table)
    assert attached.layout == "sparse"
    assert largest.numbers < 400 * 400 / 8


def test_the_approximate_search_gives_the_exact_graph_where_candidates_hold_it(monkeypatch):
    x, table = people(200)
    everybody = torch.arange(200, dtype=torch.int32).expand(200, 200).contiguous()
    asked = []
    monkeypatch.setattr(nearest, "_candidates", lambda _, count, seed: asked.append((count, seed)) or everybody)
    wanted = graph().fit(x, table).adjacency()
    got = graph(search="approximate", candidates=3, random_state=7).fit(x, table).adjacency()
    torch.testing.assert_close(got.to_dense(), wanted.to_dense(), atol=1e-6, rtol=0)
    assert asked == [(13, 7)]


def test_a_search_without_a_name_or_candidates_is_refused():
    x, table = people(6)
    with pytest.raises(InvalidOption, match="approximate, exact"):
        graph(search="brute").fit(x, table)
    with pytest.raises(InvalidOption, match="candidates"):
        graph(candidates=0).fit(x, table)


def test_the_graph_at_hand_is_not_found_again(monkeypatch):
    x, table = people(25)
    fitted = graph().fit(x, table)
    at_hand = fitted.adjacency()
    wanted = fitted.attach(x[:3], table[:3]).to_dense()
    monkeypatch.setattr(PopulationGraph, "adjacency", None)
    assert torch.equal(fitted.attach(x[:3], table[:3], at_hand).to_dense(), wanted)


@pytest.mark.parametrize("search", ["exact", "approximate"])
@pytest.mark.parametrize("similarity", [True, False])
def test_one_person_alone_has_no_neighbours_and_can_be_heard(search, similarity):
    x, table = people(6)
    alone = graph(search=search, similarity=similarity).fit(x[:1], table[:1])
    assert alone.adjacency().to_dense().tolist() == [[[0.0]]]
    heard = alone.attach(x[:1], table[:1]).to_dense()[0]
    np.testing.assert_allclose(heard, [[0, 0], [3, 0]], atol=1e-6)


def test_nobody_at_all_is_refused_and_nobody_new_is_allowed():
    x, table = people(6)
    with pytest.raises(InvalidOption, match="people"):
        graph().fit(x[:0], table[:0])
    fitted = graph().fit(x, table)
    assert torch.equal(fitted.attach(x[:0], table[:0]).to_dense(), fitted.adjacency().to_dense())


def test_people_who_are_all_alike_are_joined_by_position():
    x, table = people(6)
    alike = PopulationGraph(neighbours=1).fit(x[:1].expand(6, -1), table).adjacency().to_dense()[0]
    wanted = torch.zeros(6, 6)
    wanted[0, 1:] = wanted[1:, 0] = 1  # each takes the first, who takes the second
    torch.testing.assert_close(alike, wanted, atol=1e-6, rtol=0)


def test_double_precision_gives_single_precision_weights():
    x, table = people(25)
    wanted = graph().fit(x, table).adjacency()
    got = graph().fit(x.double(), table).adjacency()
    assert got.weight.dtype == torch.float32
    torch.testing.assert_close(got.to_dense(), wanted.to_dense(), atol=1e-5, rtol=0)
