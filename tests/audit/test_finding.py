from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest

from graphfuse.audit import Finding


def test_a_finding_cannot_be_changed_afterwards():
    with pytest.raises(FrozenInstanceError):
        Finding("check", "model", "leak", "found").verdict = "pass"
