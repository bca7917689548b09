from __future__ import annotations

import importlib.util
import subprocess
import sys

import pytest

import graphfuse as gf


@pytest.mark.parametrize("name", gf.__all__)
def test_every_public_name_can_be_imported_and_says_what_it_is(name):
    value = getattr(gf, name)
    assert name == "__version__" or value.__doc__


def test_public_names_are_sorted_and_listed():
    assert list(gf.__all__) == sorted(set(gf.__all__))
    assert dir(gf) == gf.__all__


def test_no_public_name_is_also_a_module():
    modules = [name for name in gf.__all__ if name != "__version__" and importlib.util.find_spec(f"graphfuse.{name}")]
    assert modules == []


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'FusionClasifier'"):
        gf.FusionClasifier  # noqa: B018


def test_import_alone_loads_nothing_heavy():
    heavy = ("torch", "nilearn", "sklearn", "pandas", "matplotlib")
    code = f"import sys, graphfuse; print([name for name in {heavy} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"
