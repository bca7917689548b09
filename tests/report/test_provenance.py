from dataclasses import replace

import numpy as np

from graphfuse.report.provenance import provenance


def test_arguments_without_paths_and_ids(result):
    table = provenance(result, {"cohort": "/home/jane/x.toml", "folds": 3, "only": "canary001"})["arguments"]
    assert [[cell.text for cell in row] for row in table.rows] == [["cohort", "…"], ["folds", "3"], ["only", "…"]]


def test_versions_and_seeds(result):
    section = provenance(result)
    assert section["arguments"] is None
    assert {row[0].text: row[1].text for row in section["versions"].rows}["numpy"] == np.__version__
    assert {row[0].text: row[2].text for row in section["models"].rows}["fusion"] == "0"


def test_the_fingerprint_follows_the_data(result):
    table = result.cohort.phenotypes.assign(age=0.0)
    other = replace(result, cohort=replace(result.cohort, phenotypes=table))
    assert provenance(result)["fingerprint"] == provenance(result)["fingerprint"] != provenance(other)["fingerprint"]
