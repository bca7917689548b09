import re
from dataclasses import replace

from graphfuse.report.answer import answer, best_graph, mode, transductive, verdicts


def test_the_verdict_is_the_results_own_sentence(result):
    text = " ".join(f"{verdict['claim']} {verdict['detail']}" for verdict in verdicts(result))
    assert len(verdicts(result)) == len(result.graph_models())
    for name in result.graph_models():
        assert name in text
    figures = re.findall(r"[+-]\d\.\d{3}", result.verdict())
    assert figures
    assert all(figure.replace("-", "\u2212") in text for figure in figures)


def test_without_a_baseline_nothing_is_claimed(result):
    alone = replace(
        result,
        predictions=result.predictions[result.predictions["model"] == "fusion"],
        estimators={"fusion": result.estimators["fusion"]},
    )
    assert "cannot be said" in verdicts(alone)[0]["claim"]
    assert [leader["name"] for leader in answer(alone)["leaders"]] == ["fusion"]


def test_transductive_models_are_named(result):
    assert transductive(result) == ["population-transductive"]
    assert mode(result) == "inductive; 1 transductive model"


def test_best_graph_model_has_the_highest_mean(result):
    means = result.scores[result.scores["metric"] == "auc"].set_index("model")["mean"]
    assert means[best_graph(result)] == means[result.graph_models()].max()


def test_facts(result):
    facts = dict(answer(result)["facts"])
    assert facts["Subjects"] == "60"
    assert facts["Sites"] == "3"
    assert facts["Evaluation"] == "3 folds, once"
    assert answer(result)["few"]
