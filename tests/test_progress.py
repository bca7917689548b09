from __future__ import annotations

import sys

from graphfuse._progress import progress


def test_silent_in_a_pipe(capfd):
    assert list(progress(iter("abc"), "reading")) == ["a", "b", "c"]
    assert capfd.readouterr() == ("", "")


def test_a_bar_on_a_terminal(monkeypatch, capfd):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert list(progress([1, 2], "reading fmri")) == [1, 2]
    out, err = capfd.readouterr()
    assert out == ""
    assert "reading fmri" in err
