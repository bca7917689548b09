"""The vault: training labels are handed out, a test label comes out once its prediction can no longer change."""

from __future__ import annotations

from hashlib import blake2b

import numpy as np

from graphfuse._check import check_shape
from graphfuse.errors import LabelLeakageError


class Vault:
    """Labels (N,) of everybody, behind one door for training and one for scoring.

    What leaves through `training` is a copy of the labels asked for and nothing else, so a step that holds it can reach
    no other label. `open` gives the labels of test subjects against predictions that `freeze` has sealed.

    Parameters
    ----------
    y : array (N,) int
        Class codes.
    """

    def __init__(self, y: np.ndarray):
        self.__y = np.array(y)

    def training(self, train: np.ndarray, test: np.ndarray) -> np.ndarray:
        """Labels (n_train,) of the training subjects. Raises `LabelLeakageError` when one of them is tested too."""
        both = np.intersect1d(train, test)
        if len(both):
            raise LabelLeakageError(
                f"Training and test subjects must be different people; {len(both)} stand on both sides. "
                "Mend the splits."
            )
        return self.__y[train]

    def open(self, test: np.ndarray, probabilities: np.ndarray, seal: str) -> np.ndarray:
        """Labels (n_test,) of test subjects whose predictions are frozen.

        Raises `LabelLeakageError` when `probabilities` (n_test, C) are not the ones that were sealed: they were changed
        after the model was done, perhaps by somebody who knows the answer.
        """
        check_shape("probabilities", probabilities, (len(test), None))
        if freeze(probabilities) != seal:
            raise LabelLeakageError(
                "The predictions are not the ones that were sealed when the model had made them; test labels stay "
                "locked. Run this fold again."
            )
        return self.__y[test]


def freeze(probabilities: np.ndarray) -> str:
    """Make `probabilities` read-only and return their seal, a hash of shape and bytes."""
    probabilities.setflags(write=False)
    content = np.ascontiguousarray(probabilities)
    return blake2b(content.tobytes() + repr(content.shape).encode(), digest_size=16).hexdigest()
