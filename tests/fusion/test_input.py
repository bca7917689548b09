"""Input fusion: channels, composites, node features, with what is missing as zeros or a mean."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from graphfuse.errors import AtlasMismatch, InvalidOption, MissingModality, NonFinite, ShapeMismatch
from graphfuse.fusion.input import channel_stack, composite, masked_composite, stack_node_features

PRESENT = {"pet": torch.tensor([True, False]), "mri": torch.tensor([True, True])}


def volumes(fill=0.0):
    torch.manual_seed(0)
    result = {"pet": torch.randn(2, 2, 3, 4), "mri": torch.randn(2, 2, 3, 4)}
    return {name: torch.where(PRESENT[name][:, None, None, None], x, fill) for name, x in result.items()}


def test_channels_are_sorted_and_followed_by_presence():
    x = channel_stack(volumes(), PRESENT)
    assert x.shape == (2, 4, 2, 3, 4)
    assert torch.equal(x[:, 0], volumes()["mri"])
    assert torch.equal(x[:, 1], volumes()["pet"])
    assert torch.equal(x[:, 2:].mean((2, 3, 4)), torch.tensor([[1.0, 1.0], [1.0, 0.0]]))
    assert torch.equal(channel_stack(volumes(), PRESENT, mask_channels=False), x[:, :2])


def test_a_missing_channel_can_be_the_mean_image():
    means = {"mri": torch.full((2, 3, 4), 5.0), "pet": torch.full((2, 3, 4), 7.0)}
    x = channel_stack(volumes(), PRESENT, means)
    assert (x[1, 1] == 7).all()
    assert torch.equal(x[0, :2], channel_stack(volumes(), PRESENT)[0, :2])
    with pytest.raises(InvalidOption, match=r"means must name the modalities \['mri', 'pet'\]"):
        channel_stack(volumes(), PRESENT, {"mri": means["mri"]})
    with pytest.raises(ShapeMismatch, match=r"means\['pet'\]"):
        channel_stack(volumes(), PRESENT, {**means, "pet": torch.zeros(3, 3, 4)})
    with pytest.raises(NonFinite, match="means"):
        channel_stack(volumes(), PRESENT, {**means, "pet": torch.full((2, 3, 4), torch.nan)})


def test_a_composite_is_a_weighted_mean_of_who_is_there():
    x = composite(volumes(), PRESENT, {"pet": 3.0, "mri": 1.0})
    mri, pet = volumes()["mri"].numpy(), volumes()["pet"].numpy()
    np.testing.assert_allclose(x[0], np.average([mri[0], pet[0]], axis=0, weights=[1, 3]), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(x[1], mri[1])
    np.testing.assert_allclose(composite(volumes(), PRESENT)[0], (mri[0] + pet[0]) / 2, rtol=1e-5, atol=1e-6)
    with pytest.raises(InvalidOption, match=r"weights\['pet'\]"):
        composite(volumes(), PRESENT, {"pet": 0.0, "mri": 1.0})
    with pytest.raises(InvalidOption, match="weights must name"):
        composite(volumes(), PRESENT, {"pet": 1.0})


def test_a_masked_composite_keeps_what_lies_in_the_tissue():
    volume = torch.tensor([1.0, 2.0, torch.nan]).view(3, 1, 1, 1).repeat(1, 1, 1, 3)
    tissue = torch.tensor([0.2, 0.5, 0.9]).expand(3, 1, 1, 3)
    present = torch.tensor([True, True, False])
    x = masked_composite(volume, tissue, present)[:, 0, 0]
    assert x.tolist() == [[0.0, 0.0, 1.0], [0.0, 0.0, 2.0], [0.0, 0.0, 0.0]]
    assert masked_composite(volume, tissue, present, threshold=0.1)[0].sum() == 3
    with pytest.raises(NonFinite, match="volume of those who have both"):
        masked_composite(volume, tissue, ~present)
    with pytest.raises(ShapeMismatch, match="tissue"):
        masked_composite(volume, tissue[..., :2], present)
    with pytest.raises(InvalidOption, match="threshold"):
        masked_composite(volume, tissue, present, threshold=2.0)


def test_node_features_lie_side_by_side_with_presence():
    features = {"smri": torch.ones(2, 3, 2), "fmri": torch.full((2, 3, 4), 2.0)}
    present = {"smri": torch.tensor([True, False]), "fmri": torch.tensor([True, True])}
    x = stack_node_features(features, present)
    assert x.shape == (2, 3, 8)
    assert x[0, 1].tolist() == [2.0, 2.0, 2.0, 2.0, 1.0, 1.0, 1.0, 1.0]
    assert x[1, 2].tolist() == [2.0, 2.0, 2.0, 2.0, 0.0, 0.0, 1.0, 0.0]
    assert torch.equal(stack_node_features(features, present, presence=False), x[..., :6])


def test_regions_in_another_order_come_out_in_that_order():
    torch.manual_seed(0)
    features = {"smri": torch.randn(2, 5, 2), "fmri": torch.randn(2, 5, 4)}
    present = dict.fromkeys(features, torch.ones(2, dtype=torch.bool))
    order = torch.randperm(5)
    shuffled = stack_node_features({name: x[:, order] for name, x in features.items()}, present)
    assert torch.equal(shuffled, stack_node_features(features, present)[:, order])


def test_node_features_need_one_set_of_regions():
    present = dict.fromkeys(["fmri", "smri"], torch.ones(2, dtype=torch.bool))
    with pytest.raises(AtlasMismatch, match="one set of regions; got 'fmri' 110, 'smri' 68"):
        stack_node_features({"fmri": torch.zeros(2, 110, 1), "smri": torch.zeros(2, 68, 3)}, present)


@pytest.mark.parametrize("fusion", [channel_stack, composite])
def test_missing_values_change_no_bit_of_output_or_gradient(fusion):
    results = []
    for fill in (0.0, 3.0, torch.nan, torch.inf):
        given = {name: x.requires_grad_() for name, x in volumes(fill).items()}
        x = fusion(given, PRESENT)
        x.square().sum().backward()
        results.append([x.detach(), given["mri"].grad, given["pet"].grad])
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))


def test_missing_node_features_change_no_bit():
    present = {"smri": torch.tensor([True, False]), "fmri": torch.tensor([True, True])}
    results = []
    for fill in (0.0, torch.nan):
        features = {"smri": torch.ones(2, 3, 2), "fmri": torch.ones(2, 3, 4)}
        features["smri"][1] = fill
        results.append(stack_node_features(features, present))
    assert torch.equal(*results)


@pytest.mark.parametrize("fusion", [channel_stack, composite])
def test_errors_at_the_door(fusion):
    given = volumes()
    with pytest.raises(MissingModality, match="must name the same modalities"):
        fusion(given, {"pet": PRESENT["pet"]})
    with pytest.raises(MissingModality, match="one at least"):
        fusion({}, {})
    with pytest.raises(MissingModality, match="1 of 2 have none"):
        fusion(given, {"pet": PRESENT["pet"], "mri": PRESENT["pet"]})
    with pytest.raises(ShapeMismatch, match="one grid"):
        fusion({**given, "pet": torch.zeros(2, 2, 3, 5)}, PRESENT)
    with pytest.raises(ShapeMismatch, match=r"volumes\['pet'\]"):
        fusion({**given, "pet": torch.zeros(3, 2, 3, 4)}, PRESENT)
    with pytest.raises(NonFinite, match=r"volumes\['mri'\] of those who have it"):
        fusion({**given, "mri": given["mri"] / 0}, PRESENT)
