"""A missing modality as the mean of those who are alike in the modalities that both have."""

from __future__ import annotations

import numpy as np

from graphfuse.estimators.imputation.contract import Blocks, Imputer
from graphfuse.estimators.imputation.neighbours import People, nearest_shares


class NearestImputation(Imputer):
    """Weighted mean of the modality over the k nearest training people who have it.

    ``z_i^m = sum_k w_ik z_k^m``, near in the modalities that both have, each counting the same. Who shares no modality
    with anybody gets the training mean. The fitted imputer holds the vectors of its training people.

    Parameters
    ----------
    k : int
        Neighbours; 10 is our choice.
    weights : str
        ``distance``, inverse to it, or ``uniform``.

    References
    ----------
    Troyanskaya et al. (2001). Missing value estimation methods for DNA microarrays. Bioinformatics 17:520-525.
    Zhang et al. (2022). M3Care: learning with missing modalities in multimodal healthcare data. KDD.
    """

    def __init__(self, k: int = 10, weights: str = "distance"):
        self.k = k
        self.weights = weights

    def _fit(self, blocks: Blocks, present: Blocks) -> None:
        self.people_ = People(blocks, present)
        self.lengths_ = self.people_.lengths()

    def _guess(self, name: str, blocks: Blocks, present: Blocks) -> np.ndarray:
        donors = self.people_[self.people_.present[name]]
        shares = nearest_shares(People(blocks, present), donors, self.lengths_, self.k, self.weights)
        return shares @ donors.blocks[name]
