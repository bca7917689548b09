"""FiLMFusion scales and shifts the mean of the others by one modality."""

from __future__ import annotations

import pytest
import torch

from graphfuse.errors import InvalidOption
from graphfuse.fusion.film import FiLMFusion

WIDTHS = {"phenotypes": 2, "fmri": 3, "smri": 4}
PRESENT = {  # everything; no condition; one of the others; the condition alone
    "fmri": torch.tensor([True, True, False, False]),
    "phenotypes": torch.tensor([True, False, True, True]),
    "smri": torch.tensor([True, True, True, False]),
}


def problem():
    torch.manual_seed(0)
    fusion = FiLMFusion(WIDTHS, 5, condition="phenotypes")
    values = {name: torch.randn(4, width) for name, width in WIDTHS.items()}
    terms = [project(values[name]) for project, name in zip(fusion.project, ["fmri", "smri"], strict=True)]
    return fusion, values, terms


def test_it_starts_as_the_mean_of_the_others():
    fusion, values, (fmri, smri) = problem()
    z, weights = fusion(values, PRESENT)
    wanted = torch.stack([(fmri[0] + smri[0]) / 2, (fmri[1] + smri[1]) / 2, smri[2], torch.zeros(5)])
    torch.testing.assert_close(z, wanted)
    assert weights is None


def test_formula():
    fusion, values, (fmri, smri) = problem()
    torch.nn.init.normal_(fusion.modulate.weight)
    torch.nn.init.normal_(fusion.modulate.bias)
    change, beta = fusion.modulate(values["phenotypes"]).chunk(2, 1)
    gamma = 1 + change
    wanted = [
        gamma[0] * (fmri[0] + smri[0]) / 2 + beta[0],
        (fmri[1] + smri[1]) / 2,  # no condition: gamma 1, beta 0
        gamma[2] * smri[2] + beta[2],
        beta[3],
    ]
    torch.testing.assert_close(fusion(values, PRESENT)[0], torch.stack(wanted))


def test_the_condition_is_the_first_by_name_or_the_one_that_is_named():
    assert FiLMFusion(WIDTHS, 5).condition == "fmri"
    with pytest.raises(InvalidOption, match="Did you mean 'phenotypes'"):
        FiLMFusion(WIDTHS, 5, condition="phenotype")
