"""Bad inputs 39 and 40: model files, archives and tables that somebody prepared."""

from __future__ import annotations

import csv
import io
import json
import os
import pickle
import struct
import time
import tracemalloc
import zipfile
import zlib

import numpy as np
import pandas as pd
import pytest
from scipy.io import savemat

from graphfuse.cohort import Cohort
from graphfuse.errors import GraphFuseError, ManifestError, UnreadableFile
from graphfuse.estimators.saving import load_model
from graphfuse.read import read_cohort
from graphfuse.read.matrix import read_matrix
from graphfuse.read.tables import read_table
from graphfuse.signal import Signal
from graphfuse.write import write_cohort


def safetensors(name: str, shape: list[int], stop: int, content: bytes = b"") -> bytes:
    """A file in the format of models, with one tensor that may be anything."""
    header = json.dumps({name: {"dtype": "F32", "shape": shape, "data_offsets": [0, stop]}}).encode()
    return struct.pack("<Q", len(header)) + header + content


MODELS = {
    "pickle": pickle.dumps({"weights": [1.0]}),
    "huge-header": struct.pack("<Q", 1 << 60) + b"{}",
    "long-header": struct.pack("<Q", 8_000_000) + b"{" + b" " * 7_999_998 + b"}",
    "deep-header": struct.pack("<Q", 200_000) + b"[" * 100_000 + b"]" * 100_000,
    "path-in-name": safetensors("../../etc/x", [1], 4, bytes(4)),
    "no-bytes": safetensors("model.a", [1 << 40], 1 << 42),
    "zip": b"PK\x03\x04" + bytes(100),
    "empty": b"",
}


@pytest.mark.parametrize("content", MODELS.values(), ids=MODELS.keys())
def test_39_a_hostile_model_file_is_an_error(tmp_path, content):
    path = tmp_path / "m.safetensors"
    path.write_bytes(content)
    began = time.process_time()
    with pytest.raises(GraphFuseError):
        load_model(path)
    assert time.process_time() - began < 2


def npz(members: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return content.getvalue()


def npy(array) -> bytes:
    content = io.BytesIO()
    np.save(content, array)
    return content.getvalue()


ARCHIVES = {
    "npz": npz({"a.npy": npy(np.ones((40, 4)))}),
    "zip-slip": npz({"../../evil.npy": npy(np.ones((40, 4)))}),
    "absolute": npz({"/evil.npy": npy(np.ones((40, 4)))}),
    "bomb": npz({"a.npy": bytes(50 << 20)}),
    "npy-that-lies": npy(np.ones((40, 4))).replace(b"(40, 4)", b"(1<<40)"),
    "npy-of-terabytes": npy(np.ones((40, 4))).replace(b"(40, 4)", b"(9**13,)"[:7]),
}


@pytest.mark.parametrize("ending", ["npy", "mat", "1D", "csv"])
@pytest.mark.parametrize("content", ARCHIVES.values(), ids=ARCHIVES.keys())
def test_40_an_archive_under_another_ending_is_an_error_and_writes_nothing(study, costs_one, content, ending):
    for name in study.ids:
        path = study.root / "ts" / f"{name}.1D"
        new = path.with_suffix(f".{ending}")
        values = study.rng.normal(size=(40, 4))
        path.unlink()
        if ending == "mat":
            savemat(new, {"ts": values})
        elif ending == "npy":
            np.save(new, values)
        else:
            np.savetxt(new, values, delimiter=",")
    (study.root / "ts" / f"{study.ids[1]}.{ending}").write_bytes(content)
    study.fmri = study.fmri.replace(".1D", f".{ending}", 1)
    before = sorted(study.root.rglob("*"))
    costs_one(UnreadableFile, "truncated|no plain text|UTF-8|cannot|columns|words")
    assert sorted(path for path in study.root.rglob("*") if path.suffix not in (".toml", ".csv")) == sorted(
        path for path in before if path.suffix not in (".toml", ".csv")
    )
    assert not (study.root.parent / "evil.npy").exists()


def test_40_a_mat_that_unpacks_to_gigabytes_is_refused_before(tmp_path):
    """A compressed variable that says it has 2 ** 40 numbers, and one whose numbers stop after a few."""
    path = tmp_path / "a.mat"
    savemat(path, {"ts": np.zeros((400, 40))}, do_compression=True)
    raw = bytearray(path.read_bytes())
    size = struct.unpack("<I", raw[132:136])[0]
    inner = bytearray(zlib.decompress(bytes(raw[136 : 136 + size])))
    place = inner.index(struct.pack("<ii", 400, 40))
    for shape in ((1 << 20, 1 << 20), (1 << 14, 1 << 14)):
        inner[place : place + 8] = struct.pack("<ii", *shape)
        packed = zlib.compress(bytes(inner))
        path.write_bytes(bytes(raw[:132]) + struct.pack("<I", len(packed)) + packed)
        tracemalloc.start()
        with pytest.raises(UnreadableFile, match=r"GiB|truncated"):
            read_matrix(path)
        assert tracemalloc.get_traced_memory()[1] < 20e6
        tracemalloc.stop()


def test_40_a_table_of_a_million_columns_is_an_error_in_seconds(study, refused):
    study.toml()
    line = ",".join(f"c{i}" for i in range(1_000_000))
    (study.root / "wide.csv").write_text(f"ID,{line}\n" + f"{study.ids[0]}{',1' * 1_000_000}\n")
    began = time.process_time()
    with pytest.raises(UnreadableFile, match="1000001 columns; at most"):
        read_table(study.root / "wide.csv")
    (study.root / "same.csv").write_text(",".join(["c"] * 90_000) + "\n" + ",".join(["1"] * 90_000) + "\n")
    with pytest.raises(UnreadableFile, match="twice"):
        read_table(study.root / "same.csv")
    study.series(study.ids[1], np.zeros((1, 4)))
    (study.root / "ts" / f"{study.ids[1]}.1D").write_text("0 1 " * 500_000 + "\n")
    assert study.read().exclusions["subject"].tolist() == [study.ids[1]]
    assert time.process_time() - began < 10


def table(study, text: str, coding: str = "utf-8") -> Cohort:
    path = study.toml()
    (study.root / "people.csv").write_bytes(text.encode(coding))
    return read_cohort(path)


ROWS = [["011", "X", "1", "20.5"], ["012", "Y", "2", "31.25"], ["013", "X", "1", "40"], ["014", "Y", "2", "55.5"],
        ["015", "X", "1", "60"], ["016", "Y", "2", "18"]]  # fmt: skip


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("coding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_40_marks_of_encoding_and_every_delimiter_give_the_same_numbers(study, delimiter, coding, end):
    text = end.join(delimiter.join(row) for row in [["ID", "SITE", "DX", "AGE"], *ROWS])
    cohort = table(study, text, coding)
    assert cohort.subjects.tolist() == [row[0] for row in ROWS]
    assert cohort.phenotypes["AGE"].tolist() == [20.5, 31.25, 40, 55.5, 60, 18]
    assert cohort.y.tolist() == [1, 0] * 3


def test_40_a_decimal_comma_is_read_and_an_ambiguous_one_is_an_error(study):
    rows = [["ID", "SITE", "DX", "AGE"], *[[*row[:3], row[3].replace(".", ",")] for row in ROWS]]
    assert table(study, "\n".join(";".join(row) for row in rows)).phenotypes["AGE"].tolist() == [
        20.5, 31.25, 40, 55.5, 60, 18,
    ]  # fmt: skip
    quoted = "\n".join(",".join(f'"{cell}"' for cell in row) for row in rows)
    assert table(study, quoted).phenotypes["AGE"].tolist()[1] == 31.25
    rows[1][3], rows[2][3] = "1,234", "2,345"
    for row in rows[3:]:
        row[3] = "3,456"
    with pytest.raises(UnreadableFile, match="decimal mark or thousands"):
        table(study, "\n".join(";".join(row) for row in rows))


TORN = {
    "latin": b"ID,SITE,DX,AGE\n\xff\xfe\xfa",
    "nul": b"ID\0,DX\n",
    "open-quote": b'ID,SITE,DX,AGE\n"011,X,1,2',
    "ragged": b"ID,DX\n011,1,2\n",
    "xlsx": b"PK\x03\x04\xff",
}


@pytest.mark.parametrize("raw", TORN.values(), ids=TORN.keys())
def test_40_a_table_that_is_none_is_an_error(study, raw):
    path = study.toml()
    (study.root / "people.csv").write_bytes(raw)
    with pytest.raises(UnreadableFile, match=r"The table|the table|of the table"):
        read_cohort(path)


@pytest.mark.parametrize("name", ["people.csv", "ts/012.1D", "cohort.toml"])
def test_40_a_pipe_a_folder_and_a_device_are_refused_at_once(study, name):
    path = study.toml()
    (study.root / name).unlink()
    os.mkfifo(study.root / name)
    if name.startswith("ts"):
        assert study.read().exclusions["subject"].tolist() == ["012"]  # a pipe is no file of anybody
        return
    with pytest.raises(UnreadableFile, match="pipe"):
        read_cohort(path)
    (study.root / name).unlink()
    (study.root / name).symlink_to("/dev/zero")
    with pytest.raises(UnreadableFile, match="device"):
        read_cohort(path)


def test_40_deep_toml_and_json_are_errors(study, refused):
    study.extra = "\nx = " + "[" * 100_000 + "]" * 100_000 + "\n"
    with pytest.raises(ManifestError, match="TOML"):
        study.read()
    study.extra = ""
    for name in study.ids:
        (study.root / "ts" / f"{name}.json").write_text("[" * 100_000 + "]" * 100_000)
    study.fmri += 't_r = "ts/{ID}.json"\n'
    refused(UnreadableFile, "RepetitionTime")


HOSTILE = [
    "=1+1",
    "+1",
    "-2+3",
    "@SUM(A1)",
    "\tx",
    "\rx",
    "'=1",
    "''",
    "a\tb",
    'say "x"',
    "line\nbreak",
    "ü; ,",
    "plain",
]


def test_40_text_that_a_spreadsheet_would_run_is_escaped_and_comes_back(tmp_path):
    n = len(HOSTILE)
    ids = [f"-{i}" if i % 2 else f"s{i}" for i in range(n)]
    frame = pd.DataFrame(
        {"dx": ["a", "b"] * (n // 2) + ["a"] * (n % 2), "=note": HOSTILE, "age": -np.arange(1.0, n + 1) / 3}, index=ids
    )
    values = list(np.random.default_rng(0).normal(size=(n, 3)).astype(np.float32))
    signals = {"v": Signal.pack("vector", values, columns=("@a", "b", "=c"))}
    manifest = write_cohort(Cohort(frame, signals, "dx", ("b", "a")), tmp_path / "out")
    for path in (tmp_path / "out" / "participants.tsv", tmp_path / "out" / "v.csv"):
        with path.open(newline="") as file:
            cells = [cell for row in csv.reader(file, delimiter="\t" if path.suffix == ".tsv" else ",") for cell in row]
        assert all(_is_number(cell) for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r")))
    back = read_cohort(manifest)
    assert back.subjects.tolist() == ids
    assert back.phenotypes["=note"].tolist() == HOSTILE
    assert back.phenotypes["age"].tolist() == frame["age"].tolist()  # to the last bit
    assert back.signals["v"].columns == ("@a", "b", "=c")
    np.testing.assert_array_equal(back.signals["v"].data, signals["v"].data)


def _is_number(text: str) -> bool:
    try:
        return np.isfinite(float(text))
    except ValueError:
        return False


def test_40_an_apostrophe_of_somebody_elses_table_stays(study):
    study.rows = [[*row[:1], f"'={row[1]}", *row[2:]] for row in study.rows]
    assert set(study.read().sites) == {"'=X", "'=Y"}
