"""Brain signals made from covariances: series, morphometric measures, and what site and motion do to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.signal import lfilter

from graphfuse.atlas import Atlas
from graphfuse.signal import Signal

# Shares of a region's variance. Planted edges move between 0 and MAX_COUPLING above them, so that every covariance
# stays positive definite: min eigenvalue >= UNIQUE - MAX_COUPLING.
UNIQUE, NETWORK, DISTANCE, EVERYWHERE = 0.75, 0.12, 0.08, 0.05
MAX_COUPLING = 0.70
COUPLING, COUPLING_PER_SD = 0.35, 0.14  # mean of the planted edges and their change with one unit of the latent
DECAY = 40.0  # [mm]
AUTOCORRELATION = 0.4  # of neighbouring frames
BURST = 1.0  # amplitude of motion, by mm of mean framewise displacement
PERSON_SHARE, SITE_SHARE = 0.03, 0.02  # strength of the covariance patterns of a person and of a site
PATTERNS = 3  # number of such patterns
# name -> (mean, standard deviation over subjects, sign of the planted change, grows with the head)
MEASURES: Mapping[str, tuple[float, float, int, bool]] = {
    "thickness": (2.5, 0.15, -1, False),  # [mm]
    "area": (1500.0, 180.0, -1, True),  # [mm2]
    "volume": (4000.0, 500.0, -1, True),  # [mm3]
    "curvind": (2.5, 0.25, 1, False),
    "meancurv": (0.13, 0.010, 1, False),  # [1/mm]
}
MEASURE_PER_SD = 0.5  # change of a planted measure with one unit of the latent [standard deviations]
THINNING = -0.02  # of the thickness, by year [standard deviations]


@dataclass(frozen=True)
class Scanner:
    """What a site does to its scans."""

    frames: int
    t_r: float  # [s]
    gain: float
    level: float
    noise: float  # white noise, share of the signal's standard deviation
    patterns: np.ndarray  # (R, PATTERNS) covariance of its own
    measure_shift: np.ndarray  # (R', M) [standard deviations]


def base_covariance(atlas: Atlas) -> np.ndarray:
    """Correlation (R, R) of a healthy brain: own variance, shared networks, distance decay, a global part.

    ``S = u I + n [same network] + d exp(-|x_i - x_j| / 40 mm) + g 1 1'``, u + n + d + g = 1; every term is positive
    semi-definite, so that S is positive definite. A region without a network is a network of its own; unknown
    coordinates count as far from everything.
    """
    network, xyz = atlas.network, atlas.xyz
    same = (network[:, None] == network[None, :]) & (network[:, None] != "")
    distance = np.linalg.norm(xyz[:, None] - xyz[None, :], axis=-1)  # (R, R) [mm]
    near = np.exp(-np.where(np.isfinite(distance), distance, np.inf) / DECAY)
    same[np.diag_indices_from(same)] = True
    near[np.diag_indices_from(near)] = 1
    return UNIQUE * np.eye(len(atlas)) + NETWORK * same + DISTANCE * near + EVERYWHERE


def planted_covariance(base: np.ndarray, planted: np.ndarray, latent: float, patterns: np.ndarray) -> np.ndarray:
    """Correlation (R, R) of one subject whose planted subnetwork couples with the latent.

    ``S_i = normalise(S + c_i (1_P 1_P' - I_P) + W_i W_i')`` with ``c_i = 0.35 + 0.14 latent`` (kept within 0 and
    0.7): every edge between two planted regions moves together; the patterns W_i (R, k) are the subject's own.
    """
    strength = np.clip(COUPLING + COUPLING_PER_SD * latent, 0, MAX_COUPLING)
    member = np.zeros(len(base))
    member[planted] = 1
    covariance = base + strength * (np.outer(member, member) - np.diag(member)) + patterns @ patterns.T
    scale = 1 / np.sqrt(np.diag(covariance))
    return covariance * scale[:, None] * scale[None, :]


def series(covariance: np.ndarray, scanner: Scanner, mean_fd: float, rng: np.random.Generator) -> np.ndarray:
    """Time series (T, R) float32 of one scan: AR(1) noise with the given correlation, motion bursts, scanner.

    ``X = level + gain (Z L' + fd m b' + noise E)``, ``S = L L'``; the burst m (T,) is common to all regions, with
    weights b around 1, and scales with the mean framewise displacement fd [mm].
    """
    n_regions = len(covariance)
    clean = _autoregressive(scanner.frames, n_regions, rng) @ np.linalg.cholesky(covariance).T  # (T, R)
    burst = _autoregressive(scanner.frames, 1, rng) * (1 + 0.2 * rng.standard_normal(n_regions))
    noise = scanner.noise * rng.standard_normal(clean.shape)
    return (scanner.level + scanner.gain * (clean + BURST * mean_fd * burst + noise)).astype(np.float32)


def measures(
    planted: np.ndarray, latent: float, age: float, person: np.ndarray, shift: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Morphometric measures (R, M) float32 of one scan, in the order and units of `MEASURES`.

    ``mean + sd (1.5 profile + own + head + age + site + 0.5 sign latent [planted] + 0.3 error)``.

    Parameters
    ----------
    planted : array (P,) int
        Regions that move with the latent.
    latent : float
        The subject's latent.
    age : float
        Age [years].
    person : array (R * M + 1,) float
        Standard normal traits of the person: one for each measure of a region and, last, the size of the head.
    shift : array (R, M) float
        What the scanner adds [standard deviations].
    rng : numpy Generator
        Error of measurement.
    """
    mean, sd, sign, head = (np.array(column, dtype=float) for column in zip(*MEASURES.values(), strict=True))
    z = person[:-1].reshape(shift.shape) + 0.5 * person[-1] * head + shift  # (R, M)
    z = z + THINNING * (age - 20) * (np.arange(len(mean)) == list(MEASURES).index("thickness"))
    z[planted] += MEASURE_PER_SD * latent * sign
    z = z + 0.3 * rng.standard_normal(z.shape)
    profile = np.random.default_rng(len(z)).standard_normal(z.shape)  # of every brain, whatever the cohort's seed
    return (mean + sd * (z + 1.5 * profile)).astype(np.float32)


def draw_scanners(
    atlases: Mapping[str, Atlas], n_sites: int, n_frames: tuple[int, int], offset: float, rng: np.random.Generator
) -> list[Scanner]:
    """Draw the scanners of all sites; `offset` scales everything that differs but frames and t_r."""
    r_fmri, r_smri = (len(atlases[name]) if name in atlases else 0 for name in ("fmri", "smri"))
    frames = rng.permutation(np.linspace(*n_frames, n_sites).round().astype(int))
    return [
        Scanner(
            frames=int(frames[k]),
            t_r=(2.0, 1.5, 2.5, 3.0)[k % 4],
            gain=float(np.exp(0.3 * offset * rng.standard_normal())),
            level=float(10 * offset * rng.standard_normal()),
            noise=float(0.3 * offset * rng.random()),
            patterns=np.sqrt(SITE_SHARE) * offset * rng.standard_normal((r_fmri, PATTERNS)),
            measure_shift=0.7 * offset * rng.standard_normal((1, len(MEASURES)))
            + 0.3 * offset * rng.standard_normal((r_smri, len(MEASURES))),
        )
        for k in range(n_sites)
    ]


def scan_fmri(
    people: pd.DataFrame, atlas: Atlas, planted: np.ndarray, latent: np.ndarray, acquired: np.ndarray,
    scanners: Sequence[Scanner], rng: np.random.Generator,
) -> Signal:  # fmt: skip
    """Time series of N scans, `series` of `planted_covariance`.

    Parameters
    ----------
    people : DataFrame (N, P)
        site, person and family codes; mean_fd [mm] of each scan.
    atlas : Atlas
    planted : array (P,) int
        Regions that move with the latent.
    latent : array (N,) float
    acquired : array (N,) bool
        Who has the modality.
    scanners : sequence of Scanner
        By site code.
    rng : numpy Generator
    """
    base = base_covariance(atlas)
    traits = _traits(people, len(atlas) * PATTERNS, rng).reshape(len(people), len(atlas), -1)
    arrays = []
    for i, site in enumerate(people["site"]):
        patterns = np.hstack([np.sqrt(PERSON_SHARE) * traits[i], scanners[site].patterns])
        covariance = planted_covariance(base, planted, latent[i], patterns)
        scan = series(covariance, scanners[site], people["mean_fd"].iloc[i], rng)
        arrays.append(scan if acquired[i] else None)
    t_r = np.array([scanners[site].t_r for site in people["site"]])
    return Signal.pack("timeseries", arrays, atlas, t_r=t_r)


def scan_smri(
    people: pd.DataFrame, atlas: Atlas, planted: np.ndarray, latent: np.ndarray, acquired: np.ndarray,
    scanners: Sequence[Scanner], rng: np.random.Generator,
) -> Signal:  # fmt: skip
    """Morphometry of N scans, `measures`.

    Parameters
    ----------
    people : DataFrame (N, P)
        site, person and family codes; age [years] of each scan.
    atlas : Atlas
    planted : array (P,) int
        Regions that move with the latent.
    latent : array (N,) float
    acquired : array (N,) bool
        Who has the modality.
    scanners : sequence of Scanner
        By site code.
    rng : numpy Generator
    """
    traits = _traits(people, len(atlas) * len(MEASURES) + 1, rng)
    arrays = []
    for i, (site, age) in enumerate(zip(people["site"], people["age"], strict=True)):
        scan = measures(planted, latent[i], age, traits[i], scanners[site].measure_shift, rng)
        arrays.append(scan if acquired[i] else None)
    return Signal.pack("measures", arrays, atlas, columns=tuple(MEASURES))


def _traits(people: pd.DataFrame, size: int, rng) -> np.ndarray:
    """Standard normal traits (N, size): half of the family's, half of the person's; equal in repeated scans."""
    family = rng.standard_normal((people["family"].max() + 1, size))
    own = rng.standard_normal((people["person"].max() + 1, size))
    return (family[people["family"]] + own[people["person"]]) / np.sqrt(2)


def _autoregressive(frames: int, columns: int, rng: np.random.Generator) -> np.ndarray:
    """Stationary AR(1) noise (T, columns) of unit variance."""
    burn = 20
    white = rng.standard_normal((frames + burn, columns)) * np.sqrt(1 - AUTOCORRELATION**2)
    return lfilter([1], [1, -AUTOCORRELATION], white, axis=0)[burn:]
