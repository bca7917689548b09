"""ComBat: location and scale of each site, shrunk towards what the other features or sites say."""

from __future__ import annotations

import numpy as np

from graphfuse._check import check_option
from graphfuse.errors import InvalidOption
from graphfuse.harmonise.location_scale import LocationScale
from graphfuse.harmonise.site_model import apply_location_scale, fit_location_scale, moments

PRIORS = ("features", "sites")
SMALLEST = 1e-8  # variance of a prior, in units of the residual variance
ROWS = 256  # columns whose weights exist at one time in the non-parametric estimate

apply_combat = apply_location_scale


def fit_combat(
    X: np.ndarray,
    site: np.ndarray,
    covariates: np.ndarray | None = None,
    *,
    parametric: bool = True,
    prior: str = "features",
) -> dict[str, np.ndarray]:
    """What `fit_location_scale` returns, with shift and spread replaced by their empirical Bayes estimates.

    ``shift_s ~ N(m_s, t_s^2)``, ``spread_s ~ InverseGamma(a_s, b_s)``, the four moments taken over the features of
    site s; solved in turn until nothing changes by more than 1e-4 of itself,

        shift  = (t^2 n shift^ + spread m) / (t^2 n + spread)
        spread = (b + ((n - 1) spread^ + n (shift^ - shift)^2) / 2) / (n / 2 + a - 1)

    Parameters
    ----------
    X, site, covariates
        As in `fit_location_scale`.
    parametric : bool
        False: the posterior means under the empirical distribution of the other features' (shift^, spread^).
    prior : {"features", "sites"}
        ``features`` as in the paper, in sva and in neuroCombat; ``sites`` takes the moments of each feature over the
        sites instead, as combatlearn 2.3 does.

    Returns
    -------
    dict of arrays
        With ``prior="sites"`` also `prior` (4, P): m, t^2, a, b. With fewer than two features (sites) that vary
        there is nothing to shrink towards, and the estimates stay.

    References
    ----------
    Johnson, Li & Rabinovic 2007, doi:10.1093/biostatistics/kxj037; Fortin et al. 2018,
    doi:10.1016/j.neuroimage.2017.11.024
    """
    check_option("prior", prior, PRIORS)
    if prior == "sites" and not parametric:
        raise InvalidOption("prior='sites' is parametric; use prior='features' with parametric=False.")
    parameters = fit_location_scale(X, site, covariates)
    if len(parameters["shift"]) < 2:
        return parameters
    if prior == "sites":
        parameters["prior"] = _prior(parameters["shift"], parameters["spread"])  # (4, P)
    shrunk = [
        shrink(*site_estimates, parameters["varies"], parametric, parameters.get("prior"))
        for site_estimates in zip(parameters["shift"], parameters["spread"], parameters["count"], strict=True)
    ]
    shift, spread = map(np.array, zip(*shrunk, strict=True))
    return parameters | {"shift": shift, "spread": spread}


def shrink(
    shift: np.ndarray, spread: np.ndarray, n: float, varies: np.ndarray, parametric: bool = True, prior=None
) -> tuple[np.ndarray, np.ndarray]:
    """Empirical Bayes shift and spread (P,) of one site of n subjects; columns that do not vary keep 0 and 1.

    `prior` (4, P) holds m, t^2, a, b of each column; None = their moments over the columns of this site.
    """
    new_shift, new_spread = np.zeros_like(shift), np.ones_like(spread)
    g, d = shift[varies], spread[varies]
    if len(g) < 2:
        new_shift[varies], new_spread[varies] = g, d
    elif parametric:
        m = _prior(g[:, None], d[:, None]) if prior is None else prior[:, varies]  # (4, 1) or (4, P)
        new_shift[varies], new_spread[varies] = _posterior(g, d, n, *m)
    else:
        new_shift[varies], new_spread[varies] = _posterior_empirical(g, np.maximum(d, SMALLEST), n)
    return new_shift, new_spread


def _prior(shift: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """Mean and variance of the shifts, shape a and rate b of the spreads, by moments over the rows; (4, columns)."""
    t2, s2 = (np.maximum(each.var(0, ddof=1), SMALLEST) for each in (shift, spread))
    a = spread.mean(0) ** 2 / s2 + 2
    return np.array([shift.mean(0), t2, a, spread.mean(0) * (a - 1)])


def _posterior(g: np.ndarray, d: np.ndarray, n: float, m, t2, a, b) -> tuple[np.ndarray, np.ndarray]:
    """The fixed point of the two equations of `fit_combat`, (P,) each."""
    shift, spread = g, d
    for _ in range(1000):
        old_shift, old_spread = shift, spread
        shift = (t2 * n * g + spread * m) / (t2 * n + spread)
        spread = (b + ((n - 1) * d + n * (g - shift) ** 2) / 2) / (n / 2 + a - 1)
        if max(_change(shift, old_shift), _change(spread, old_spread)) < 1e-4:
            break
    return shift, spread


def _change(new: np.ndarray, old: np.ndarray) -> float:
    return float((np.abs(new - old) / (np.abs(old) + SMALLEST)).max())


def _posterior_empirical(g: np.ndarray, d: np.ndarray, n: float) -> tuple[np.ndarray, np.ndarray]:
    """Means of the other features' (g, d), each weighed by its likelihood of this feature's values; (P,) each."""
    shift, spread = np.empty_like(g), np.empty_like(d)
    for begin in range(0, len(g), ROWS):
        rows = np.arange(begin, min(begin + ROWS, len(g)))
        squares = (n - 1) * d[rows, None] + n * (g[rows, None] - g) ** 2  # (rows, P): sum over people of (z - g_k)^2
        log_weight = -n / 2 * np.log(d) - squares / (2 * d)
        log_weight[np.arange(len(rows)), rows] = -np.inf
        weight = np.exp(log_weight - log_weight.max(1, keepdims=True))
        weight /= weight.sum(1, keepdims=True)
        shift[rows], spread[rows] = weight @ g, weight @ d
    return shift, spread


class ComBat(LocationScale):
    """Remove site effects by ComBat, fitted on the training subjects.

    As `LocationScale`, with the shift and spread of a site shrunk by empirical Bayes, see `fit_combat`, so that a site
    of a few subjects can be corrected too.

    Parameters
    ----------
    covariates, on_unseen, small_sites, min_site
        As in `LocationScale`; a site needs 2 subjects.
    parametric, prior
        As in `fit_combat`.

    Attributes
    ----------
    levels_, parameters_
        As in `LocationScale`. Names of sites are levels of a phenotype; a saved model holds them.

    Raises
    ------
    LabelLeakageError, LeakColumn, ConfoundedSite, InvalidOption, UnseenSite, SiteTooSmall, NonFinite
        As in `LocationScale`.

    References
    ----------
    Johnson, Li & Rabinovic 2007, doi:10.1093/biostatistics/kxj037
    """

    def __init__(
        self,
        covariates=(),
        parametric=True,
        on_unseen="error",
        small_sites="pool",
        min_site=2,
        prior="features",
    ):
        super().__init__(covariates, on_unseen, small_sites, min_site)
        self.parametric = parametric
        self.prior = prior

    def _estimate(self, X: np.ndarray, site: np.ndarray, C: np.ndarray) -> dict:
        return fit_combat(X, site, C, parametric=self.parametric, prior=self.prior)

    def _estimate_new(self, Z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        prior = self.parameters_.get("prior")
        return shrink(*moments(Z), len(Z), self.parameters_["varies"], self.parametric, prior)
