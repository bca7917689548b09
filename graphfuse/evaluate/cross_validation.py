"""cross_validate: every model on the same folds, each test subject scored by a model that never saw a label of his."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from joblib import Parallel, delayed, parallel_config
from sklearn.base import clone

from graphfuse._check import check_option
from graphfuse._progress import progress
from graphfuse.cohort import Cohort
from graphfuse.evaluate.leaks import leak_columns
from graphfuse.evaluate.models import baselines as all_baselines
from graphfuse.evaluate.models import controls
from graphfuse.evaluate.result import CrossValidation
from graphfuse.evaluate.splits import Splits
from graphfuse.evaluate.store import Piece, Store, fingerprint


@dataclass(frozen=True)
class Fold:
    """One split: who trains, who is tested, and the phenotypes that give the class of the training subjects away."""

    repeat: int
    fold: int
    train: np.ndarray
    test: np.ndarray
    leaks: tuple[str, ...]


def cross_validate(
    model,
    cohort: Cohort,
    splits: Splits | None = None,
    *,
    baselines: str = "all",
    n_jobs: int = 1,
    out=None,
) -> CrossValidation:
    """Score `model` and its baselines on the same folds.

    In a fold every model gets the training subjects with their labels beside them, without the phenotype columns that
    give the class away, and predicts test subjects whose labels are not there.

    Parameters
    ----------
    model : estimator or dict of str to estimator
        One is called ``model`` in the tables (``fusion`` for a FusionClassifier, ``population`` for a
        PopulationClassifier).
    cohort : Cohort
        With labels.
    splits : Splits or None
        None = ``Splits()``: ten folds, stratified by class and site, nobody's person or family on both sides.
    baselines : {"all", "none"}
        Add majority, confounds, ridges, their mean, SVM, MLP, and each graph model with no and with shuffled edges.
    n_jobs : int
        Processes, through joblib.
    out : path or None
        Folder to keep finished pieces in, so that a run goes on where it was killed.

    Returns
    -------
    CrossValidation
    """
    check_option("baselines", baselines, ("all", "none"))
    models = dict(model) if isinstance(model, Mapping) else {_name(model): model}
    if baselines == "all":
        extra = {key: value for name, m in models.items() for key, value in controls(name, m).items()}
        models = {**all_baselines(cohort), **models, **{k: v for k, v in extra.items() if k not in models}}
    splits = splits or Splits()
    folds = list(_folds(cohort, splits))
    store = Store(out, fingerprint(cohort, models, splits) if out is not None else "")
    pieces = _run(models, cohort, folds, store, n_jobs)
    return _result(cohort, splits, models, folds, pieces)


def _folds(cohort: Cohort, splits: Splits) -> Iterator[Fold]:
    for number, (train, test) in enumerate(splits.split(cohort)):
        repeat, fold = divmod(number, splits.get_n_splits(cohort) // splits.repeats)
        yield Fold(repeat, fold, train, test, withheld(cohort[train]))


def withheld(cohort: Cohort) -> tuple[str, ...]:
    """Phenotype columns that give the class of these (training) subjects away; no model is shown them."""
    table = leak_columns(cohort.phenotypes.drop(columns=[cohort.target]), cohort.y)
    return tuple(table.loc[table["verdict"] == "leak", "column"])


def _run(models: Mapping, cohort: Cohort, folds: list[Fold], store: Store, n_jobs: int) -> dict:
    """(model, repeat, fold) -> Piece; pieces that the store holds are not done again."""
    pieces, missing = {}, []
    for fold in folds:
        for name in models:
            piece = store.load(name, fold.repeat, fold.fold)
            if piece is None:
                missing.append((name, fold))
            else:
                pieces[name, fold.repeat, fold.fold] = piece
    with parallel_config("loky", inner_max_num_threads=None if n_jobs == 1 else 1):
        work = Parallel(n_jobs=n_jobs, return_as="generator_unordered")(
            delayed(_piece)(name, models[name], cohort, fold) for name, fold in missing
        )
        with warnings.catch_warnings():  # joblib replaces a worker that has grown; nothing is lost
            warnings.filterwarnings("ignore", "A worker stopped while some jobs were given")
            for key, piece in progress(work, "Cross-validating", total=len(missing)):
                store.save(key, piece)
                pieces[key] = piece
    return pieces


def _piece(name: str, model, cohort: Cohort, fold: Fold) -> tuple[tuple[str, int, int], Piece]:
    """Fit one model on one fold's training subjects and predict its test subjects."""
    blind, y = cohort.blind(drop=fold.leaks), cohort.y
    train, test = blind[fold.train], blind[fold.test]
    began = time.perf_counter()
    options = {"unlabelled": test} if getattr(model, "transductive", False) else {}
    fitted = clone(model).fit(train, y[fold.train], **options)
    probabilities = _all_classes(fitted, test, len(cohort.classes))
    seconds = time.perf_counter() - began
    return (name, fold.repeat, fold.fold), Piece(probabilities, seconds, fitted if hasattr(fitted, "views_") else None)


def _all_classes(fitted, test: Cohort, n_classes: int) -> np.ndarray:
    """Probabilities (n, C) in the cohort's order of classes; 0 for a class that the training subjects lacked."""
    full = np.zeros((len(test), n_classes))
    full[:, np.asarray(fitted.classes_, int)] = fitted.predict_proba(test)
    return full


def _name(model) -> str:
    names = {"FusionClassifier": "fusion", "PopulationClassifier": "population"}
    return names.get(type(model).__name__, "model")


def _result(cohort: Cohort, splits: Splits, models: dict, folds: list[Fold], pieces: dict) -> CrossValidation:
    """Tables of the pieces, in the order of models, repeats and folds."""
    rows, seconds, leaks = [], [], []
    names = cohort.phenotypes[cohort.target]
    for name in models:
        for fold in folds:
            piece = pieces[name, fold.repeat, fold.fold]
            table = pd.DataFrame(piece.probabilities, columns=[f"p_{c}" for c in cohort.classes])
            subjects = cohort.subjects[fold.test]
            place = {"model": name, "repeat": fold.repeat, "fold": fold.fold, "subject": subjects}
            rows.append(pd.concat([pd.DataFrame(place | {"y_true": names.iloc[fold.test].to_numpy()}), table], axis=1))
            seconds.append((name, fold.repeat, fold.fold, piece.seconds))
    for fold in folds:
        leaks += [(fold.repeat, fold.fold, column) for column in fold.leaks]
    return CrossValidation(
        cohort,
        splits,
        pd.concat(rows, ignore_index=True),
        splits.table(cohort),
        pd.DataFrame(leaks, columns=["repeat", "fold", "column"]),
        pd.DataFrame(seconds, columns=["model", "repeat", "fold", "seconds"]),
        models,
        {key: piece.fitted for key, piece in pieces.items() if piece.fitted is not None},
    )
