"""Each notebook runs on the simulated cohort, says the same in both files, and its title is true of what it finds."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

jupytext = pytest.importorskip("jupytext", reason="the notebooks need pip install -e '.[notebooks]'")
nbclient = pytest.importorskip("nbclient", reason="the notebooks need pip install -e '.[notebooks]'")
nbformat = pytest.importorskip("nbformat")

FOLDER = Path(__file__).parents[1] / "notebooks"
STEMS = sorted(path.stem for path in FOLDER.glob("*.py"))
MOST_CELLS = 12

# What each title claims, in the names that the notebook leaves behind.
CLAIMS = {
    "01_population_graph": """
chance, found = table.loc["any two people (chance)"], table.loc["imaging"]
assert found["site"] > 0.9
assert found["diagnosis"] - chance["diagnosis"] < (found["site"] - chance["site"]) / 2
assert torch.equal(together[:n, :n], before) and not together[:, n:].any()
assert torch.allclose(together[n:, :n], alone, atol=1e-6)
assert np.allclose(at_once, one_by_one, atol=1e-5)
""",
    "02_gcn_classifier": """
auc = result.scores.query("metric == 'auc'").set_index("model")["mean"]
assert result.best_baseline().startswith(("ridge", "svm", "mean-of-ridges"))
assert auc[result.best_baseline()] > auc["fusion"]
assert not result.verdict().startswith("The graph helped")
""",
    "03_region_importance": """
first = comparison["planted among the first 10"]
icc = comparison["agreement of the folds (icc)"]
assert first["labels"] >= 8 and first["permuted labels"] <= 4
assert icc["permuted labels"] < 0.4 < icc["labels"]
assert hits >= 15
""",
    "04_audit": """
leaky, honest = accuracy.values()
assert leaky > 0.75 and abs(honest - 0.5) < 0.1
worst = audit.table.groupby("about")["verdict"].first()
assert audit.verdict == "leak" and worst["selects before the split"] == "leak"
assert set(audit.table.loc[audit.table["about"] == "selects inside the fold", "verdict"]) == {"pass"}
assert abs(result.scores.set_index("metric").loc["auc", "mean"] - 0.5) < 0.1
""",
}


def test_there_are_four_notebooks_with_a_claim_each():
    assert sorted(CLAIMS) == STEMS


@pytest.mark.parametrize("stem", STEMS)
def test_text_and_notebook_are_the_same(stem):
    text, notebook = jupytext.read(FOLDER / f"{stem}.py"), nbformat.read(FOLDER / f"{stem}.ipynb", as_version=4)
    assert [(c.cell_type, c.source) for c in text.cells] == [(c.cell_type, c.source) for c in notebook.cells], (
        f"run: jupytext --update --to ipynb notebooks/{stem}.py"
    )


@pytest.mark.parametrize("stem", STEMS)
def test_notebook_is_short_empty_and_opens_with_its_finding(stem):
    cells = nbformat.read(FOLDER / f"{stem}.ipynb", as_version=4).cells
    assert len(cells) <= MOST_CELLS
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in cells)
    assert re.match(r"# \w.*\b(finds|joins|ranks)\b", cells[0].source)


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("stem", STEMS)
def test_notebook_runs_and_its_title_is_true(stem, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", os.environ.get("OMP_NUM_THREADS", "1"))
    monkeypatch.delenv("PYTHONWARNINGS", raising=False)
    notebook = jupytext.read(FOLDER / f"{stem}.py")
    notebook.cells.append(nbformat.v4.new_code_cell(CLAIMS[stem]))
    nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert any("image/png" in output.get("data", {}) for output in outputs)
