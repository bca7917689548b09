from __future__ import annotations

import numpy as np

import graphfuse as gf
from graphfuse.audit.pipeline import Pipeline
from graphfuse.audit.repeat import repeat


def test_a_pipeline_without_a_seed_is_doubted(noise):
    def restless(cohort, train, test):
        return np.random.default_rng().random((len(test), 2))

    folds = list(gf.Splits(folds=3).split(noise))[:1]
    for run, verdict in ((restless, "doubt"), (gf.Ridge(), "pass")):
        pipeline = Pipeline("m", run)
        assert repeat(pipeline, noise, folds, pipeline.outcome(noise, folds)).verdict == verdict
