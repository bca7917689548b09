"""Run it again: without the same bits twice, no comparison of bits means anything."""

from __future__ import annotations

from collections.abc import Sequence

from graphfuse.audit.finding import Finding
from graphfuse.audit.pipeline import Outcome, Pipeline, Split
from graphfuse.audit.state import state_digest
from graphfuse.cohort import Cohort


def repeat(pipeline: Pipeline, cohort: Cohort, splits: Sequence[Split], before: Outcome) -> Finding:
    """The same run gives the same predictions and the same fitted state."""
    after = pipeline.outcome(cohort, splits)
    same = after.probabilities.tobytes() == before.probabilities.tobytes()
    state = before.fitted is None or state_digest(after.fitted) == state_digest(before.fitted)
    if same and state:
        return Finding("repeat", pipeline.name, "pass", "the same run gives the same bits")
    text = f"a second run gives other {'state' if same else 'predictions'}, so that nothing can be proved about it"
    return Finding(
        "repeat", pipeline.name, "doubt", text, "Set random_state (torch.manual_seed, numpy Generators) inside."
    )
