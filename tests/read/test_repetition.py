from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from graphfuse.errors import InvalidOption, ManifestError, UnreadableFile
from graphfuse.read.repetition import find_repetition_times

CELLS = pd.DataFrame({"id": ["a", "b", "c"], "TR": ["2", np.nan, "1.5"], "site": ["X", "Y", "X"]})


def find(t_r, root=None, sites=CELLS["site"]):
    return find_repetition_times(t_r, CELLS, sites, root, "signals.fmri")


def test_number_column_and_sites(tmp_path):
    assert find(None) is None
    assert find(2).tolist() == [2, 2, 2]
    np.testing.assert_array_equal(find("TR"), [2, np.nan, 1.5])
    assert find({"X": 2.0, "Y": 3}).tolist() == [2, 3, 2]
    (tmp_path / "tr.csv").write_text("SITE,TR\nX,2.5\nY,1\n")
    assert find({"file": "tr.csv"}, tmp_path).tolist() == [2.5, 1, 2.5]


def test_sidecars(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps({"RepetitionTime": 0.8}))
    np.testing.assert_array_equal(find("{id}.json", tmp_path), [0.8, np.nan, np.nan])
    (tmp_path / "b.json").write_text("{}")
    with pytest.raises(UnreadableFile, match="RepetitionTime"):
        find("{id}.json", tmp_path)


def test_errors(tmp_path):
    with pytest.raises(ManifestError, match="lacks 1 sites, the first 'Y'"):
        find({"X": 2.0})
    with pytest.raises(ManifestError, match="no site column"):
        find({"X": 2.0}, sites=None)
    with pytest.raises(ManifestError, match="milliseconds"):
        find(2000)
    with pytest.raises(ManifestError, match="number of seconds"):
        find("site")
    with pytest.raises(InvalidOption, match="Did you mean 'TR'"):
        find("TRs")
    (tmp_path / "tr.csv").write_text("SITE\nX\n")
    with pytest.raises(ManifestError, match="two columns"):
        find({"file": "tr.csv"}, tmp_path)
