"""The named errors: what was expected, what came, what to do.

A message never holds a subject's id, so that logs and tracebacks can be shared. The id lies in ``error.subject``;
only the command line prints it, on the user's own terminal.
"""

from __future__ import annotations

from sklearn.exceptions import NotFittedError


class GraphFuseError(ValueError):
    """Base of every error that graphfuse raises on purpose.

    Parameters
    ----------
    message : str
        What was expected, what came, what to do, in one line.
    subject : str or None
        The subject whose data is at fault, if it is one.
    """

    def __init__(self, message: str, *, subject: str | None = None):
        super().__init__(message)
        self.subject = subject


class InvalidOption(GraphFuseError):
    """An argument lies outside the values that are allowed."""


class ShapeMismatch(GraphFuseError):
    """An array does not have the shape that its neighbours imply."""


class NonFinite(GraphFuseError):
    """A NaN or an infinity where a number is needed."""


class AtlasMismatch(GraphFuseError):
    """Data and atlas, or two modalities that must share one, disagree on the regions."""


class ManifestError(GraphFuseError):
    """A ``cohort.toml`` that cannot be read or lacks something."""


class UnreadableFile(GraphFuseError):
    """A file that is absent, truncated, empty, or not what its name says."""


class DuplicateSubjects(GraphFuseError):
    """The same subject id stands in two rows."""


class SubjectMismatch(GraphFuseError):
    """Ids of one source that another lacks, often for zeros or a site prefix."""


class UnknownLabel(GraphFuseError):
    """A label that is not in the class coding."""


class MissingModality(GraphFuseError):
    """A modality that a model needs and the cohort, or a whole class, lacks."""


class ShortSeries(GraphFuseError):
    """Fewer frames than a connectome can be estimated from."""


class TransposedSeries(GraphFuseError):
    """A time series that lies regions by frames instead of frames by regions."""


class UnusableRegion(GraphFuseError):
    """A region that is constant, absent or non-finite in a subject."""


class NotPositiveDefinite(GraphFuseError):
    """A covariance that has no inverse and no logarithm."""


class NegativeWeights(GraphFuseError):
    """Negative edge weights where a normalisation needs non-negative ones."""


class ClassTooSmall(GraphFuseError):
    """A class with fewer members than folds."""


class SingleClassFold(GraphFuseError):
    """A fold, or a training set, that holds one class only."""


class LeakageError(GraphFuseError):
    """Information about test subjects would reach the training."""


class LabelLeakageError(LeakageError):
    """A label was asked of a cohort that has none on purpose."""


class LeakColumn(LeakageError):
    """A phenotype column that gives the diagnosis away."""


class ConfoundedSite(LeakageError):
    """Every site holds one class only, so that a correction for site would be one for the diagnosis."""


class UnseenSite(GraphFuseError):
    """A site that the harmonisation was not fitted on, and no policy that says what to do with it."""


class SiteTooSmall(GraphFuseError):
    """Fewer subjects of a site than its effect can be estimated from."""


class NotFitted(GraphFuseError, NotFittedError):
    """A prediction was asked of a model that has not been fitted; scikit-learn's `NotFittedError` too."""


class ModelVersionError(GraphFuseError):
    """A saved model that this version cannot read."""


class UnwritableFile(GraphFuseError):
    """A file that the disk does not take: no space, no permission, a quota."""


class MemoryBudget(GraphFuseError):
    """A request that would need more memory than there is."""


class GraphFuseWarning(UserWarning):
    """Something that reads well and may still be wrong; it never holds a subject's id."""
