from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from scipy.linalg import logm

from graphfuse.connectome.functional import scale_free_covariance
from graphfuse.estimators.mkl.log_rows import LogRows


def test_inner_products_are_traces_of_products_of_matrix_logarithms(cohort):
    few = cohort[:3]
    rows = LogRows("fmri").fit_transform(few)
    signal = few.signals["fmri"]
    covariances = scale_free_covariance(signal.arrays(), usable=torch.as_tensor(signal.usable)).numpy()
    logs = [logm(S) for S in covariances]
    expected = [[np.trace(A @ B) for B in logs] for A in logs]
    np.testing.assert_allclose(rows @ rows.T, expected, rtol=1e-8)


def test_nobody_measured_gives_zeros(cohort):
    rows = LogRows("fmri")
    rows.fit_transform(cohort[:3])
    missing = replace(cohort.signals["fmri"][:2], length=np.zeros(2, int))
    gone = replace(cohort[:2], signals={**cohort[:2].signals, "fmri": missing})
    assert not rows.transform(gone).any()
