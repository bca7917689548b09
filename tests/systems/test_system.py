from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from graphfuse.errors import MissingModality
from graphfuse.signal import Signal
from graphfuse.systems.system import System


def made(signals):
    return signals


def system(**options) -> System:
    return System("some", made, "Somebody 2024", **options)


def test_roles_take_the_kinds_in_the_order_in_which_they_are_named(cohort):
    needs = {"structural": ("connectivity", "measures")}
    assert system(needs=needs).roles(cohort) == {"structural": "dti"}
    without = replace(cohort, signals={name: s for name, s in cohort.signals.items() if name != "dti"})
    assert system(needs=needs).roles(without) == {"structural": "smri"}


def test_no_modality_plays_two_roles(cohort):
    needs = {"first": ("measures",), "second": ("measures",)}
    assert system(needs=needs).roles(cohort) == {"first": "smri", "second": "pet"}
    only = replace(cohort, signals={"smri": cohort.signals["smri"]})
    with pytest.raises(MissingModality, match="regional measures and regional measures"):
        system(needs=needs).roles(only)


def test_every_modality_of_the_kinds_that_it_takes_is_taken(cohort):
    assert system(takes=("measures", "vector")).roles(cohort) == {"smri": "smri", "pet": "pet", "aseg": "aseg"}


def test_modalities_over_other_regions_do_not_go_together(cohort):
    needs = {"functional": ("timeseries",), "structural": ("measures",)}
    five = Signal.pack("measures", [np.ones((5, 2))] * len(cohort), columns=("area", "volume"))
    other = replace(cohort, signals={"fmri": cohort.signals["fmri"], "smri": five})
    assert system(needs=needs).feedable(other)
    with pytest.raises(MissingModality, match="over the same regions"):
        system(needs=needs, same_regions=True).roles(other)
    assert system(needs=needs, same_regions=True).roles(cohort)["structural"] == "smri"


def test_series_of_unknown_repetition_time_cannot_be_cut_in_seconds(cohort):
    needs = {"functional": ("timeseries",)}
    untimed = replace(cohort, signals={"fmri": replace(cohort.signals["fmri"], t_r=None)})
    assert system(needs=needs).feedable(untimed)
    with pytest.raises(MissingModality, match="time series of known repetition time"):
        system(needs=needs, seconds=True).roles(untimed)


def test_a_system_made_of_phenotypes_is_not_fed_by_a_cohort_without(cohort):
    bare = replace(cohort, site=None, confounds=())
    assert system(takes=("measures",)).feedable(bare)
    assert not system(takes=("measures",), needs_phenotypes=True).feedable(bare)
    assert system(takes=("measures",), needs_phenotypes=True).feedable(cohort)
