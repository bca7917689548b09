"""What every imputer of modality vectors does: learn from training people, fill in who lacks a modality."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from sklearn.base import BaseEstimator

from graphfuse._check import check_finite, check_shape
from graphfuse.errors import MissingModality, NotFitted

Blocks = Mapping[str, np.ndarray]  # modality -> vectors (N, P_m), or who has it (N,) bool


class Imputer(BaseEstimator):
    """Vectors of people who lack a modality, guessed from the modalities that they have.

    A child writes ``_fit(blocks, present)`` and ``_guess(name, blocks, present) -> (n, P_name)``. Both get float64
    blocks less the training mean, with zeros where a modality is missing; the n people of `_guess` all lack `name`.
    What was measured is returned bit for bit, the values in the rows of a missing modality are never read, and each
    person is filled in from the training people alone.

    Attributes
    ----------
    means_ : dict of array (P_m,)
        Of the training people who have the modality.
    """

    uses_y = False
    scope = "training"

    def fit(self, blocks: Blocks, present: Blocks) -> Imputer:
        """Learn from training people.

        Parameters
        ----------
        blocks : dict of str to array (N, P_m)
        present : dict of str to bool array (N,)
            Who has which modality.

        Raises
        ------
        MissingModality
            A modality that nobody has.
        ShapeMismatch, NonFinite
            Blocks of unequal length; a measured row with a NaN or an infinity.
        """
        if not blocks:
            raise MissingModality("Expected one modality at least to impute from; got none. Name blocks={...}.")
        blocks, present = entered(blocks, present)
        for name, has in present.items():
            if not has.any():
                raise MissingModality(f"No training subject has {name!r}; leave this modality out.")
        self.means_ = {name: block[present[name]].mean(0, dtype=np.float64) for name, block in blocks.items()}
        self._fit(self._centred(blocks, present), present)
        return self

    def transform(self, blocks: Blocks, present: Blocks) -> dict[str, np.ndarray]:
        """The blocks (N, P_m) of these people, of the dtypes that came, every row filled in."""
        if not hasattr(self, "means_"):
            raise NotFitted(f"{type(self).__name__} has not been fitted; call fit(blocks, present) first.")
        blocks, present = entered(blocks, present)
        if set(blocks) != set(self.means_):
            raise MissingModality(f"Fitted on {sorted(self.means_)}; got {sorted(blocks)}. Give the same modalities.")
        centred = self._centred(blocks, present)
        return {
            name: filled_in(block, present[name], self._guesses(name, centred, present))
            for name, block in blocks.items()
        }

    def fit_transform(self, blocks: Blocks, present: Blocks) -> dict[str, np.ndarray]:
        """Learn from training people and fill them in."""
        return self.fit(blocks, present).transform(blocks, present)

    def _guesses(self, name: str, centred: Blocks, present: Blocks) -> np.ndarray:
        """What stands in for `name` in the rows (n, P) of those who lack it."""
        lacking = ~present[name]
        rows = {key: value[lacking] for key, value in centred.items()}
        has = {key: value[lacking] for key, value in present.items()}
        return self.means_[name] + (self._guess(name, rows, has) if lacking.any() else 0)

    def _centred(self, blocks: Blocks, present: Blocks) -> dict[str, np.ndarray]:
        """Float64 blocks less the training means, zeros for who was not measured."""
        for name, block in blocks.items():
            check_shape(f"blocks[{name!r}]", block, (None, len(self.means_[name])))
        return {
            name: np.where(present[name][:, None], block - self.means_[name], 0.0) for name, block in blocks.items()
        }


def entered(blocks: Blocks, present: Blocks) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Blocks with zeros where a modality is missing, and masks, by sorted name, once they fit each other."""
    if set(blocks) != set(present):
        raise MissingModality(f"blocks has {sorted(blocks)}, present has {sorted(present)}; give both the same names.")
    number, masks, whole = len(next(iter(present.values()))), {}, {}
    for name in sorted(blocks):
        masks[name] = check_shape(f"present[{name!r}]", np.asarray(present[name], dtype=bool), (number,))
        block = check_shape(f"blocks[{name!r}]", np.asarray(blocks[name]), (number, None))
        block = block if block.dtype.kind == "f" else block.astype(np.float64)
        whole[name] = check_finite(f"blocks[{name!r}]", np.where(masks[name][:, None], block, block.dtype.type(0)))
    return whole, masks


def filled_in(block: np.ndarray, present: np.ndarray, guesses: np.ndarray) -> np.ndarray:
    """The block (N, P) with the guesses (n, P), or one (P,), in the rows that are missing, of the block's dtype."""
    full = block.copy()
    full[~present] = guesses
    return full
