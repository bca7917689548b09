"""Location and scale of each site, by least squares: the model that LocationScale uses and that ComBat shrinks."""

from __future__ import annotations

import numpy as np

from graphfuse._check import check_finite, check_range, check_shape
from graphfuse.errors import InvalidOption

NONE = -1  # the code of a subject whose values are left as they are


def fit_location_scale(X: np.ndarray, site: np.ndarray, covariates: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """Least-squares fit of ``x = mean + c @ slopes + scale (shift_s + sqrt(spread_s) e)`` for a subject of site s.

    Parameters
    ----------
    X : array (N, P) float
    site : array (N,) int
        Codes 0 ... S - 1; -1 = take no part in the fit.
    covariates : array (N, Q) float or None
        Their effect is kept.

    Returns
    -------
    dict of arrays, float64
        mean, scale (P,), slopes (Q, P), shift and spread (S, P), count (S,), varies (P,) bool. `scale` is the residual
        deviation (divided by N), `spread` the variance of a site in its units (N_s - 1); 0 and 1 with a single site.

    Raises
    ------
    InvalidOption
        The covariates cannot be told apart from the sites; codes of sites that are not integers, or leave one out.
    NonFinite
        A NaN or an infinity in X or in the covariates.
    ShapeMismatch
    """
    X, C = _with_covariates(X, covariates)
    site = _site_codes(site, len(X))
    check_range("the number of subjects that have a site", int((site >= 0).sum()), 1)
    X, C, site = X[site >= 0], C[site >= 0], site[site >= 0]
    sites = np.eye(site.max(initial=0) + 1)[site]  # (N, S)
    _check_separable(sites, C)
    coefficients = np.linalg.lstsq(np.hstack([sites, C]), X, rcond=None)[0]  # (S + Q, P)
    count = sites.sum(0)
    check_range("the number of subjects of every site code", int(count.min()), 1)
    mean, slopes = count @ coefficients[: len(count)] / count.sum(), coefficients[len(count) :]
    deviation, residual = X.std(0), np.sqrt(np.square(X - np.hstack([sites, C]) @ coefficients).mean(0))
    size = np.abs(X).max(0)
    varies = deviation > 1e-7 * size
    scale = np.where(residual > 1e-7 * size, residual, np.where(varies, deviation, 1.0))
    Z = (X - mean - C @ slopes) / scale
    shift, spread = map(np.array, zip(*[moments(Z[site == s]) for s in range(len(count))], strict=True))
    if len(count) == 1:  # nothing to bring together
        shift, spread = np.zeros_like(shift), np.ones_like(spread)
    return {
        "mean": mean, "slopes": slopes, "scale": scale, "shift": shift, "spread": spread, "count": count,
        "varies": varies,
    }  # fmt: skip


def moments(Z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance (divided by n - 1) of the columns of one site, (P,) each; the variance of one row is 0."""
    return Z.mean(0), Z.var(0, ddof=1) if len(Z) > 1 else np.zeros(Z.shape[1])


def standardised(X: np.ndarray, parameters: dict, covariates: np.ndarray | None = None) -> np.ndarray:
    """``(x - mean - c @ slopes) / scale``, (N, P): what is left for the sites to explain."""
    X, C = _with_covariates(X, covariates, parameters["slopes"].shape)
    return (X - parameters["mean"] - C @ parameters["slopes"]) / parameters["scale"]


def apply_location_scale(
    X: np.ndarray, site: np.ndarray, parameters: dict, covariates: np.ndarray | None = None
) -> np.ndarray:
    """``mean + c @ slopes + scale (z - shift_s) / sqrt(spread_s)``, (N, P), z as `standardised` gives it.

    A subject with site code -1 and a column that does not vary in training come back as they were; a site that does
    not vary (spread 0) keeps its scale.

    Raises
    ------
    NonFinite
        A NaN or an infinity in X or in the covariates.
    ShapeMismatch, InvalidOption
        X or the covariates have other columns than in the fit, or a site has no parameters.
    """
    X, C = _with_covariates(X, covariates, parameters["slopes"].shape)
    site = _site_codes(site, len(X), len(parameters["shift"]))
    shift, spread = parameters["shift"][site], parameters["spread"][site]  # (N, P); rows of code -1 are not used
    Z = (standardised(X, parameters, C) - shift) / np.sqrt(np.where(spread > 1e-6, spread, 1.0))
    adjusted = parameters["mean"] + C @ parameters["slopes"] + parameters["scale"] * Z
    return np.where(parameters["varies"] & (site != NONE)[:, None], adjusted, X)


def _with_covariates(X, covariates, columns: tuple = (None, None)) -> tuple[np.ndarray, np.ndarray]:
    """X (N, P) and the covariates (N, Q), finite, float64; `columns` is (Q, P) where it is known."""
    X = check_finite("X", check_shape("X", np.asarray(X, float), (None, columns[1])))
    C = np.zeros((len(X), 0)) if covariates is None else np.asarray(covariates, float)
    return X, check_finite("covariates", check_shape("covariates", C, (len(X), columns[0])))


def _site_codes(site, n: int, n_sites: float = np.inf) -> np.ndarray:
    """Codes (N,) int from -1 to `n_sites` - 1."""
    site = check_shape("site", np.asarray(site), (n,))
    if not np.issubdtype(site.dtype, np.integer):
        raise InvalidOption(f"site must hold integer codes, -1 for none; got {site.dtype}. Number the sites.")
    for code in (site.min(initial=0), site.max(initial=0)):
        check_range("a site code", int(code), NONE, n_sites - 1)
    return site


def _check_separable(sites: np.ndarray, C: np.ndarray) -> None:
    """The span of the covariates and that of the sites must share nothing but the constant, which C lacks."""
    rank = np.linalg.matrix_rank
    if C.shape[1] and rank(np.hstack([sites, C])) < sites.shape[1] + rank(C - C.mean(0)):
        raise InvalidOption(
            "The covariates must vary within sites; one of them, or a sum of them, is a function of site, so that its "
            "effect cannot be told from that of site. Leave it out of covariates."
        )
