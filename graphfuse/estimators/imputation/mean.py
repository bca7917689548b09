"""The training mean in place of a missing modality: what everybody else has to beat."""

from __future__ import annotations

import numpy as np

from graphfuse.estimators.imputation.contract import Blocks, Imputer


class MeanImputation(Imputer):
    """The mean of the training people who have the modality: zeros in vectors that are centred on them."""

    def _fit(self, blocks: Blocks, present: Blocks) -> None:
        pass

    def _guess(self, name: str, blocks: Blocks, present: Blocks) -> np.ndarray:
        return np.zeros((len(present[name]), len(self.means_[name])))
