from __future__ import annotations

import gc
import importlib.util
import json
from pathlib import Path

import joblib
import numpy as np
import pytest
import torch

from graphfuse.connectome import covariance, functional_connectivity, upper_triangle
from graphfuse.connectome import stream as module
from graphfuse.connectome.stream import stream_connectomes
from graphfuse.errors import InvalidOption, MissingModality, ShapeMismatch, UnreadableFile, UnusableRegion

counted = []


def counting(arrays, usable=None):
    counted.append(len(arrays))
    return covariance(arrays, "ledoit-wolf", usable=usable)


@pytest.fixture
def series():
    rng = np.random.default_rng(0)
    return [rng.normal(size=(t, 5)).astype(np.float32) for t in (20, 30, 20, 25, 30, 20, 40)]


@pytest.fixture
def count():
    counted.clear()
    return lambda: [counted.pop(0), sorted(counted), counted.clear()][1]  # the first call only asks for the shape


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("kind", ["correlation", "partial"])
def test_the_file_holds_what_one_call_returns(series, kind, jobs, tmp_path):
    got = stream_connectomes(series, kind, tmp_path, chunk=3, jobs=jobs)
    expected = functional_connectivity(series, kind).float()
    np.testing.assert_array_equal(got, expected)
    assert got.dtype == np.float32
    assert not got.flags.writeable
    vectors = stream_connectomes(series, kind, tmp_path / "vectors", chunk=2, jobs=jobs, vectors=True)
    np.testing.assert_array_equal(vectors, upper_triangle(expected))


def test_a_mask_goes_with_its_subject(series, tmp_path):
    usable = np.ones((7, 5), bool)
    usable[4, 2] = False
    series[4][:, 2] = np.nan
    got = stream_connectomes(series, "correlation", tmp_path, chunk=3, usable=usable)
    np.testing.assert_array_equal(got, functional_connectivity(series, usable=usable))


def test_a_finished_chunk_is_not_computed_again(series, tmp_path, count):
    whole = stream_connectomes(series, counting, tmp_path, chunk=3).tobytes()
    assert count() == [1, 3, 3]
    assert stream_connectomes(series, counting, tmp_path, chunk=3).tobytes() == whole
    assert count() == []
    (tmp_path / "chunk-000001.json").unlink()
    assert stream_connectomes(series, counting, tmp_path, chunk=3).tobytes() == whole
    assert count() == [3]


def test_a_kill_between_values_and_mark_loses_that_chunk_only(series, tmp_path, count, monkeypatch):
    def killed(path, content):
        if path.name == "chunk-000001.json":
            raise KeyboardInterrupt
        write(path, content)

    write = module.write_whole
    monkeypatch.setattr(module, "write_whole", killed)
    with pytest.raises(KeyboardInterrupt):
        stream_connectomes(series, counting, tmp_path, chunk=3)
    monkeypatch.undo()
    count()
    got = stream_connectomes(series, counting, tmp_path, chunk=3)
    assert count() == [1, 3]
    np.testing.assert_array_equal(got, covariance(series, "ledoit-wolf").float())


@pytest.mark.parametrize("damage", ["values", "mark", "truncated mark"])
def test_damage_is_mended_where_it_is(series, tmp_path, count, damage):
    whole = stream_connectomes(series, counting, tmp_path, chunk=3).tobytes()
    count()
    if damage == "values":
        values = np.load(tmp_path / "connectomes.npy", mmap_mode="r+")
        values[4, 1, 1] += 1e-6
        values.flush()
    else:
        content = json.dumps({"given": "0", "made": "0"}) if damage == "mark" else '{"given": "'
        (tmp_path / "chunk-000001.json").write_text(content)
    assert stream_connectomes(series, counting, tmp_path, chunk=3).tobytes() == whole
    assert count() == [3]


def test_new_input_is_computed_anew(series, tmp_path, count):
    stream_connectomes(series, counting, tmp_path, chunk=3)
    count()
    series[6][0, 0] += 1
    got = stream_connectomes(series, counting, tmp_path, chunk=3)
    assert count() == [1]
    np.testing.assert_array_equal(got, covariance(series, "ledoit-wolf").float())


def test_other_arguments_are_refused_by_name(series, tmp_path):
    stream_connectomes(series, "correlation", tmp_path, chunk=3)
    with pytest.raises(InvalidOption, match="kind = 'correlation'; got 'partial'"):
        stream_connectomes(series, "partial", tmp_path, chunk=3)
    with pytest.raises(InvalidOption, match="estimator"):
        stream_connectomes(series, "correlation", tmp_path, chunk=3, estimator="ledoit-wolf")
    with pytest.raises(InvalidOption, match="chunk"):
        stream_connectomes(series, "correlation", tmp_path, chunk=2)
    with pytest.raises(ShapeMismatch, match="shape"):
        stream_connectomes(series[:5], "correlation", tmp_path, chunk=3)


def test_a_broken_file_is_named(series, tmp_path):
    stream_connectomes(series, "correlation", tmp_path, chunk=3)
    values = tmp_path / "connectomes.npy"
    values.write_bytes(values.read_bytes()[:300])
    with pytest.raises(UnreadableFile, match="connectomes"):
        stream_connectomes(series, "correlation", tmp_path, chunk=3)
    (tmp_path / "run.json").write_text("[")
    with pytest.raises(UnreadableFile, match="run"):
        stream_connectomes(series, "correlation", tmp_path, chunk=3)


def test_the_message_says_why_and_not_where(tmp_path):
    """A path may hold a person's name."""
    with pytest.raises(
        UnreadableFile, match=r"'person-3.json' cannot be read: No such file or directory\. Remove"
    ) as told:
        module._read_json(tmp_path / "person-3.json")
    assert str(tmp_path) not in str(told.value)


def test_a_pickle_is_not_opened(series, tmp_path):
    stream_connectomes(series, "correlation", tmp_path, chunk=3)
    np.save(tmp_path / "connectomes.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(UnreadableFile, match="connectomes"):
        stream_connectomes(series, "correlation", tmp_path, chunk=3)


def test_what_is_wrong_is_named_by_its_place_in_the_whole(series, tmp_path):
    with pytest.raises(InvalidOption, match="kind"):
        stream_connectomes(series, "corelation", tmp_path)
    with pytest.raises(InvalidOption, match="name"):
        stream_connectomes(series, lambda arrays, usable: covariance(arrays), tmp_path)
    with pytest.raises(InvalidOption, match="chunk"):
        stream_connectomes(series, "correlation", tmp_path, chunk=0)
    with pytest.raises(ShapeMismatch, match="usable"):
        stream_connectomes(series, "correlation", tmp_path, usable=np.ones((3, 5), bool))
    with pytest.raises(ShapeMismatch, match="at least one"):
        stream_connectomes([], "correlation", tmp_path)
    series[5][:, 1] = 3
    with pytest.raises(UnusableRegion, match=r"series\[5\], region 1"):
        stream_connectomes(series, "correlation", tmp_path / "a", chunk=2)
    series[5] = None
    with pytest.raises(MissingModality, match=r"series\[5\]"):
        stream_connectomes(series, "correlation", tmp_path / "b", chunk=2)


class Many:
    """Series that are made when they are asked for."""

    def __len__(self):
        return 400

    def __getitem__(self, i):
        return np.random.default_rng(i).normal(size=(30, 300)).astype(np.float32)


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="peak memory is read from Linux's /proc")
def test_memory_holds_a_chunk_and_not_the_cohort(tmp_path):
    stream_connectomes(Many()[0][None], "correlation", tmp_path / "warm")
    gc.collect()
    before = _memory("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")
    got = stream_connectomes(Many(), "correlation", tmp_path / "all", chunk=20)
    assert got.nbytes == 144_000_000
    assert _memory("VmHWM") - before < 60_000_000  # a chunk is 7 MB; what the pool works on comes on top


def _memory(field):
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith(field)).split()[1])


@pytest.mark.slow
@pytest.mark.skipif(
    importlib.util.find_spec("distributed") is None, reason="needs dask's distributed: graphfuse[cluster]"
)
def test_a_dask_cluster_writes_the_same_bytes(series, tmp_path):
    from distributed import Client, LocalCluster

    alone = stream_connectomes(series, "partial", tmp_path / "alone", chunk=2)
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None) as cluster,
        Client(cluster),
        joblib.parallel_config(backend="dask"),
    ):
        spread = stream_connectomes(series, "partial", tmp_path / "spread", chunk=2, jobs=2)
    assert spread.tobytes() == alone.tobytes()


def test_tensors_are_series_too(tmp_path):
    x = torch.randn(3, 20, 4, generator=torch.Generator().manual_seed(0))
    np.testing.assert_array_equal(stream_connectomes(x, "correlation", tmp_path), functional_connectivity(x))
