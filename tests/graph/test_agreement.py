from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from graphfuse.errors import InvalidOption
from graphfuse.graph.agreement import Agreement, codes, levels, traits
from graphfuse.kernels.codes import agreement

WITHIN = {"age": 2.0}


@pytest.fixture
def table() -> pd.DataFrame:
    return pd.DataFrame(
        {"site": ["b", "a", None, "b", "a"], "sex": [1, 2, 1, 1, 1], "age": [8.0, 9.5, np.nan, np.inf, 10.0]}
    )


def packed(table, known):
    return codes(traits(table, known, WITHIN), known, WITHIN, len(table))


def test_a_table_becomes_codes_whose_agreement_is_that_of_its_cells(table):
    known = levels(table, ("site", "sex"))
    count = agreement(packed(table, known), packed(table, known))
    assert count.tolist() == [
        [3, 1, 1, 2, 1],  # 8.0 and 10.0 are two years apart, which is not less than two
        [1, 3, 0, 0, 2],
        [1, 0, 1, 1, 1],  # neither a site nor an age: only the sex agrees, with himself too
        [2, 0, 1, 2, 1],
        [1, 2, 1, 1, 3],
    ]


def test_levels_are_numbered_by_their_text(table):
    assert levels(table, ("site", "sex")) == {"site": {"a": 0.0, "b": 1.0}, "sex": {"1.0": 0.0, "2.0": 1.0}}


def test_missing_infinite_and_unknown_values_have_no_number(table):
    known = {"site": {"a": 0.0}}
    numbers = traits(table, known, WITHIN)
    np.testing.assert_array_equal(numbers["site"], [np.nan, 0, np.nan, np.nan, 0])
    np.testing.assert_array_equal(numbers["age"], np.array([8, 9.5, np.nan, np.nan, 10], np.float32))
    assert packed(table, known).categories.tolist() == [[-1, 0, -1, -1, 0]]


def test_no_phenotype_at_all_is_allowed(table):
    nothing = codes({}, {}, {}, 5)
    assert nothing.people == 5
    assert torch.equal(agreement(nothing, nothing), torch.ones(5, 5))


def test_a_category_that_is_also_named_with_a_width_is_compared_once(table):
    known = levels(table, ("age",))
    assert packed(table, known).highest == 1


def test_an_absent_column_or_text_for_a_quantity_is_refused(table):
    with pytest.raises(InvalidOption, match="height"):
        levels(table, ("height",))
    with pytest.raises(InvalidOption, match="holds text"):
        traits(table, {}, {"site": 1.0})


def test_agreement_counts_the_phenotypes_on_which_two_people_agree():
    table = pd.DataFrame({"sex": ["F", "F", None, "M"], "age": [20.0, 21.5, 20.0, float("nan")]})
    agreement = Agreement(("sex",), {"age": 2.0}).fit(table)
    expected = torch.tensor([[0, 2, 1, 0], [2, 0, 1, 0], [1, 1, 0, 0], [0, 0, 0, 0]]).float()
    assert torch.equal(agreement.matrix(), expected)
    assert agreement.phenotypes_read == ("sex", "age")


def test_nobody_agrees_with_somebody_new_who_agrees_with_the_fitted():
    table = pd.DataFrame({"sex": ["F", "M"], "age": [20.0, 30.0]})
    whole = Agreement(("sex",), {"age": 2.0}).fit(table).attached(pd.DataFrame({"sex": ["M", "X"], "age": [20.5, 30]}))
    assert whole[:, 2:].sum() == 0
    assert whole[2:, :2].tolist() == [[1, 1], [0, 1]]


def test_a_threshold_is_above_zero():
    with pytest.raises(InvalidOption, match="within"):
        Agreement((), {"age": 0.0}).fit(pd.DataFrame({"age": [1.0]}))


def test_without_phenotypes_everybody_agrees_once():
    agreement = Agreement().fit(pd.DataFrame(index=range(3)))
    assert torch.equal(agreement.matrix(), 1 - torch.eye(3))
    assert agreement.attached(pd.DataFrame(index=range(1)))[3].tolist() == [1, 1, 1, 0]
