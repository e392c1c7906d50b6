"""Policies draw and perform torchvision's operations, each image its own."""

import pytest
import torch
from torchvision.transforms import InterpolationMode, v2

from lenet.augment.operations import (
    AUG_MIX,
    OPERATIONS,
    RAND_AUGMENT,
    SPACE,
    TRIVIAL_AUGMENT_WIDE,
    perform,
)
from lenet.augment.policies import AugMix, AutoAugment, RandAugment, TrivialAugmentWide
from lenet.errors import UsageError
from lenet.rng import generator

THEIRS = v2.TrivialAugmentWide(31, InterpolationMode.BILINEAR)


def pictures(batch: int, size: tuple[int, int] = (28, 28)) -> torch.Tensor:
    draw = generator(0, "pictures")
    images = torch.rand(batch, 1, *size, generator=draw)
    return images * (torch.rand(batch, 1, *size, generator=draw) < 0.4)


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("size", [(28, 28), (20, 31)])
@pytest.mark.parametrize("channels", [1, 3])
def test_operations_equal_torchvisions(name, size, channels):
    images = pictures(5 * channels, size).view(5, channels, *size)
    most = TRIVIAL_AUGMENT_WIDE.get(name, SPACE[name]).ramp(31, size).abs().max()
    strength = torch.linspace(-1, 1, 5) * most if SPACE[name].signed else torch.ones(5) * most
    operation = torch.full((5,), OPERATIONS.index(name))
    ours = perform(images, operation, strength, "bilinear", 0.0)
    for i, image in enumerate(images):
        theirs = THEIRS._apply_image_or_video_transform(
            image, name, strength[i].item(), InterpolationMode.BILINEAR, {"others": None}
        )
        torch.testing.assert_close(ours[i], theirs, rtol=0, atol=2e-4)


@pytest.mark.parametrize(
    ("space", "theirs", "steps"),
    [
        (SPACE, v2.AutoAugment._AUGMENTATION_SPACE, 10),
        (RAND_AUGMENT, v2.RandAugment._AUGMENTATION_SPACE, 31),
        (TRIVIAL_AUGMENT_WIDE, v2.TrivialAugmentWide._AUGMENTATION_SPACE, 31),
        (AUG_MIX, v2.AugMix._AUGMENTATION_SPACE, 10),
    ],
)
def test_spaces_equal_torchvisions(space, theirs, steps):
    assert set(space) - {"Identity"} == set(theirs) - {"Identity"}
    for name, (ramp, signed) in theirs.items():
        expected = ramp(steps, 20, 31)
        expected = torch.zeros(steps) if expected is None else expected.float()
        torch.testing.assert_close(space[name].ramp(steps, (20, 31)), expected)
        assert space[name].signed == signed


def test_images_of_a_batch_draw_different_operations():
    drawn = TrivialAugmentWide().draw(2000, (28, 28), generator(0, "test"))
    assert len(drawn["operation"].unique()) == 14
    negative = (drawn["strength"] < 0)[drawn["operation"] == OPERATIONS.index("Rotate")]
    assert 0.3 < negative.float().mean() < 0.7


def test_rand_augment_draws_one_strength_and_several_operations():
    drawn = RandAugment(3, 30).draw(500, (28, 28), generator(0, "test"))
    assert drawn["operation"].shape == (500, 3)
    rotated = drawn["strength"][drawn["operation"] == OPERATIONS.index("Rotate")]
    assert rotated.unique().tolist() == [-30, 30]


def test_auto_augment_performs_its_pairs_with_their_probability():
    transform = AutoAugment("svhn")
    transform.pairs = [(("Invert", 0.25, None), ("ShearX", 1.0, 9))]
    drawn = transform.draw(4000, (28, 28), generator(0, "test"))
    assert float((drawn["operation"][:, 0] == OPERATIONS.index("Invert")).float().mean()) == (
        pytest.approx(0.25, abs=0.03)
    )
    assert (drawn["operation"][:, 1] == OPERATIONS.index("ShearX")).all()
    torch.testing.assert_close(drawn["strength"][:, 1].abs(), torch.full((4000,), 0.3))


def test_aug_mix_averages_with_shares_that_sum_to_one():
    transform = AugMix(all_ops=False)
    drawn = transform.draw(1000, (28, 28), generator(0, "test"))
    torch.testing.assert_close(drawn["shares"].sum(1), torch.ones(1000))
    assert drawn["operation"].shape == (1000, 3, 3)
    skipped = drawn["operation"] == OPERATIONS.index("Identity")
    assert not skipped[:, :, 0].any()
    assert 0.3 < skipped[:, :, 2].float().mean() / 2 < 0.37  # depth 3 in a third of the chains
    assert OPERATIONS.index("Brightness") not in drawn["operation"]


def test_aug_mix_without_any_share_of_chains_is_the_image():
    images = pictures(2)
    transform = AugMix()
    drawn = transform.draw(2, (28, 28), generator(0, "test"))
    drawn["shares"] = torch.tensor([[1.0, 0, 0, 0], [0, 1, 0, 0]])
    drawn["operation"].fill_(OPERATIONS.index("Invert"))
    drawn["operation"][:, :, 1:] = OPERATIONS.index("Identity")
    changed = transform.apply_to(images, drawn)
    torch.testing.assert_close(changed[0], images[0])
    torch.testing.assert_close(changed[1], 1 - images[1])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RandAugment(magnitude=31), r"magnitude must be a whole number in \[0, 30\]"),
        (
            lambda: RandAugment(num_ops=1.5),
            r"num_ops must be a whole number in \[0, 1000\], not 1.5",
        ),
        (lambda: AutoAugment("mnist"), "policy must be 'imagenet' or 'cifar10' or 'svhn'"),
        (lambda: AugMix(severity=11), r"severity must be a whole number in \[1, 10\], not 11"),
        (
            lambda: AugMix(chain_depth=0),
            r"chain_depth must be -1 or a whole number in \[1, 1000\], not 0",
        ),
        (
            lambda: AugMix(mixture_width=11, chain_depth=100),
            "mixture_width must be at most 10 with 100 operations per chain, not 11",
        ),
        (lambda: TrivialAugmentWide(1), "num_magnitude_bins must be a whole number"),
    ],
)
def test_illegal_policies_are_refused(make, message):
    with pytest.raises(UsageError, match=message):
        make()
