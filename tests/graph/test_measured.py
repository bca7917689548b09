"""Features of people by modality come in checked, missing ones as zeros."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from graphfuse.errors import MemoryBudget, MissingModality, NonFinite, ShapeMismatch
from graphfuse.graph.measured import distances, measured


def people(n=6):
    rng = np.random.default_rng(0)
    return {"smri": rng.standard_normal((n, 3)), "fmri": rng.standard_normal((n, 5)).astype(np.float32)}


def test_rows_of_nan_are_missing_and_come_as_zeros():
    features = people()
    features["smri"][2] = np.nan
    rows, has = measured(features)
    assert list(rows) == ["fmri", "smri"]
    assert has["smri"].tolist() == [True, True, False, True, True, True]
    assert not rows["smri"][2].any()
    assert rows["fmri"].dtype == torch.float64


def test_what_present_says_goes_before_what_the_rows_hold():
    features = people()
    present = {"fmri": np.ones(6, bool), "smri": np.array([1, 1, 0, 1, 1, 1], bool)}
    rows, _ = measured(features, present)
    assert not rows["smri"][2].any()
    features["smri"][2] = np.inf
    assert torch.equal(measured(features, present)[0]["smri"], rows["smri"])


def test_a_partly_missing_row_and_a_person_without_a_modality_are_refused():
    features = people()
    features["smri"][2, 1] = np.nan
    with pytest.raises(NonFinite, match="smri"):
        measured(features)
    features["smri"][2], features["fmri"][2] = np.nan, np.nan
    with pytest.raises(MissingModality, match="1 of 6"):
        measured(features)


def test_other_names_widths_or_people_are_refused():
    features = people()
    with pytest.raises(MissingModality, match="Expected"):
        measured({"fmri": features["fmri"]}, widths={"fmri": 5, "smri": 3})
    with pytest.raises(MissingModality, match="presence"):
        measured(features, {"fmri": np.ones(6, bool)})
    with pytest.raises(ShapeMismatch, match="smri"):
        measured(features, widths={"fmri": 5, "smri": 4})
    with pytest.raises(ShapeMismatch, match="smri"):
        measured(features | {"smri": features["smri"][:4]})


def test_distances_have_the_same_bits_whoever_else_is_there(monkeypatch):
    torch.manual_seed(0)
    rows, to = torch.randn(40, 300).double(), torch.randn(50, 300).double()
    together = distances(rows, to)
    np.testing.assert_allclose(together[3, 7], np.linalg.norm(rows[3].numpy() - to[7].numpy()), rtol=1e-12)
    assert torch.equal(distances(rows[3:4], to)[0], together[3])
    assert not distances(rows, rows).diagonal().any()
    monkeypatch.setenv("GRAPHFUSE_MEMORY_GB", "1e-6")
    with pytest.raises(MemoryBudget, match="40 x 50"):
        distances(rows, to)
