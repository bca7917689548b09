"""A cohort with known truth: who the people are, what was planted in them, and how well it could be found at best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from graphfuse import synthesis
from graphfuse._check import check_option, check_range
from graphfuse.atlas import Atlas, load_atlas
from graphfuse.cohort import Cohort
from graphfuse.errors import InvalidOption
from graphfuse.latents import area_under_curve, crossed_delta, crossed_latents, crossed_liability, separate_latents
from graphfuse.signal import Signal

CLASSES = ("control", "autism")
MODALITIES = ("fmri", "smri")


@dataclass(frozen=True, eq=False)
class Simulation:
    """A simulated cohort and its truth.

    Parameters
    ----------
    cohort : Cohort
        The people; classes control and autism, site ``site``, group ``family``, confounds age, sex and mean_fd.
    planted_regions : DataFrame (modality, region)
        The regions that carry the class in each modality.
    planted_edges : DataFrame (modality, region_a, region_b)
        The edges that carry it: all pairs of the planted regions of ``fmri``.
    liability : Series (N,)
        The planted score of each subject. No model of the planted effect can do better than to know it.
    target_auc, oracle_auc : float
        The AUC of the liability that was asked for, and the one that it has in this cohort.
    """

    cohort: Cohort
    planted_regions: pd.DataFrame
    planted_edges: pd.DataFrame
    liability: pd.Series
    target_auc: float
    oracle_auc: float


def simulate_cohort(
    n_subjects: int = 200,
    *,
    auc: float = 0.8,
    shared: float = 0.6,
    regions: int = 10,
    n_sites: int = 4,
    modalities: Sequence[str] = MODALITIES,
    atlas_fmri: str = "schaefer-100",
    atlas_smri: str = "desikan-killiany-68",
    n_frames: tuple[int, int] = (120, 200),
    site_offset: float = 1.0,
    motion: float = 0.4,
    missing: Mapping[str, float] | None = None,
    repeats: float = 0.0,
    families: float = 0.0,
    leak_column: bool = False,
    null: bool = False,
    cross_modal: bool = False,
    seed: int = 0,
) -> Simulation:
    """Simulate people of two classes whose fMRI and sMRI carry the class in a few regions.

    Each modality m of a person has a latent ``s_m ~ N(+-delta / 2, 1)`` with correlation `shared` between the
    modalities of one class. The planted effects are linear in it: the edges among the planted regions (fMRI), the
    measures of the planted regions (sMRI). The liability is the mean of the latents, the optimal score; with
    ``delta = sqrt(2) Phi^-1(auc) sqrt((1 + (M - 1) shared) / M)`` its AUC is `auc`, and one modality alone has less.

    Parameters
    ----------
    n_subjects : int
        Scans N, at least 10.
    auc : float
        AUC of the oracle, who knows the liability, in [0.5, 1). Motion adds to it what a confound can.
    shared : float
        Correlation of the latents of two modalities, in [0, 1]; 1 = both carry the same, fusing gains nothing but
        less noise.
    regions : int
        Planted regions in each modality, at least 2.
    n_sites : int
        Sites; they differ in frames, t_r, gain, level, noise, covariance and measures.
    modalities : sequence of str
        Out of "fmri" (a time series) and "smri" (five measures).
    atlas_fmri, atlas_smri : str
        Names for `load_atlas`.
    n_frames : (int, int)
        Frames of the site with the shortest and the longest scans.
    site_offset : float
        Strength of the differences between sites, at most 10; 0 = only frames and t_r differ.
    motion : float
        How much more the second class moves: shift of log(mean_fd) [standard deviations]. 0.4 is an AUC of .61.
    missing : mapping of str to float or None
        Share of subjects who lack a modality; None: a tenth lacks smri where both are simulated.
    repeats : float
        Share of persons who were scanned twice (same ``person``), in [0, 1].
    families : float
        Share of persons with a sibling in the cohort, who has the same class and half of the traits (same ``family``).
    leak_column : bool
        Add ``ados_like``, a clinical score that gives the class away.
    null : bool
        No class effect at all, motion included: the planted regions vary, but alike in both classes.
    cross_modal : bool
        Only the combination of the two modalities carries the class: ``s_1 = u d / 2 + e_1``, ``s_2 = c u d / 2 + e_2``
        with a random sign u of each person and c = -1 and 1 for the classes, so that each modality alone, and any sum
        of functions of one modality, is at chance. `auc` is that of the optimal score; `shared` is not used.
    seed : int
        Equal seeds, equal cohorts.

    Raises
    ------
    InvalidOption

    References
    ----------
    AUC of two normals with unit variance, ``Phi(delta / sqrt(2))``: Bamber 1975, doi:10.1016/0022-2496(75)90001-2
    """
    atlases = _atlases(modalities, {"fmri": atlas_fmri, "smri": atlas_smri}, regions)
    missing = _checked_missing(missing, modalities)
    _check_numbers(n_subjects, auc, shared, n_sites, n_frames, site_offset, motion, repeats, families)
    rng = np.random.default_rng(seed)
    people = _people(n_subjects, n_sites, repeats, families, motion * (not null), rng)
    target = 0.5 if null else auc
    latents, score = _latents(people, len(atlases), target, shared, cross_modal, rng)  # (N, M), (N,)
    planted = {name: np.sort(rng.choice(len(atlas), regions, replace=False)) for name, atlas in atlases.items()}
    acquired = _acquired(n_subjects, missing, rng)
    scanners = synthesis.draw_scanners(atlases, n_sites, n_frames, site_offset, rng)
    signals = {}
    for m, (name, atlas) in enumerate(atlases.items()):
        scan = synthesis.scan_fmri if name == "fmri" else synthesis.scan_smri
        signals[name] = scan(people, atlas, planted[name], latents[:, m], acquired[name], scanners, rng)
    cohort = _cohort(people, signals, leak_column, rng)
    liability = pd.Series(score, index=cohort.subjects, name="liability")
    oracle = area_under_curve(people["class"].to_numpy(), score)
    return Simulation(cohort, *_truth(planted, atlases), liability, target, oracle)


def _atlases(modalities: Sequence[str], names: Mapping[str, str], regions: int) -> dict[str, Atlas]:
    if not modalities:
        raise InvalidOption("modalities must name fmri, smri or both; got none.")
    atlases = {check_option("modalities", name, MODALITIES): load_atlas(names[name]) for name in modalities}
    for name, atlas in atlases.items():
        check_range(f"regions (the {name} atlas has {len(atlas)})", regions, 2, len(atlas))
    return atlases


def _checked_missing(missing: Mapping[str, float] | None, modalities: Sequence[str]) -> dict[str, float]:
    if missing is None:
        return {"smri": 0.1} if len(modalities) == 2 else {}
    for name, share in missing.items():
        check_option("missing", name, list(modalities))
        check_range(f"missing[{name!r}]", share, 0, 1)
    check_range("the sum of missing (nobody may lack everything)", sum(missing.values()), 0, 1)
    return dict(missing)


def _check_numbers(n_subjects, auc, shared, n_sites, n_frames, site_offset, motion, repeats, families) -> None:
    check_range("n_subjects", n_subjects, 10)
    check_range("auc", auc, 0.5, 0.9999)
    for name, share in {"shared": shared, "repeats": repeats, "families": families}.items():
        check_range(name, share, 0, 1)
    check_range("n_sites", n_sites, 1, n_subjects)
    check_range("n_frames[0]", n_frames[0], 2, n_frames[1])
    check_range("site_offset", site_offset, 0, 10)
    check_range("motion", motion, -10, 10)


def _people(n: int, n_sites: int, repeats: float, families: float, motion: float, rng) -> pd.DataFrame:
    """One row a scan (N,): person, family, class and site codes; age [years], sex, mean_fd [mm]."""
    n_persons = round(n / (1 + repeats))
    second = rng.permutation(n_persons)[: n - n_persons]  # who comes twice
    n_pairs = round(n_persons * families / 2)
    persons = np.arange(n_persons)
    family = np.where(persons < 2 * n_pairs, persons // 2, persons - n_pairs)
    n_families = n_persons - n_pairs
    label = rng.permutation(np.arange(n_families) % 2)[family]  # siblings share the class
    site = rng.permutation(np.arange(n_families) % n_sites)[family]
    age = np.clip(rng.normal(12 + 6 * (site / max(n_sites - 1, 1)), 4), 6, 45).round(2)
    table = {"person": persons, "family": family, "class": label, "site": site, "age": age}
    people = pd.DataFrame({**table, "sex": np.where(rng.random(n_persons) < 0.8, "M", "F")})
    people = people.iloc[rng.permutation(np.concatenate([persons, second]))].reset_index(drop=True)
    shift = motion * (people["class"] - 0.5)
    return people.assign(mean_fd=(0.11 * np.exp(0.5 * (rng.standard_normal(n) + shift))).round(4))


def _latents(
    people: pd.DataFrame, n_modalities: int, auc: float, shared: float, cross_modal: bool, rng
) -> tuple[np.ndarray, np.ndarray]:
    """Latents (N, M) and the optimal score of them (N,)."""
    if not cross_modal:
        latents = separate_latents(people, n_modalities, auc, shared, rng)
        return latents, latents.mean(1)
    if n_modalities != 2:
        raise InvalidOption(f"cross_modal=True needs two modalities; got {n_modalities}. Name fmri and smri.")
    latents = crossed_latents(people, auc, rng)
    return latents, crossed_liability(latents, crossed_delta(auc))


def _acquired(n: int, missing: Mapping[str, float], rng) -> dict[str, np.ndarray]:
    """Who has each modality, (N,) bool; the shares that are asked for, and nobody lacks two."""
    order, acquired = rng.permutation(n), {}
    for name in MODALITIES:
        gone, order = np.split(order, [round(missing.get(name, 0.0) * n)])
        acquired[name] = ~np.isin(np.arange(n), gone)
    return acquired


def _cohort(people: pd.DataFrame, signals: Mapping[str, Signal], leak_column: bool, rng) -> Cohort:
    table = people.assign(
        diagnosis=np.array(CLASSES, dtype=object)[people["class"]],
        **{column: [f"{column}-{code + 1:0{4 if column != 'site' else 1}d}" for code in people[column]]
           for column in ("person", "family", "site")},
    )  # fmt: skip
    table.index = pd.Index([f"sim-{i + 1:04d}" for i in range(len(people))], dtype=object, name="subject")
    if leak_column:
        table["ados_like"] = (rng.poisson(3, len(people)) + 9 * people["class"].to_numpy()).astype(float)
    columns = ["diagnosis", "site", "age", "sex", "mean_fd", "person", "family", *(["ados_like"] * leak_column)]
    return Cohort(
        table[columns], signals, "diagnosis", CLASSES, site="site", group="family", confounds=("age", "sex", "mean_fd")
    )


def _truth(planted: Mapping[str, np.ndarray], atlases: Mapping[str, Atlas]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The tables of planted regions and edges."""
    names = {modality: [atlases[modality].names[r] for r in rows] for modality, rows in planted.items()}
    regions = [(modality, name) for modality in names for name in names[modality]]
    edges = [("fmri", *pair) for pair in combinations(names.get("fmri", []), 2)]
    return (
        pd.DataFrame(regions, columns=["modality", "region"]),
        pd.DataFrame(edges, columns=["modality", "region_a", "region_b"]),
    )
