from pathlib import Path

import pytest

from graphfuse.report.privacy import WITHHELD, clean


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/home/jane/data.tsv", WITHHELD),
        ("no site in /home/jane/x.tsv: leave it", f"no site in {WITHHELD} leave it"),
        ("out=runs/jane, folds=3", f"out={WITHHELD}, folds=3"),
        (r"C:\Users\jane\cohort.toml", WITHHELD),
        ("~/abide.toml", WITHHELD),
        (Path("cohort.toml"), WITHHELD),
        ("<function f at 0x7f00aa>", "<function f>"),
        ("12 frames; at least 30", "12 frames; at least 30"),
        (["default", 3], "['default', 3]"),
    ],
)
def test_paths_and_addresses_go(text, expected):
    assert clean(text, ()) == expected


def test_ids_go_and_numbers_that_only_hold_a_short_one_stay():
    cleaned = clean("subject Pitt_0050003 has 7 of 17 frames", {"7", "Pitt_0050003"})
    assert cleaned == f"subject {WITHHELD} has {WITHHELD} of 17 frames"


def test_an_id_inside_another_does_not_leave_its_rest():
    assert clean("anon-12345", {"anon-1234", "anon-12345"}) == WITHHELD
