"""Can the importance be trusted? Every check in one table."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from graphfuse.errors import SingleClassFold
from graphfuse.evaluate.result import CrossValidation
from graphfuse.explain.agreement import importance_stability
from graphfuse.explain.fidelity import BEATEN, faithfulness
from graphfuse.explain.held_out import explained_model
from graphfuse.explain.randomisation import ALIKE, parameter_randomisation
from graphfuse.explain.stability import UNSTABLE

AGREE = {
    "folds": "Models of other training subjects name the same regions.",
    "seeds": "Networks with another start and another inner split name the same regions.",
    "repeats": "Other folds of the same people name the same regions.",
}


@dataclass(frozen=True, eq=False)
class ImportanceChecks:
    """What the checks of an importance found.

    Parameters
    ----------
    table : DataFrame
        check, value, detail, bar (what the value must reach), passed, meaning (what passing says).
    curves : DataFrame or None
        From `faithfulness`; None where no test fold holds both classes.
    """

    table: pd.DataFrame
    curves: pd.DataFrame | None


def importance_checks(
    result: CrossValidation,
    model: str | None = None,
    *,
    steps: int = 4,
    removals: int = 4,
    draws: int = 10,
    random_state: int = 0,
) -> ImportanceChecks:
    """Stability over folds and seeds, randomised weights, faithfulness: a figure, a bar and a verdict each.

    Parameters
    ----------
    result : CrossValidation
        With fitted `FusionClassifier`.
    model : str or None
        As in `region_importance`.
    steps : int
        Of `integrated_gradients` for single members and for random networks.
    removals, draws : int
        ``steps`` and ``draws`` of `faithfulness`.
    random_state : int

    Returns
    -------
    ImportanceChecks

    Raises
    ------
    InvalidOption
    """
    model = explained_model(result, model)
    rows = [
        (
            f"stability over {row.over}",
            row.icc,
            "",
            f"intraclass correlation at least {UNSTABLE}",
            row.stable,
            AGREE[row.over],
        )
        for row in importance_stability(result, model, seed_steps=steps).itertuples()
    ]
    rows.append(_random_weights(parameter_randomisation(result, model, random_steps=steps, random_state=random_state)))
    curves = _curves(result, model, removals, draws, random_state)
    rows += [] if curves is None else [_faithful(curves)]
    table = pd.DataFrame(rows, columns=["check", "value", "detail", "bar", "passed", "meaning"])
    return ImportanceChecks(table.astype({"passed": bool}), curves)


def _random_weights(table: pd.DataFrame) -> tuple:
    row = table.set_index("randomised").loc["all weights"]
    value = max(row["spearman"], row["spearman_signed"])
    meaning = "A network that learned nothing ranks the regions otherwise."
    return "random weights", value, "", f"rank correlation below {ALIKE}", row["passed"], meaning


def _curves(result, model: str, removals: int, draws: int, random_state: int) -> pd.DataFrame | None:
    try:
        return faithfulness(result, model, steps=removals, draws=draws, random_state=random_state)
    except SingleClassFold:
        return None


def _faithful(curves: pd.DataFrame) -> tuple:
    found = curves.attrs
    beaten = round(found["beaten"] * found["draws"])
    detail = f"[{found['area_low']:.3f}, {found['area_high']:.3f}], {beaten} of {found['draws']} beaten"
    bar = f"AUC lost beyond random removal: interval above 0, {BEATEN:.0%} of random orders beaten"
    meaning = "Without the leading regions the model knows less than without as many random ones."
    return "faithfulness", found["area"], detail, bar, found["faithful"], meaning
