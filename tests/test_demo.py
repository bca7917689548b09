import pytest

from graphfuse import demo


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The folds agree little")
def test_the_demo_goes_from_simulation_to_report(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(demo, "SUBJECTS", 60)
    monkeypatch.setattr(demo, "FOLDS", 2)
    monkeypatch.setattr(demo, "JOBS", 1)
    demo.run_demo(tmp_path)
    out = capsys.readouterr().out
    assert "1/4 Simulated 60 people" in out
    assert "of the 10 most important regions were planted" in out
    assert "graph" in out.split("3/4")[1]
    written = {path.name for path in tmp_path.iterdir()}
    assert {"cohort-0", "importance.tsv", "edges.tsv", "predictions.tsv", "report.html", "run.json"} <= written
