"""Tables of what a cross-validated model's held-out scores rest on: regions, edges, networks."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd

from graphfuse._check import check_option
from graphfuse._progress import progress
from graphfuse.errors import GraphFuseWarning, InvalidOption
from graphfuse.estimators.fusion_classifier import FusionClassifier
from graphfuse.evaluate.result import CrossValidation
from graphfuse.explain.contribution import Contribution, contributions
from graphfuse.explain.stability import fold_icc, rank_stability, top_share
from graphfuse.signal import Signal

TOP = 10  # a region is stable when it is among the first ten of its modality in most folds
UNSTABLE = 0.4  # intraclass correlation; below it is called poor (Cicchetti 1994)
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
    model = _model_name(result, model)
    folds = _explained(result, model, steps)
    shares = {name: np.stack([_share(fold.parts[name]) for fold in folds]) for name in folds[0].parts}  # (K, R)
    weights = {name: np.array([fold.weight[name] for fold in folds]) for name in shares}  # (K,)
    tables = [
        _region_table(result.cohort.signals[name], name, values, weights[name]) for name, values in shares.items()
    ]
    table = _ranked(pd.concat(tables, ignore_index=True), model)
    table.attrs |= _agreement(shares, weights)
    _warn_if_unstable(table.attrs["icc"])
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
    model = _model_name(result, model)
    folds = _explained(result, model, steps)
    modality = _modality(result, list(folds[0].parts), modality)
    signed = np.stack([_signed_share(fold.parts[modality]) * fold.weight[modality] for fold in folds])  # (K, R, R)
    signal = result.cohort.signals[modality]
    table = _edge_table(signal, signed)
    table = _ranked(table.assign(modality=modality), model)
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


@dataclass(frozen=True)
class _Fold:
    """Contributions in one fold, by modality, and the weight of each modality."""

    parts: dict[str, Contribution]
    weight: dict[str, float]


def _model_name(result: CrossValidation, model: str | None) -> str:
    able = [name for name in result.model_names if isinstance(_any_fitted(result, name), FusionClassifier)]
    if not able:
        raise InvalidOption(
            "No fitted FusionClassifier in this result; run cross_validate with one, its models are kept."
        )
    if model is not None:
        return check_option("model", model, able)
    return next((name for name in able if result.role(name) == "graph"), able[0])


def _any_fitted(result: CrossValidation, name: str):
    return next((fitted for (owner, _, _), fitted in result.fitted.items() if owner == name), None)


@lru_cache(maxsize=2)  # regions and edges are read off the same gradients
def _explained(result: CrossValidation, model: str, steps: int) -> list[_Fold]:
    """Explain each fold's test subjects by the model of this fold."""
    cohort = result.cohort.blind()
    tests = result.folds[result.folds["role"] == "test"].groupby(["repeat", "fold"])["subject"]
    keys = [key for key in tests.groups if (model, *key) in result.fitted]
    folds = []
    for key in progress(keys, "Explaining"):
        rows = cohort.subjects.get_indexer(tests.get_group(key))
        parts = contributions(result.fitted[(model, *key)], cohort[rows], steps)
        folds.append(_Fold(parts, _modality_weights(parts)))
    return folds


def _modality_weights(parts: dict[str, Contribution]) -> dict[str, float]:
    """Shares of the modalities, negative ones counted as 0, summing to 1 (or all 0 when nothing varies)."""
    positive = {name: max(part.total, 0.0) for name, part in parts.items()}
    total = sum(positive.values())
    return {name: value / total if total > 0 else 0.0 for name, value in positive.items()}


def _share(part: Contribution) -> np.ndarray:
    return part.by_region() / max(part.magnitude, np.finfo(float).tiny)


def _signed_share(part: Contribution) -> np.ndarray:
    return np.abs(part.edge) * part.direction / max(part.magnitude, np.finfo(float).tiny)


def _region_table(signal: Signal, modality: str, shares: np.ndarray, weights: np.ndarray) -> pd.DataFrame:
    values = shares * weights[:, None]  # (K, R)
    columns = {"region": signal.names, "modality": modality, "mean": values.mean(0), "sd": _sd(values)}
    return pd.DataFrame({**columns, "stability": top_share(shares, TOP)}).join(_places(signal))


def _agreement(shares: dict[str, np.ndarray], weights: dict[str, np.ndarray]) -> dict[str, float]:
    """Both measures of stability, a modality counting as much as it contributes."""
    parts = np.array([weight.mean() for weight in weights.values()])
    parts = parts / parts.sum() if parts.sum() > 0 else np.full(len(parts), 1 / len(parts))
    measures = {"icc": fold_icc, "rank_stability": rank_stability}
    return {key: float(parts @ [measure(v) for v in shares.values()]) for key, measure in measures.items()}


def _edge_table(signal: Signal, signed: np.ndarray) -> pd.DataFrame:
    names, place = np.array(signal.names, dtype=object), _places(signal)[["x", "y", "z"]].to_numpy()
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


def _places(signal: Signal) -> pd.DataFrame:
    """Network, hemisphere and centre of each region; empty and NaN without an atlas."""
    if signal.atlas is not None:
        return signal.atlas.regions[PLACE].reset_index(drop=True)
    n = len(signal.names)
    return pd.DataFrame({"network": [""] * n, "hemisphere": [""] * n} | {axis: np.full(n, np.nan) for axis in "xyz"})


def _ranked(table: pd.DataFrame, model: str) -> pd.DataFrame:
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
