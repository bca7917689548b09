"""Does the importance rest on what was learned, or would a network that learned nothing name the same regions?"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy

import numpy as np
import pandas as pd
import torch
from scipy.stats import spearmanr
from sklearn.base import clone

from graphfuse._check import check_range
from graphfuse.evaluate.result import CrossValidation
from graphfuse.explain.contribution import Contribution
from graphfuse.explain.held_out import HeldOut, explained_model, held_out
from graphfuse.explain.importance import FoldShares, explained_folds

ALIKE = 0.2  # rank correlation from which on a random network names much the same regions
STAGES = {"head": ("head",), "head, fusion": ("head", "fusion"), "all weights": ("head", "fusion", "encoders")}


def parameter_randomisation(
    result: CrossValidation,
    model: str | None = None,
    *,
    draws: int = 1,
    cascade: bool = False,
    retrain: bool = False,
    steps: int = 16,
    random_steps: int = 8,
    random_state: int = 0,
) -> pd.DataFrame:
    """Correlate the importance with that of the same network with weights drawn afresh.

    An explanation that survives this says something about the data or the architecture, not about what was learned.
    In each fold both networks explain the same test subjects. The figure is Spearman's correlation over the regions of
    a modality, modalities weighted by what they contribute, mean over folds and draws.

    Parameters
    ----------
    result : CrossValidation
        With fitted `FusionClassifier`.
    model : str or None
        As in `region_importance`.
    draws : int
        Random networks a fold, at least 1.
    cascade : bool
        Also randomise the head only, and head and fusion only, keeping the trained encoders.
    retrain : bool
        Also train each fold's model anew on permuted labels; takes as long as the cross-validation did.
    steps, random_steps : int
        Of `integrated_gradients`, for the trained and for the random networks.
    random_state : int

    Returns
    -------
    DataFrame
        randomised (``head``, ``head, fusion``, ``all weights``, ``labels permuted``), n (networks), spearman (of the
        importance), spearman_signed (units that work against the others counting as negative), passed (both are below
        0.2; of the rows before ``all weights`` nothing is asked: the encoders still know where to look).

    Raises
    ------
    InvalidOption

    References
    ----------
    Adebayo et al. (2018). Sanity checks for saliency maps. NeurIPS, arXiv 1810.03292.
    """
    check_range("draws", draws, 1)
    model, found = explained_model(result, model), []
    originals = explained_folds(result, model, steps)
    for i, (fold, original) in enumerate(zip(held_out(result, model, "Randomising"), originals, strict=True)):
        for stage, network in _others(result, model, fold, draws, cascade, retrain, [random_state, i]):
            found.append((stage, *_alike(original, fold.explain(network, random_steps))))
    table = pd.DataFrame(found, columns=["randomised", "spearman", "spearman_signed"])
    groups = table.groupby("randomised", sort=False)
    table = groups.mean().assign(n=groups.size()).reset_index()[["randomised", "n", "spearman", "spearman_signed"]]
    return table.assign(passed=(table[["spearman", "spearman_signed"]] < ALIKE).all(axis=1))


def _others(
    result: CrossValidation, model: str, fold: HeldOut, draws: int, cascade: bool, retrain: bool, seed: list[int]
) -> Iterator[tuple[str, torch.nn.Module]]:
    """The networks to compare with, each with the name of its stage."""
    stages = STAGES if cascade else {"all weights": STAGES["all weights"]}
    for state in np.random.SeedSequence(seed).generate_state(draws).tolist():
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(state)
            fresh = fold.fitted.build_network()
        for stage, parts in stages.items():
            yield stage, _partly(fold.fitted.network_, fresh, parts)
    if retrain:
        y = np.random.default_rng(seed).permutation(result.cohort.y[fold.train])
        yield "labels permuted", clone(result.estimators[model]).fit(result.cohort.blind()[fold.train], y).network_


def _partly(trained, fresh, parts: tuple[str, ...]):
    """The trained ensemble with these parts of every member taken from the fresh one."""
    network = deepcopy(trained)
    for member, other in zip(network.members, fresh.members, strict=True):
        for part in parts:
            setattr(member, part, getattr(other, part))
    return network


def _alike(original: FoldShares, other: dict[str, Contribution]) -> tuple[float, float]:
    """Spearman's correlation of the regions' absolute and of their signed contributions."""
    weight = np.array(list(original.weight.values()))
    weight = weight / weight.sum() if weight.sum() > 0 else np.full(len(weight), 1 / len(weight))
    pairs = [(part, other[name]) for name, part in original.parts.items()]
    absolute = [_spearman(a.by_region(), b.by_region()) for a, b in pairs]
    signed = [_spearman(a.signed_region(), b.signed_region()) for a, b in pairs]
    return float(weight @ absolute), float(weight @ signed)


def _spearman(a: np.ndarray, b: np.ndarray) -> float:
    """0 where one of the two is constant: it ranks nothing."""
    return float(spearmanr(a, b).statistic) if np.ptp(a) > 0 and np.ptp(b) > 0 else 0.0
