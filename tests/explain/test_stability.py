from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from graphfuse.errors import NonFinite
from graphfuse.explain import fold_icc, rank_stability, top_share

SHROUT_FLEISS = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]).T


def test_rank_stability_is_the_mean_spearman_correlation():
    per_fold = np.random.default_rng(0).integers(0, 9, (4, 20))  # with ties
    wanted = spearmanr(per_fold.T).statistic[np.triu_indices(4, 1)].mean()
    assert rank_stability(per_fold) == pytest.approx(wanted)


def test_icc_of_the_example_of_shrout_and_fleiss():
    assert fold_icc(SHROUT_FLEISS) == pytest.approx(0.7148, abs=1e-4)


def test_extremes():
    assert rank_stability(np.tile(np.arange(5.0), (3, 1))) == pytest.approx(1)
    assert fold_icc(np.tile(np.arange(5.0), (3, 1))) == pytest.approx(1)
    assert rank_stability(np.ones((3, 5))) == fold_icc(np.ones((3, 5))) == 0
    assert rank_stability(np.arange(5.0)[None]) == fold_icc(np.arange(5.0)[None]) == 1


def test_top_share_counts_folds_and_never_a_zero():
    per_fold = np.array([[3, 2, 1, 0], [3, 1, 2, 0], [0, 0, 5, 0]])
    np.testing.assert_allclose(top_share(per_fold, 2), [2 / 3, 1 / 3, 2 / 3, 0])


def test_nan_is_refused():
    for measure in (rank_stability, fold_icc, top_share):
        with pytest.raises(NonFinite):
            measure(np.array([[1.0, np.nan]]))
