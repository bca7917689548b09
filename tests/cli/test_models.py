from __future__ import annotations

import pandas as pd


def test_fit_inspect_predict(run, folder, tmp_path):
    model = tmp_path / "ridge.safetensors"
    assert run("fit", folder / "cohort.toml", "--model", "ridge-smri", "--out", model)[0] == 0
    code, out, _ = run("inspect", model)
    assert code == 0
    assert "sim-" not in out  # no subject's id
    table = pd.read_csv(folder / "participants.tsv", sep="\t", dtype=str)
    table["diagnosis"] = "n/a"  # people to be predicted have no diagnosis yet
    table.to_csv(folder / "new.tsv", sep="\t", index=False)
    new = folder / "new.toml"
    new.write_text((folder / "cohort.toml").read_text().replace("participants.tsv", "new.tsv"))
    code, out, _ = run("predict", model, new)
    table = pd.DataFrame([line.split("\t") for line in out.strip().split("\n")])
    assert code == 0
    assert list(table.iloc[0]) == ["subject", "p_control", "p_autism"]
    assert len(table) == 61


def test_a_population_model_is_saved_as_prototypes(run, folder, tmp_path):
    model = tmp_path / "p.safetensors"
    arguments = ("fit", folder / "cohort.toml", "--model", "population", "--out", model)
    assert run(*arguments)[0] == 2
    assert not model.exists()
    assert run(*arguments, "--prototypes", 10)[0] == 0
    assert "means of >= 10 people" in run("inspect", model)[1]
    assert run("predict", model, folder / "cohort.toml")[1].count("\n") == 61
