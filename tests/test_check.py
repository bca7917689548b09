import numpy as np
import pytest

from graphfuse._check import check_finite, check_option, check_range, check_shape
from graphfuse.errors import GraphFuseError, InvalidOption, NonFinite, ShapeMismatch


def test_an_option_that_is_not_one_gets_the_list_and_the_nearest():
    assert check_option("fusion", "add", ("add", "gated")) == "add"
    with pytest.raises(InvalidOption, match=r"fusion must be one of add, gated; got 'gate'\. Did you mean 'gated'\?"):
        check_option("fusion", "gate", ("add", "gated"))


@pytest.mark.parametrize(("value", "open_low", "passes"), [(0, False, True), (0, True, False), (1.1, False, False)])
def test_a_range_says_which_ends_belong_to_it(value, open_low, passes):
    if passes:
        assert check_range("density", value, 0, 1, open_low=open_low) == value
    else:
        with pytest.raises(InvalidOption, match=r"density must lie in [\[(]0, 1\]"):
            check_range("density", value, 0, 1, open_low=open_low)


def test_a_nan_is_outside_every_range():
    with pytest.raises(InvalidOption):
        check_range("density", float("nan"), 0, 1)


def test_a_shape_names_both():
    assert check_shape("x", np.zeros((3, 4)), (None, 4)).shape == (3, 4)
    with pytest.raises(ShapeMismatch, match=r"x must have shape \(any, 5\); got \(3, 4\)"):
        check_shape("x", np.zeros((3, 4)), (None, 5))
    with pytest.raises(ShapeMismatch):
        check_shape("x", np.zeros((3, 4)), (None, 4, 1))


def test_non_finite_entries_are_counted():
    assert check_finite("x", np.ones(3)).sum() == 3
    with pytest.raises(NonFinite, match="2 of 4 entries"):
        check_finite("x", np.array([1, np.nan, np.inf, 0]))


def test_the_subject_is_in_the_error_and_not_in_its_message():
    error = GraphFuseError("signals['fmri'][3] is short.", subject="canary-50003")
    assert error.subject == "canary-50003"
    assert "canary" not in str(error)


def test_of_very_many_options_the_nearest_are_named():
    options = [f"model-{i:02d}" for i in range(60)]
    with pytest.raises(InvalidOption) as error:
        check_option("name", "modle-07", options)
    assert "(60 in all)" in str(error.value)
    assert "Did you mean 'model-07'?" in str(error.value)
    assert str(error.value).count("model-") == 6  # five, and the one that is meant
    with pytest.raises(InvalidOption, match=r"model-00, model-01, .* in all\); got 'zzz'\.$"):
        check_option("name", "zzz", options)
