"""cross_validate: every model on the same folds, each test subject scored by a model that never saw a label of his."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from joblib import Parallel, delayed, effective_n_jobs, parallel_config
from sklearn.base import clone

from graphfuse._check import check_option
from graphfuse._progress import progress
from graphfuse._threads import one_thread
from graphfuse.cohort import Cohort
from graphfuse.estimators.choice import tried
from graphfuse.estimators.fusion_classifier import FusionClassifier
from graphfuse.estimators.together import CourseClassifier, fit_together
from graphfuse.evaluate.costs import Cost, measured, parameter_count
from graphfuse.evaluate.declaration import declaration
from graphfuse.evaluate.leaks import leak_columns
from graphfuse.evaluate.models import baselines as all_baselines
from graphfuse.evaluate.models import controls
from graphfuse.evaluate.result import STEPS, CrossValidation
from graphfuse.evaluate.splits import GivenSplits, Splits
from graphfuse.evaluate.statistics import warn_if_small
from graphfuse.evaluate.store import Piece, Store, fingerprint
from graphfuse.evaluate.vault import Vault, freeze


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
    splits=None,
    *,
    baselines: str = "all",
    n_jobs: int = 1,
    out=None,
    together: bool = False,
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
    splits : Splits, any scikit-learn splitter, list of (train, test), or None
        None = ``Splits()``: ten folds, stratified by class and site, nobody's person or family on both sides. Others'
        splits are refused when they part a person or a family.
    baselines : {"all", "none"}
        Add majority, confounds, ridges, their mean, SVM, MLP, and each graph model with no and with shuffled edges.
    n_jobs : int
        Processes, through joblib.
    out : path or None
        Folder to keep finished pieces in, so that a run goes on where it was killed.
    together : bool
        Train the networks of all folds of a `PopulationClassifier` or `MLP` as one batch (`fit_together`), in as many
        parts as there are processes. Predictions are within 1e-5 of those of one fold after another, whatever the
        parts and whichever folds `out` holds already. One process then holds the training labels of several folds,
        each handed to its own fold's model alone; without it no process holds a label of the fold's test subjects.

    Returns
    -------
    CrossValidation
    """
    check_option("baselines", baselines, ("all", "none"))
    models = dict(model) if isinstance(model, Mapping) else {_name(model): model}
    if baselines == "all":
        extra = {key: value for name, m in models.items() for key, value in controls(name, m).items()}
        models = {**all_baselines(cohort), **models, **{k: v for k, v in extra.items() if k not in models}}
    splits = Splits() if splits is None else splits
    splits = splits if isinstance(splits, (Splits, GivenSplits)) else GivenSplits.of(splits, cohort)
    folds = list(make_folds(cohort, splits))
    warn_if_small(len(cohort))
    store = Store(out, fingerprint(cohort, {}, splits) if out is not None else "", models)
    vault = Vault(cohort.y)
    pieces = _run(models, cohort.blind(), vault, folds, store, n_jobs, together)
    return replace(_result(cohort, vault, splits, models, folds, pieces), together=together)


def make_folds(cohort: Cohort, splits: Splits) -> Iterator[Fold]:
    """The splits, each with the columns that its own training subjects say must be withheld."""
    for number, (train, test) in enumerate(splits.split(cohort)):
        repeat, fold = divmod(number, splits.get_n_splits(cohort) // splits.repeats)
        yield Fold(repeat, fold, train, test, withheld(cohort[train]))


def withheld(cohort: Cohort) -> tuple[str, ...]:
    """Phenotype columns that give the class of these (training) subjects away; no model is shown them."""
    table = leak_columns(cohort.phenotypes.drop(columns=[cohort.target]), cohort.y)
    return tuple(table.loc[table["verdict"] == "leak", "column"])


def _run(
    models: Mapping, blind: Cohort, vault: Vault, folds: list[Fold], store: Store, n_jobs: int, together: bool
) -> dict:
    """(model, repeat, fold) -> Piece; pieces that the store holds are not done again. No fold gets its test labels."""
    pieces, missing = {}, []
    for fold in folds:
        for name in models:
            piece = store.load(name, fold.repeat, fold.fold)
            if piece is None:
                missing.append((name, (vault.training(fold.train, fold.test), fold)))
            else:
                pieces[name, fold.repeat, fold.fold] = piece
    batched = [name for name, model in models.items() if together and isinstance(model, CourseClassifier)]
    work = [delayed(_piece)(store, name, models[name], blind, *lot) for name, lot in missing if name not in batched]
    for name in batched:
        lots = [lot for other, lot in missing if other == name]
        parts = min(effective_n_jobs(n_jobs), len(lots))
        work += [delayed(_pieces)(store, name, models[name], blind, lots[part::parts]) for part in range(parts)]
    with parallel_config("loky", inner_max_num_threads=1):
        done = Parallel(n_jobs=n_jobs, batch_size=1, return_as="generator_unordered")(work)
        with warnings.catch_warnings():  # joblib replaces a worker that has grown; nothing is lost
            warnings.filterwarnings("ignore", "A worker stopped while some jobs were given")
            for made in progress(done, "Cross-validating", total=len(work)):
                pieces |= made
    return pieces


def _piece(
    store: Store, name: str, model, blind: Cohort, y_train: np.ndarray, fold: Fold
) -> dict[tuple[str, int, int], Piece]:
    """Fit one model on one fold's training subjects, predict its test subjects and keep what came out.

    Kept by the worker itself, so that a kill costs a worker what it was working on and nothing that it had finished.
    On one thread whatever `n_jobs`, so that the same seed gives the same bits.
    """
    with measured() as cost, one_thread():
        fitted, probabilities = fit_fold(model, blind, y_train, fold)
    return _kept(store, (name, fold.repeat, fold.fold), fitted, probabilities, cost)


def _pieces(
    store: Store, name: str, model, blind: Cohort, lots: list[tuple[np.ndarray, Fold]]
) -> dict[tuple[str, int, int], Piece]:
    """The same for several folds whose networks are trained as one batch; each fold's model sees its own labels."""
    made = {}
    with measured() as whole, one_thread():
        shown = [_shown(model, blind, fold) for _, fold in lots]
        trains, tests, unlabelled = zip(*shown, strict=True)
        fitted = fit_together([clone(model) for _ in lots], trains, [y_train for y_train, _ in lots], unlabelled)
        probabilities = [_all_classes(*pair, len(blind.classes)) for pair in zip(fitted, tests, strict=True)]
    cost = Cost(whole.seconds / len(lots), whole.peak_mb)  # the memory is that of all folds together
    for (_, fold), *one in zip(lots, fitted, probabilities, strict=True):
        made |= _kept(store, (name, fold.repeat, fold.fold), *one, cost)
    return made


def _kept(store: Store, key: tuple[str, int, int], fitted, probabilities: np.ndarray, cost: Cost) -> dict:
    """The finished piece under its key, once it is in the store."""
    piece = Piece(
        probabilities,
        cost.seconds,
        explained if isinstance(explained := getattr(fitted, "best_estimator_", fitted), FusionClassifier) else None,
        freeze(probabilities),
        tried(fitted),
        declaration(fitted).to_numpy().tolist(),
        parameter_count(fitted),
        cost.peak_mb,
    )
    store.save(key, piece)
    return {key: piece}


def fit_fold(model, blind: Cohort, y_train: np.ndarray, fold: Fold) -> tuple[object, np.ndarray]:
    """A clone of `model` fitted on the training subjects, and its probabilities (n_test, C) for the test subjects."""
    train, test, unlabelled = _shown(model, blind, fold)
    options = {} if unlabelled is None else {"unlabelled": unlabelled}
    fitted = clone(model).fit(train, y_train, **options)
    return fitted, _all_classes(fitted, test, len(blind.classes))


def _shown(model, blind: Cohort, fold: Fold) -> tuple[Cohort, Cohort, Cohort | None]:
    """The training subjects, the test subjects, and those of them that the model takes in without labels."""
    shown = blind.blind(drop=fold.leaks)
    train, test = shown[fold.train], shown[fold.test]
    return train, test, test if getattr(model, "transductive", False) else None


def _all_classes(fitted, test: Cohort, n_classes: int) -> np.ndarray:
    """Probabilities (n, C) in the cohort's order of classes; 0 for a class that the training subjects lacked."""
    full = np.zeros((len(test), n_classes))
    full[:, np.asarray(fitted.classes_, int)] = fitted.predict_proba(test)
    return full


def _name(model) -> str:
    names = {"FusionClassifier": "fusion", "PopulationClassifier": "population"}
    return names.get(type(model).__name__, "model")


def _result(
    cohort: Cohort, vault: Vault, splits: Splits, models: dict, folds: list[Fold], pieces: dict
) -> CrossValidation:
    """Tables of the pieces, in the order of models, repeats and folds; here the vault opens."""
    rows, seconds, leaks, steps = [], [], [], {}
    names = np.array(cohort.classes, dtype=object)
    for name in models:
        for fold in folds:
            piece = pieces[name, fold.repeat, fold.fold]
            table = pd.DataFrame(piece.probabilities, columns=[f"p_{c}" for c in cohort.classes])
            subjects = cohort.subjects[fold.test]
            place = {"model": name, "repeat": fold.repeat, "fold": fold.fold, "subject": subjects}
            y_true = names[vault.open(fold.test, piece.probabilities, piece.seal)]
            rows.append(pd.concat([pd.DataFrame(place | {"y_true": y_true}), table], axis=1))
            seconds.append((name, fold.repeat, fold.fold, piece.seconds, piece.parameters, piece.peak_mb))
            steps |= {(name, *step): piece.tried for step in piece.steps}
    for fold in folds:
        leaks += [(fold.repeat, fold.fold, column) for column in fold.leaks]
    return CrossValidation(
        cohort,
        splits,
        pd.concat(rows, ignore_index=True),
        splits.table(cohort),
        pd.DataFrame(leaks, columns=["repeat", "fold", "column"]),
        pd.DataFrame(seconds, columns=["model", "repeat", "fold", "seconds", "parameters", "peak_mb"]),
        models,
        {key: piece.fitted for key, piece in pieces.items() if piece.fitted is not None},
        pd.DataFrame([(*step, n) for step, n in steps.items()], columns=STEPS),
    )
