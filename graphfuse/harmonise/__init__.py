"""Site effects and confounds, removed from feature vectors by what the training subjects say.

A step has ``fit(X, cohort, codes)`` and ``transform(X, cohort)``: X (N, P) float, cohort the blind N subjects, codes
(N,) their classes, read to refuse and never to estimate. Any object with the two methods can be a step.
"""

from graphfuse.harmonise.combat import ComBat, apply_combat, fit_combat
from graphfuse.harmonise.location_scale import LocationScale
from graphfuse.harmonise.regress_out import RegressOut
from graphfuse.harmonise.site_model import apply_location_scale, fit_location_scale

__all__ = [
    "ComBat", "LocationScale", "RegressOut", "apply_combat", "apply_location_scale", "fit_combat", "fit_location_scale",
]  # fmt: skip
