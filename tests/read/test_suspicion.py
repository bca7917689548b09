from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

from graphfuse.errors import GraphFuseWarning
from graphfuse.read.suspicion import warn_of_ages, warn_of_codes, warn_of_lengths, warn_of_squares
from graphfuse.signal import Signal

SITES = pd.Series(["a", "a", "b", "b"])


def quiet(function, *arguments):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        function(*arguments)


@pytest.mark.parametrize(
    ("values", "code"),
    [([1, 2, 999, 999], 999), ([1, 2, -9, -9999, -9999], -9999), ([30000, 40000, -999, -999], -999)],
)
def test_a_repeated_extreme_value_is_warned_of(values, code):
    with pytest.warns(GraphFuseWarning, match=rf"v \({code}\)"):
        warn_of_codes(pd.DataFrame({"v": values}))


@pytest.mark.parametrize("values", [[1, 2, 999, 3], [900, 999, 999, 980], [-999, -999, -500, 300], [999, 999]])
def test_values_that_may_well_be_so_are_not(values):
    quiet(warn_of_codes, pd.DataFrame({"v": values}))


def test_ages_are_known_by_name_and_range():
    quiet(warn_of_ages, pd.DataFrame({"AGE_AT_SCAN": [6.5, 70, 12, 99], "VOLTAGE": [300.0] * 4}), SITES)
    quiet(warn_of_ages, pd.DataFrame({"age_months": [240.0, 300, 130, 150]}), SITES)
    with pytest.warns(GraphFuseWarning, match="'Age' holds 1 ages above 120"):
        warn_of_ages(pd.DataFrame({"Age": [20, 30, 25, 240.0]}), None)
    with pytest.warns(GraphFuseWarning, match="12 times higher"):
        warn_of_ages(pd.DataFrame({"Age": [8, 8, 96, 96.0]}), SITES)


def series(lengths, t_r=None):
    rng = np.random.default_rng(0)
    return Signal.pack("timeseries", [rng.normal(size=(n, 2)) for n in lengths], t_r=t_r)


def test_lengths_and_repetition_times_are_compared_between_sites():
    quiet(warn_of_lengths, "fmri", series([30, 50, 50, 30]), SITES)  # within sites
    quiet(warn_of_lengths, "fmri", series([30, 30, 60, 60]), pd.Series(["", "", "", ""]))
    with pytest.warns(GraphFuseWarning, match=r"frames \(30 to 60\).*fmri_frames"):
        warn_of_lengths("fmri", series([30, 30, 60, 60]), SITES)
    other = series([30] * 4, np.array([2.0, 2, 3, 3]))
    with pytest.warns(GraphFuseWarning, match="repetition time"):
        warn_of_lengths("fmri", other, SITES)
    quiet(warn_of_lengths, "fmri", other, SITES, True)


def test_squares():
    quiet(warn_of_squares, "signals.a", [np.ones((3, 4))])
    with pytest.warns(GraphFuseWarning, match="1 series"):
        warn_of_squares("signals.a", [np.ones((3, 4)), np.ones((4, 4))])
