"""ProductOfExperts is the product of densities; MixtureOfExperts starts as an average."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import norm

from graphfuse.errors import InvalidOption
from graphfuse.fusion.experts import MixtureOfExperts, ProductOfExperts, product_of_gaussians

WIDTHS = {"a": 2, "b": 3, "c": 2}
PRESENT = {
    "a": torch.tensor([True, True]),
    "b": torch.tensor([True, False]),
    "c": torch.tensor([True, True]),
}


def embeddings():
    torch.manual_seed(0)
    return {name: torch.randn(2, width) for name, width in WIDTHS.items()}


@pytest.mark.parametrize("prior", [0.5, 1.0])
def test_the_product_of_densities_integrated_on_a_grid(prior):
    means, precisions = torch.tensor([[[1.0], [-0.5]]]).double(), torch.tensor([[[2.0], [0.3]]]).double()
    mean, precision = product_of_gaussians(means, precisions, prior)
    x = np.linspace(-12, 12, 20001)
    density = norm.pdf(x, 0, prior**-0.5)
    for mu, t in zip(means.flatten(), precisions.flatten(), strict=True):
        density = density * norm.pdf(x, mu, t**-0.5)
    density = density / density.sum()
    wanted = (x * density).sum()
    np.testing.assert_allclose(mean.item(), wanted, rtol=1e-9)
    np.testing.assert_allclose(1 / precision.item(), ((x - wanted) ** 2 * density).sum(), rtol=1e-9)


def test_product_formula_without_the_missing_expert():
    fusion, values = ProductOfExperts(WIDTHS, 4, prior=0.7), embeddings()
    z, weights = fusion(values, PRESENT)
    mean, variance = fusion.distribution(values, PRESENT)
    for i, names in enumerate(["abc", "ac"]):
        rows = [fusion.experts["abc".index(n)](values[n][i]).detach().double().numpy() for n in names]
        mu, t = (np.stack(part) for part in zip(*[np.split(row, 2) for row in rows], strict=True))
        t = np.log1p(np.exp(t))
        np.testing.assert_allclose(variance[i].detach(), 1 / (0.7 + t.sum(0)), rtol=1e-5)
        np.testing.assert_allclose(z[i].detach(), (t * mu).sum(0) / (0.7 + t.sum(0)), rtol=1e-4, atol=1e-6)
        places = ["abc".index(n) for n in names]
        np.testing.assert_allclose(weights[i, places], (t / (0.7 + t.sum(0))).mean(1), rtol=1e-5)
    assert torch.equal(z, mean)
    assert weights[1, 1] == 0


def test_experts_without_an_opinion_leave_the_prior():
    fusion = ProductOfExperts(WIDTHS, 4)
    with torch.no_grad():
        for expert in fusion.experts:
            expert.bias[4:] = -200.0  # softplus underflows to 0
    z, weights = fusion(embeddings(), PRESENT)
    _, variance = fusion.distribution(embeddings(), PRESENT)
    assert torch.equal(z, torch.zeros(2, 4))
    assert torch.equal(weights, torch.zeros(2, 3))
    assert torch.equal(variance, torch.ones(2, 4))


def test_the_prior_is_checked():
    with pytest.raises(InvalidOption, match="prior"):
        ProductOfExperts(WIDTHS, 4, prior=0.0)


def test_a_mixture_starts_as_the_average_of_who_is_there():
    fusion, values = MixtureOfExperts(WIDTHS, 4), embeddings()
    a, b, c = (expert(values[n]) for expert, n in zip(fusion.experts, "abc", strict=True))
    z, weights = fusion(values, PRESENT)
    torch.testing.assert_close(z, torch.stack([(a[0] + b[0] + c[0]) / 3, (a[1] + c[1]) / 2]))
    torch.testing.assert_close(weights, torch.tensor([[1 / 3, 1 / 3, 1 / 3], [0.5, 0.0, 0.5]]))


def test_mixture_formula():
    fusion, values = MixtureOfExperts(WIDTHS, 4), embeddings()
    torch.nn.init.normal_(fusion.gate.weight)
    means = torch.stack([expert(values[n]) for expert, n in zip(fusion.experts, "abc", strict=True)], 1)
    z, weights = fusion(values, PRESENT)
    both = torch.cat([values["a"], values["b"], values["c"]], 1)
    torch.testing.assert_close(weights[0], (fusion.gate.weight @ both[0]).softmax(0).detach())
    without = torch.cat([values["a"][1], torch.zeros(3), values["c"][1]])
    share = (fusion.gate.weight @ without)[[0, 2]].softmax(0)
    torch.testing.assert_close(z[1], share @ means[1, [0, 2]])
