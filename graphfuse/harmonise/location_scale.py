"""LocationScale: the sites' own means and variances, taken away."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator

from graphfuse._check import check_finite, check_option, check_range, check_shape
from graphfuse.cohort import Cohort
from graphfuse.errors import InvalidOption, NotFitted, SiteTooSmall, UnseenSite
from graphfuse.harmonise.design import apply_design, fit_design, refuse_labels
from graphfuse.harmonise.site_model import NONE, apply_location_scale, fit_location_scale, moments, standardised
from graphfuse.harmonise.sites import number_sites, refuse_confounded, site_names

MIN_UNSEEN = 10  # subjects that a new site needs for an effect of its own
POLICIES = ("error", "reference", "features")


class LocationScale(BaseEstimator):
    """Give the values of every site one mean and one variance, fitted on the training subjects.

    Each column becomes ``mean + c b + scale (z - shift_s) / sqrt(spread_s)`` with ``z = (x - mean - c b) / scale``,
    see `fit_location_scale`; the effect ``c b`` of the covariates stays.

    Parameters
    ----------
    covariates : sequence of str
        Phenotype columns whose effect is kept (age, sex): numbers as they are, text by its levels. Never the site,
        never the diagnosis.
    on_unseen : {"error", "reference", "features"}
        A site that nobody in training has. ``error`` raises `UnseenSite`. ``reference``: no correction for site, the
        values stay as they are. ``features``: its shift and spread come from the features of all its subjects who
        are transformed together (at least 10), without their labels; `scope` is then ``features``.
    small_sites : {"pool", "error"}
        Sites with fewer than `min_site` training subjects are one site together, or an error. If together they are
        too few as well, their subjects stay as they are.
    min_site : int
        At least 2. Here 10, because a variance of a few values says little and divides every later one; ComBat, which
        shrinks it, takes 2.

    Attributes
    ----------
    levels_ : dict of str to int
        Code of each training site. Names of sites are levels of a phenotype, not of a person; a saved model holds them.
    parameters_ : dict of arrays
        What `fit_location_scale` returns.

    Raises
    ------
    LabelLeakageError, LeakColumn
        A covariate is the diagnosis or gives it away.
    ConfoundedSite
        Every training site holds one class only. A strong association is a `GraphFuseWarning`.
    InvalidOption, UnseenSite, SiteTooSmall, NonFinite

    Notes
    -----
    The class codes that `fit` takes are read to refuse, never to estimate.

    References
    ----------
    Fortin et al. 2018, doi:10.1016/j.neuroimage.2017.11.024
    """

    uses_y = False

    def __init__(self, covariates=(), on_unseen="error", small_sites="pool", min_site=10):
        self.covariates = covariates
        self.on_unseen = on_unseen
        self.small_sites = small_sites
        self.min_site = min_site

    @property
    def scope(self) -> str:
        """``features`` when the features of a new site may be read, else ``training``."""
        return "features" if self.on_unseen == "features" else "training"

    @property
    def phenotypes_read(self) -> tuple[str, ...]:
        """The columns that the fitted step reads: the covariates and the site."""
        return (*self.covariates, *([self.site_column_] if hasattr(self, "site_column_") else []))

    def fit(self, X: np.ndarray, cohort: Cohort, codes: np.ndarray | None = None) -> LocationScale:
        """Estimate from X (N, P), the vectors of these N training subjects; `codes` (N,) only serve to refuse."""
        self._check_options()
        X = check_finite("X", check_shape("X", np.asarray(X, float), (len(cohort), None)))
        self._check_covariates(cohort, codes)
        names = site_names(cohort)
        refuse_confounded(names, codes, type(self).__name__)
        self.site_column_ = cohort.site
        self.levels_ = number_sites(names, self.min_site, self.small_sites)
        self.design_ = fit_design(cohort.phenotypes, self.covariates)
        site = pd.Series(names).map(self.levels_).to_numpy(int)
        if (site == NONE).all():  # too few of all: one site, which changes nothing
            site = np.zeros_like(site)
        self.parameters_ = self._estimate(X, site, apply_design(cohort.phenotypes, self.design_))
        return self

    def transform(self, X: np.ndarray, cohort: Cohort) -> np.ndarray:
        """The vectors X (N, P) of these subjects without the effect of their site, (N, P) float64."""
        if not hasattr(self, "parameters_"):
            raise NotFitted(f"{type(self).__name__} has not been fitted; call fit(X, cohort, codes) first.")
        X = check_shape("X", np.asarray(X, float), (len(cohort), len(self.parameters_["mean"])))
        cohort.check_columns(self.design_, type(self).__name__)
        C = apply_design(cohort.phenotypes, self.design_)
        site, parameters = self._locate(check_finite("X", X), site_names(cohort), C)
        return apply_location_scale(X, site, parameters, C)

    def _estimate(self, X: np.ndarray, site: np.ndarray, C: np.ndarray) -> dict:
        return fit_location_scale(X, site, C)

    def _estimate_new(self, Z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Shift and spread (P,) of one site that is not in the parameters, from its standardised values."""
        return moments(Z)

    def _locate(self, X: np.ndarray, names: np.ndarray, C: np.ndarray) -> tuple[np.ndarray, dict]:
        """Site codes (N,), and parameters that also hold the new sites, if the policy asks for them."""
        new = sorted(set(names) - set(self.levels_))
        if not new or self.on_unseen == "reference":
            return pd.Series(names).map({**dict.fromkeys(new, NONE), **self.levels_}).to_numpy(int), self.parameters_
        self._check_new(names, new)
        Z, shift, spread = standardised(X, self.parameters_, C), [], []
        for name in new:
            for kept, estimate in zip((shift, spread), self._estimate_new(Z[names == name]), strict=True):
                kept.append(estimate)
        first = len(self.parameters_["shift"])
        levels = self.levels_ | {name: first + i for i, name in enumerate(new)}
        more = {"shift": np.vstack([self.parameters_["shift"], *shift])}
        more["spread"] = np.vstack([self.parameters_["spread"], *spread])
        return pd.Series(names).map(levels).to_numpy(int), self.parameters_ | more

    def _check_new(self, names: np.ndarray, new: list[str]) -> None:
        if self.on_unseen == "error":
            raise UnseenSite(
                f"{type(self).__name__} was fitted on {len(self.levels_)} sites; {len(new)} more came. Say what to do "
                "with them: on_unseen='reference' (leave as they are) or 'features' (estimate from their features)."
            )
        fewest = min(int((names == name).sum()) for name in new)
        if fewest < MIN_UNSEEN:
            raise SiteTooSmall(
                f"on_unseen='features' needs at least {MIN_UNSEEN} subjects of a new site together; one has {fewest}. "
                "Bring more of them at once, or use on_unseen='reference'."
            )

    def _check_options(self) -> None:
        check_option("on_unseen", self.on_unseen, POLICIES)
        check_option("small_sites", self.small_sites, ("pool", "error"))
        check_range("min_site", self.min_site, 2)

    def _check_covariates(self, cohort: Cohort, codes: np.ndarray | None) -> None:
        purpose = f"{type(self).__name__}(covariates=...)"
        cohort.check_columns(self.covariates, purpose)
        if cohort.site in self.covariates:
            raise InvalidOption(f"{purpose} must not hold the site, whose effect is removed; leave it out.")
        refuse_labels(cohort.phenotypes, self.covariates, codes, purpose)
