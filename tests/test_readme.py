"""What the README shows works as it stands."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from typer.main import get_command

import graphfuse as gf
from graphfuse.cli import app

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def _block(language: str) -> str:
    return re.search(rf"```{language}\n(.*?)```", README, re.DOTALL).group(1)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::graphfuse.errors.GraphFuseWarning")
def test_script_runs_on_a_simulated_cohort(tmp_path, monkeypatch):
    gf.write_cohort(gf.simulate_cohort(60, seed=0), tmp_path / "people")
    monkeypatch.chdir(tmp_path)
    script = _block("python")
    assert "folds=10" in script
    exec(script.replace("folds=10", "folds=2"), {})
    assert (tmp_path / "report.html").stat().st_size > 10_000
    assert (tmp_path / "importance.png").read_bytes().startswith(b"\x89PNG")


def test_manifest_is_understood(tmp_path):
    from graphfuse.read import parse_manifest

    manifest = parse_manifest(tomllib.loads(_block("toml")), tmp_path)
    assert list(manifest.classes) == ["control", "patient"]
    assert [block.kind for block in manifest.signals] == ["timeseries", "freesurfer"]


def test_table_of_commands_is_complete():
    assert set(re.findall(r"^\| `graphfuse ([a-z]+)", README, re.MULTILINE)) == set(get_command(app).commands)


def test_every_option_in_the_table_exists():
    for line in re.findall(r"^\| `graphfuse (.*?)` \|", README, re.MULTILINE):
        options = {name for parameter in get_command(app).commands[line.split()[0]].params for name in parameter.opts}
        assert set(re.findall(r"--[a-z-]+", line)) <= options


def test_pip_lines_are_those_of_the_makefile():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    lines = re.findall(r"\.venv/bin/pip (install .*)", README)
    assert len(lines) == 3
    for line in lines:
        assert line.replace("install", "install --quiet") in makefile


def test_links_lead_somewhere():
    links = re.findall(r"\]\(([^)]+)\)", README)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
