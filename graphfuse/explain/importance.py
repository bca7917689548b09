"""Tables of what a cross-validated model's held-out scores rest on: regions, edges, networks."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import pandas as pd

from graphfuse._check import check_option
from graphfuse.errors import GraphFuseWarning
from graphfuse.evaluate.result import CrossValidation
from graphfuse.explain.contribution import Contribution
from graphfuse.explain.held_out import explained_model, held_out
from graphfuse.explain.stability import UNSTABLE, fold_agreement, top_share
from graphfuse.signal import Signal

TOP = 10  # a region is stable when it is among the first ten of its modality in most folds
PLACE = ["network", "hemisphere", "x", "y", "z"]


def region_importance(result: CrossValidation, model: str | None = None, steps: int = 16) -> pd.DataFrame:
    """Rank the regions by what they contribute to the scores of held-out subjects.

    In each fold the model of the fold explains its own test subjects, whose labels are not looked at.
    ``I_r = w_m (|c_r| + sum_s |c_rs| / 2) / sum over all units of m``, with the variance shares c of `contributions`
    and ``w_m`` the share of modality m, negative ones counted as 0. So the importances of a fold sum to 1 over all
    regions of all modalities, and a modality does not gain by having more edges.

    Parameters
    ----------
    result : CrossValidation
        With fitted `FusionClassifier`.
    model : str or None
        Name of the model; None = the first graph model that was fitted.
    steps : int
        See `integrated_gradients`.

    Returns
    -------
    DataFrame
        model, region, modality, mean, sd (over folds), rank (1 = largest mean), stability (share of folds in which
        the region is among the first ten of its modality), network, hemisphere, x, y, z [MNI mm]; sorted by rank.
        ``attrs`` hold how well the folds agree: ``icc`` (of the values, see `fold_icc`) and ``rank_stability`` (of
        the ranks of all regions, see `rank_stability`), means over modalities weighted by what they contribute.

    Raises
    ------
    InvalidOption
        No such model, or one that cannot be explained.

    Warns
    -----
    GraphFuseWarning
        The intraclass correlation over folds is under 0.4.
    """
    table = importance_table(result, explained_model(result, model), steps)
    _warn_if_unstable(table.attrs["icc"])
    return table


def importance_table(result: CrossValidation, model: str, steps: int = 16) -> pd.DataFrame:
    """`region_importance` without its warning, for checks that judge the stability themselves."""
    shares, weights = stacked(explained_folds(result, model, steps))
    tables = [
        _region_table(result.cohort.signals[name], name, values, weights[name]) for name, values in shares.items()
    ]
    table = ranked(pd.concat(tables, ignore_index=True), model)
    table.attrs |= fold_agreement(shares, weights)
    return table[["model", "region", "modality", "mean", "sd", "rank", "stability", *PLACE]]


def edge_importance(
    result: CrossValidation, model: str | None = None, modality: str | None = None, steps: int = 16
) -> pd.DataFrame:
    """Rank the edges of one modality, with a sign: positive where a stronger edge pushes to the positive class.

    Parameters
    ----------
    result, model, steps
        As in `region_importance`, on whose scale the values are.
    modality : str or None
        None = the first one of the model whose cohort signal is a connectome, else the first one.

    Returns
    -------
    DataFrame
        region_a, region_b, modality, mean, sd (over folds), rank (1 = largest absolute mean), and the places
        xa, ya, za, xb, yb, zb [MNI mm]; edges that no fold used are left out.

    Raises
    ------
    InvalidOption
    """
    model = explained_model(result, model)
    folds = explained_folds(result, model, steps)
    modality = _modality(result, list(folds[0].parts), modality)
    signed = np.stack([fold.parts[modality].edge_share() * fold.weight[modality] for fold in folds])  # (K, R, R)
    signal = result.cohort.signals[modality]
    table = _edge_table(signal, signed)
    table = ranked(table.assign(modality=modality), model)
    places = [f"{axis}{end}" for end in "ab" for axis in "xyz"]
    return table[["model", "region_a", "region_b", "modality", "mean", "sd", "rank", *places]]


def network_importance(importance: pd.DataFrame) -> pd.DataFrame:
    """Add up the importance of the regions of each network.

    Parameters
    ----------
    importance : DataFrame
        From `region_importance`.

    Returns
    -------
    DataFrame
        model, modality, network, regions (how many), mean (their sum), per_region, rank; regions of no network are
        called ``none``.
    """
    named = importance.assign(network=importance["network"].replace("", "none"))
    groups = named.groupby(["model", "modality", "network"], sort=False)["mean"]
    table = groups.agg(regions="size", mean="sum", per_region="mean").reset_index()
    table = table.sort_values("mean", ascending=False, kind="stable", ignore_index=True)
    return table.assign(rank=np.arange(1, len(table) + 1))


@lru_cache(maxsize=4)  # regions, edges and every check are read off the same gradients
def explained_folds(result: CrossValidation, model: str, steps: int) -> tuple[FoldShares, ...]:
    """Explain each fold's test subjects by the model of this fold."""
    return tuple(FoldShares(fold.repeat, fold.explain(fold.fitted.network_, steps)) for fold in held_out(result, model))


@dataclass(frozen=True, eq=False)
class FoldShares:
    """Contributions in one fold, by modality, and on which scale regions of all modalities compare."""

    repeat: int
    parts: dict[str, Contribution]

    @cached_property
    def weight(self) -> dict[str, float]:
        """Shares of the modalities, negative ones counted as 0, summing to 1 (or all 0 when nothing varies)."""
        positive = {name: max(part.total, 0.0) for name, part in self.parts.items()}
        total = sum(positive.values())
        return {name: value / total if total > 0 else 0.0 for name, value in positive.items()}


def stacked(folds: Sequence[FoldShares]) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Shares of the regions within their modality, (K, R), and weights of the modalities, (K,), over K folds."""
    names = list(folds[0].parts)
    shares = {name: np.stack([fold.parts[name].region_share() for fold in folds]) for name in names}
    return shares, {name: np.array([fold.weight[name] for fold in folds]) for name in names}


def _region_table(signal: Signal, modality: str, shares: np.ndarray, weights: np.ndarray) -> pd.DataFrame:
    values = shares * weights[:, None]  # (K, R)
    columns = {"region": signal.names, "modality": modality, "mean": values.mean(0), "sd": _sd(values)}
    return pd.DataFrame({**columns, "stability": top_share(shares, TOP)}).join(places_of(signal))


def _edge_table(signal: Signal, signed: np.ndarray) -> pd.DataFrame:
    names, place = np.array(signal.names, dtype=object), places_of(signal)[["x", "y", "z"]].to_numpy()
    a, b = np.triu_indices(len(names), 1)
    used = (signed[:, a, b] != 0).any(0)
    a, b = a[used], b[used]
    values = signed[:, a, b]  # (K, E)
    columns = {"region_a": names[a], "region_b": names[b], "mean": values.mean(0), "sd": _sd(values)}
    ends = {f"{axis}{end}": place[rows, i] for end, rows in (("a", a), ("b", b)) for i, axis in enumerate("xyz")}
    return pd.DataFrame({**columns, **ends})


def _sd(values: np.ndarray) -> np.ndarray:
    """Standard deviation over folds (K first); 0 for a single fold."""
    return values.std(0, ddof=1) if len(values) > 1 else np.zeros(values.shape[1:])


def places_of(signal: Signal) -> pd.DataFrame:
    """Network, hemisphere and centre of each region; empty and NaN without an atlas."""
    if signal.atlas is not None:
        return signal.atlas.regions[PLACE].reset_index(drop=True)
    n = len(signal.names)
    return pd.DataFrame({"network": [""] * n, "hemisphere": [""] * n} | {axis: np.full(n, np.nan) for axis in "xyz"})


def ranked(table: pd.DataFrame, model: str) -> pd.DataFrame:
    """The largest absolute value first."""
    table = table.sort_values("mean", key=np.abs, ascending=False, kind="stable", ignore_index=True)
    return table.assign(model=model, rank=np.arange(1, len(table) + 1))


def _modality(result: CrossValidation, names: list[str], modality: str | None) -> str:
    if modality is not None:
        return check_option("modality", modality, names)
    kinds = {name: result.cohort.signals[name].kind for name in names}
    return next((name for name in names if kinds[name] in ("timeseries", "connectivity")), names[0])


def _warn_if_unstable(icc: float) -> None:
    if icc < UNSTABLE:
        warnings.warn(
            f"The folds agree little on which regions matter (intraclass correlation {icc:.2f}, under {UNSTABLE}). "
            "Trust no single region: read sd and stability beside the mean; more subjects make them firmer.",
            GraphFuseWarning,
            stacklevel=3,
        )
