"""Dempster's rule: masses of belief, and one of not knowing."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from graphfuse._check import check_shape
from graphfuse.errors import InvalidOption
from graphfuse.fusion.output.contract import CLIP, by_modality, check_masses, enter, enter_masked
from graphfuse.nn.heads.evidential import Opinion, opinion


def dempster_shafer(
    probabilities: Tensor, present: Tensor, uncertainty: float | Tensor | Sequence[float] = 0.1
) -> Tensor:
    """Return the combined belief in each class, as shares of all belief, (B, C).

    Each opinion is discounted, ``b_m = (1 - u_m) p_m`` with the mass u_m on "any class", then combined by
    `combine_opinions`; the answer is ``b_c / sum_k b_k``. Without doubts it is the product of the opinions; the larger
    u_m, the less model m can rule out.

    Parameters
    ----------
    probabilities, present
        See `graphfuse.fusion.output.contract.enter`, for the errors too.
    uncertainty : float, tensor or sequence (M,), or (B, M)
        u_m in [0, 1), such as the model's error rate; below 1e-6 it is taken as 1e-6, so that models that contradict
        each other flatly have an answer. The default is ours.

    References
    ----------
    Shafer (1976). A mathematical theory of evidence (discounting, ch. 11).
    """
    p, mask = enter(probabilities, present)
    value = [uncertainty] * p.shape[1] if isinstance(uncertainty, (int, float)) else uncertainty
    u = by_modality("uncertainty", value, p, mask)
    if bool((u >= 1).any()):
        raise InvalidOption(f"uncertainty must lie below 1; got {float(u.max()):.3g}. Leave out who knows nothing.")
    u = u.clamp(min=CLIP)
    belief = combine_opinions((1 - u)[..., None] * p, u, mask).belief
    return belief / belief.sum(1, keepdim=True)


def combine_evidence(evidence: Tensor, present: Tensor) -> Opinion:
    """Return what M bodies of evidence say together: belief (B, C), uncertainty (B,), probability (B, C).

    ``alpha_m = e_m + 1``, ``S_m = sum_c alpha_mc``, ``b_m = e_m / S_m``, ``u_m = C / S_m``, then `combine_opinions`.
    One modality alone keeps its ``alpha / S`` as the probability.

    Parameters
    ----------
    evidence : tensor (B, M, C)
        At least 0, such as of `graphfuse.nn.heads.EvidentialHead`.
    present : bool tensor (B, M)

    Raises
    ------
    InvalidOption, MissingModality, NonFinite, ShapeMismatch
        As of `graphfuse.fusion.output.contract.enter`.

    References
    ----------
    Sensoy et al. (2018). Evidential deep learning to quantify classification uncertainty. NeurIPS.
    """
    evidence, mask = enter_masked("evidence", evidence, present)
    single = opinion(evidence.flatten(0, 1))
    belief, uncertainty = (part.unflatten(0, mask.shape) for part in single[:2])
    return combine_opinions(belief, uncertainty, mask)


def combine_opinions(belief: Tensor, uncertainty: Tensor, present: Tensor) -> Opinion:
    """Return Dempster's combination of M opinions, masses summing to 1.

    Two opinions: ``b_c = (b1_c b2_c + b1_c u2 + b2_c u1) / (1 - K)``, ``u = u1 u2 / (1 - K)``, with the conflict
    ``K = sum_(i != j) b1_i b2_j``. All at once, in whatever order: ``u ~ prod_m u_m`` and ``b_c ~ prod_m (b_mc + u_m) -
    prod_m u_m``, computed in logarithms. Who is missing has ``b = 0, u = 1`` and changes nothing.

    Parameters
    ----------
    belief : tensor (B, M, C)
        At least 0.
    uncertainty : tensor (B, M)
        Above 0, ``sum_c belief + uncertainty = 1``.
    present : bool tensor (B, M)

    Returns
    -------
    Opinion
        Its probability is ``b_c + u / C``.

    Raises
    ------
    InvalidOption, MissingModality, NonFinite, ShapeMismatch

    References
    ----------
    Dempster (1967). Upper and lower probabilities induced by a multivalued mapping. Ann Math Stat 38:325-339.
    Han et al. (2021). Trusted multi-view classification. ICLR, arXiv:2102.02051 (reduced rule, def. 4).
    """
    check_shape("uncertainty", uncertainty, tuple(belief.shape[:2]))
    masses, mask = enter_masked("masses", torch.cat([belief, uncertainty[..., None]], -1), present)
    check_masses("belief and uncertainty", masses, mask)
    belief, uncertainty = masses[..., :-1], torch.where(mask, masses[..., -1], 1.0)
    if bool((uncertainty <= 0).any()):
        raise InvalidOption(
            "uncertainty must be above 0: opinions without doubt may have no combination. Add a little."
        )
    s = (belief / uncertainty[..., None]).log1p().sum(1)  # log (prod (b + u) / prod u), (B, C)
    most = s.amax(1, keepdim=True)
    mass = -(-s).expm1() * (s - most).exp()  # b_c exp(-most) / prod u: nothing overflows, small beliefs stay exact
    doubt = (-most).exp()
    total = mass.sum(1, keepdim=True) + doubt
    belief, doubt = mass / total, doubt / total
    return Opinion(belief, doubt[:, 0], belief + doubt / belief.shape[1])
