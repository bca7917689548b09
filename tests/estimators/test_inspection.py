from __future__ import annotations

import pandas as pd
import pytest

import graphfuse as gf
from graphfuse.errors import UnreadableFile
from graphfuse.estimators.inspection import COLUMNS, inspect_model
from graphfuse.estimators.model_file import FORMAT, read_model_file


@pytest.fixture
def path(fitted, tmp_path):
    return gf.save_model(fitted["fusion"], tmp_path / "m")


def test_every_tensor_of_the_file_has_one_row_with_its_shape_and_size(path):
    table, tensors = inspect_model(path), read_model_file(path).tensors
    assert list(table) == COLUMNS
    rows = table[table["part"].isin(tensors)].set_index("part")
    assert sorted(rows.index) == sorted(tensors)
    for name, tensor in tensors.items():
        assert rows.loc[name, "bytes"] == tensor.numel() * tensor.element_size()
        assert rows.loc[name, "shape"] == f"({', '.join(map(str, tensor.shape))})"
        assert rows.loc[name, "kind"] == str(tensor.dtype).removeprefix("torch.")


def test_weights_statistics_and_settings_are_told_apart(path, fitted, tmp_path):
    about = inspect_model(path).set_index("part")["about"]
    assert about["model.width"] == "setting"
    assert about["model.classes_"] == "training statistic"
    assert set(about[about.index.str.startswith("model.network_.")]) == {"weights"}
    ridge = inspect_model(gf.save_model(fitted["ridge"], tmp_path / "r")).set_index("part")["about"]
    assert ridge["model.coef_"] == "weights"
    assert ridge["model.vector_.parts_.smri.scale_"] == "training statistic"


def test_values_of_settings_are_shown_and_long_ones_cut(path, fitted):
    value = inspect_model(path).set_index("part")["value"]
    assert value["model.fusion"] == "gated"
    assert value["model.class_names_"] == ", ".join(fitted["fusion"].class_names_)
    assert value.str.len().max() <= 60


def test_the_header_is_in_the_attributes(path):
    attributes = inspect_model(path).attrs
    assert attributes == {
        "format": FORMAT,
        "graphfuse": gf.__version__,
        "checksum": read_model_file(path).checksum(),
    }


@pytest.mark.parametrize("name", ["majority", "mean-of-ridges", "svm", "mlp"])
def test_every_kind_of_model_makes_a_table(fitted, tmp_path, name):
    table = inspect_model(gf.save_model(fitted[name], tmp_path / "m"))
    assert table.loc[0, "kind"] == type(fitted[name]).__name__
    assert not table.isna().any(axis=None)
    assert isinstance(table, pd.DataFrame)


def test_a_file_of_something_else_is_refused(tmp_path):
    (tmp_path / "m").write_bytes(b"x" * 100)
    with pytest.raises(UnreadableFile):
        inspect_model(tmp_path / "m")


def test_people_are_told_as_people_wherever_they_are(train, tmp_path):
    nearest = gf.Ridge(impute="nearest").fit(train)
    table = inspect_model(gf.save_model(nearest, tmp_path / "m", include_cohort=True)).set_index("part")
    held = [part for part in table.index if ".people_.blocks." in part]
    assert held
    assert (table.loc[held, "about"] == f"people: {len(train)} rows").all()
    panel = gf.LateFusion({"p": gf.PopulationClassifier(epochs=2, components=8, members=1)}).fit(train)
    table = inspect_model(gf.save_model(panel, tmp_path / "m", prototype_size=10)).set_index("part")
    assert table.loc["model.models_.p.x_", "about"].startswith("means of >= 10 people")
