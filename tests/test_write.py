from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from graphfuse.atlas import Atlas, load_atlas
from graphfuse.cohort import Cohort
from graphfuse.errors import GraphFuseError, InvalidOption
from graphfuse.read import read_cohort
from graphfuse.signal import Signal
from graphfuse.simulate import simulate_cohort
from graphfuse.write import write_cohort


def same(first: Cohort, second: Cohort):
    here, there = (cohort.phenotypes.rename_axis("subject") for cohort in (first, second))
    pd.testing.assert_frame_equal(here, there, check_dtype=False, check_index_type=False)
    for key in ("target", "classes", "site", "group", "confounds"):
        assert getattr(first, key) == getattr(second, key)
    assert list(first.signals) == list(second.signals)
    for name, signal in first.signals.items():
        other = second.signals[name]
        assert (signal.kind, signal.columns, signal.names) == (other.kind, other.columns, other.names)
        assert np.array_equal(signal.length, other.length)
        assert np.array_equal(signal.data, other.data)
        assert (signal.t_r is None) == (other.t_r is None)
        assert signal.t_r is None or np.array_equal(signal.t_r, other.t_r)


def test_a_simulation_comes_back_as_it_was(tmp_path):
    simulation = simulate_cohort(24, repeats=0.2, families=0.2, leak_column=True, n_frames=(30, 40))
    manifest = write_cohort(simulation, tmp_path / "deep" / "out")
    same(simulation.cohort, read_cohort(manifest))
    truth = pd.read_csv(tmp_path / "deep" / "out" / "truth.tsv", sep="\t")
    assert truth["region_b"].isna().sum() == 20
    assert truth["region_b"].notna().sum() == 45
    assert f"{simulation.oracle_auc:.4f}" in manifest.read_text()


def test_other_signals_and_an_atlas_of_ones_own_come_back_too(tmp_path):
    rng = np.random.default_rng(0)
    atlas = Atlas("mine", load_atlas("schaefer-100").regions.iloc[:4])
    symmetric = [a + a.T for a in rng.random((5, 4, 4)).astype(np.float32)]
    signals = {
        "dti": Signal.pack("connectivity", [None, *symmetric], atlas),
        "volumes": Signal.pack("vector", [*rng.random((5, 3)), None], columns=("a", "b", "c")),
        "rest": Signal.pack("timeseries", list(rng.random((6, 30, 4))), atlas, t_r=np.full(6, 0.72)),
    }
    table = pd.DataFrame({"dx": list("pqpqpq")}, index=[f"s-{i}" for i in range(6)])
    cohort = Cohort(table, signals, "dx", ("q", "p"))
    same(cohort, read_cohort(write_cohort(cohort, tmp_path / "out")))


def test_a_folder_that_holds_something_is_left_alone(tmp_path):
    (tmp_path / "kept.txt").write_text("mine")
    with pytest.raises(InvalidOption, match="new or empty"):
        write_cohort(simulate_cohort(10, n_frames=(30, 30)), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["kept.txt"]


def test_nothing_is_left_when_writing_fails(tmp_path):
    cohort = simulate_cohort(10, n_frames=(30, 30)).cohort
    cohort.signals["fmri"].t_r[:] = np.arange(10) + 1.0  # a TR of one's own within a site
    with pytest.raises(InvalidOption, match="t_r"):
        write_cohort(cohort, tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_ids_that_are_no_file_names_are_refused(tmp_path):
    table = pd.DataFrame({"age": [1.0]}, index=["../../etc"])
    with pytest.raises(GraphFuseError, match="name a file") as caught:
        write_cohort(Cohort(table), tmp_path / "out")
    assert caught.value.subject == "../../etc"
    assert "etc" not in str(caught.value)
