from graphfuse.report.confounds import confounds
from graphfuse.report.tables import decimal


def test_leaks_are_flagged_and_what_confounds_reach_is_said(result):
    section = confounds(result)
    assert section["audit"].rows[0][0].text == "ados_like"
    assert section["leaks"] == 1
    assert section["columns"] == ["age", "sex", "mean_fd", "site"]
    means = result.scores[result.scores["metric"] == "auc"].set_index("model")["mean"]
    assert section["score"].startswith(decimal(means["confounds"]))
    assert not {"ados_like", "diagnosis"} & set(section["quiet"])
