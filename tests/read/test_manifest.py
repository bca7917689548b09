from __future__ import annotations

import pytest

from graphfuse.errors import InvalidOption, ManifestError, UnreadableFile
from graphfuse.read.manifest import KINDS, load_manifest, parse_manifest

SIGNAL = {"fmri": {"kind": "timeseries", "path": "{id}.1D"}}
BASE = {"table": "t.csv", "id": "ID", "signals": SIGNAL}
CODED = BASE | {"target": "DX", "classes": {"sick": 1, "well": [2, 3], "risk": 4}, "positive": "sick"}


def test_positive_class_comes_last(tmp_path):
    manifest = parse_manifest(CODED, tmp_path)
    assert list(manifest.classes) == ["well", "risk", "sick"]
    assert manifest.classes["well"] == [2, 3]
    assert manifest.regions == "mask"
    assert manifest.signals[0].source == "signals.fmri"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (BASE | {"taget": "DX"}, "'taget'. Did you mean 'target'"),
        ({"table": "t.csv", "signals": SIGNAL}, "lacks id"),
        (BASE | {"id": 3}, "id must be str; got int"),
        (BASE | {"target": "DX"}, "at least two classes"),
        (CODED | {"positive": "ill"}, "positive must name"),
        (BASE | {"signals": {}}, "at least one"),
        (BASE | {"signals": {"a": {"path": "x"}}}, "needs a kind"),
        (BASE | {"signals": {"a": {"kind": "vector"}}}, "lacks path"),
        (BASE | {"signals": {"a": {"kind": "freesurfer", "path": "x"}}}, "lacks atlas"),
        (BASE | {"signals": {"a": {"kind": "vector", "path": "x", "radius": 3.0}}}, "unknown key 'radius'"),
        (BASE | {"signals": {"a": {"kind": "timeseries", "path": "x", "min_frames": True}}}, "min_frames must be int"),
        (BASE | {"files": {"allow_missng": True}}, "Did you mean 'allow_missing'"),
    ],
)
def test_faults_of_a_manifest(tmp_path, content, words):
    with pytest.raises(ManifestError, match=words):
        parse_manifest(content, tmp_path)


def test_closed_sets(tmp_path):
    with pytest.raises(InvalidOption, match="Did you mean 'timeseries'"):
        parse_manifest(BASE | {"signals": {"a": {"kind": "timeserie", "path": "x"}}}, tmp_path)
    with pytest.raises(InvalidOption, match="drop-region"):
        parse_manifest(BASE | {"files": {"regions": "drop"}}, tmp_path)
    with pytest.raises(InvalidOption, match="digits"):
        parse_manifest(BASE | {"signals": {"a": {"kind": "vector", "path": "x", "match": "fuzzy"}}}, tmp_path)
    with pytest.raises(InvalidOption, match="decimal"):
        parse_manifest(BASE | {"decimal": ";"}, tmp_path)


def test_every_kind_has_a_path_and_a_match():
    assert all({"kind", "path", "match"} <= set(keys) for keys in KINDS.values())


def test_root_is_relative_to_the_manifest_and_can_be_overridden(tmp_path):
    (tmp_path / "data").mkdir()
    path = tmp_path / "c.toml"
    text = 'root = "data"\ntable = "t.csv"\nid = "ID"\n[signals.a]\nkind = "vector"\npath = "v.csv"\n'
    path.write_text(text, encoding="utf-8-sig")
    assert load_manifest(path).root == tmp_path / "data"
    assert load_manifest(path, root=tmp_path).root == tmp_path
    with pytest.raises(ManifestError, match="root"):
        load_manifest(path, root=tmp_path / "none")


def test_manifest_that_cannot_be_read(tmp_path):
    with pytest.raises(UnreadableFile, match="cannot be opened"):
        load_manifest(tmp_path / "none.toml")
    (tmp_path / "c.toml").write_text("table = \n")
    with pytest.raises(ManifestError, match="line 1"):
        load_manifest(tmp_path / "c.toml")
    (tmp_path / "c.toml").write_text("[files]\n")
    with pytest.raises(ManifestError, match="lacks table, id, signals"):
        load_manifest(tmp_path / "c.toml")
