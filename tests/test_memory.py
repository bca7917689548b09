from __future__ import annotations

import subprocess
import sys

import pytest

from graphfuse import _memory
from graphfuse._memory import check_memory, memory_budget
from graphfuse.errors import InvalidOption, MemoryBudget


def test_a_request_above_the_budget_is_refused_with_both_figures_and_the_remedy():
    with pytest.raises(
        MemoryBudget, match=r"The matrix needs about 3\.2 GB; 2 GB may be used\. Use k nearest\. Or set"
    ):
        check_memory("The matrix", 3.2e9, "Use k nearest.", budget_gb=2)
    check_memory("The matrix", 3.2e9, "Use k nearest.", budget_gb=3.3)


def test_the_environment_sets_the_budget(monkeypatch):
    monkeypatch.setenv("GRAPHFUSE_MEMORY_GB", "0.5")
    assert memory_budget() == 0.5e9
    with pytest.raises(MemoryBudget, match=r"0\.5 GB may be used"):
        check_memory("x", 6e8, "")
    monkeypatch.setenv("GRAPHFUSE_MEMORY_GB", "lots")
    with pytest.raises(InvalidOption, match="number of GB"):
        memory_budget()


def test_the_budget_is_what_this_machine_can_give(monkeypatch):
    monkeypatch.delenv("GRAPHFUSE_MEMORY_GB", raising=False)
    assert 1e7 < memory_budget() < 1e13
    with pytest.raises(MemoryBudget):
        check_memory("An exabyte", 1e18, "")


@pytest.mark.parametrize(("limit", "used", "free"), [("3000", "1000", [2000.0]), ("max", "1000", []), ("", "", [])])
def test_the_limit_of_a_container_counts(tmp_path, monkeypatch, limit, used, free):
    (tmp_path / "limit").write_text(limit + "\n")
    (tmp_path / "used").write_text(used + "\n")
    monkeypatch.setattr(
        _memory, "LIMITS", ((tmp_path / "limit", tmp_path / "used"), (tmp_path / "no", tmp_path / "no"))
    )
    assert _memory._free_of_group() == free


POPULATION = """
import resource, sys
import numpy as np, pandas as pd, torch
from graphfuse.graph.population import PopulationGraph
n = 20_000
draw = np.random.default_rng(0)
x = torch.as_tensor(draw.standard_normal((n, 100), dtype=np.float32))
people = pd.DataFrame({"site": draw.integers(0, 20, n).astype(str), "age": draw.uniform(5, 60, n)})
graph = PopulationGraph(same=("site",), within={"age": 2.0}, neighbours=10).fit(x, people)
adjacency = graph.adjacency()
assert adjacency.layout == "sparse" and adjacency.shape == (1, n, n)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


@pytest.mark.slow
def test_a_population_graph_of_20000_people_needs_less_than_two_gigabytes():
    """Ten neighbours; a dense float64 adjacency alone would be 3.2 GB."""
    run = subprocess.run([sys.executable, "-c", POPULATION], capture_output=True, text=True, check=True)
    assert float(run.stdout) < 2e9
