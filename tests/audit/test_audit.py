from __future__ import annotations

import numpy as np

import graphfuse as gf


def test_the_worst_finding_is_the_verdict_and_no_id_is_told(noise):
    found = gf.run_audit(
        {"ridge": gf.Ridge(), "cheat": lambda c, train, test: np.eye(2)[c.y[test]]}, noise, permutations=2
    )
    assert found.verdict == "leak"
    assert found.table["verdict"].iloc[0] == "leak"
    assert set(found.table.loc[found.table["verdict"] == "leak", "about"]) == {"cheat"}
    assert not any(subject in str(found) for subject in noise.subjects)
