"""Containers send each image through the transforms that it drew."""

import pickle

import pytest
import torch
from torchvision.transforms import v2

from lenet.augment.catalogue import AUGMENTATIONS, CONTAINERS, build_pipeline
from lenet.augment.containers import Compose, RandomApply, RandomChoice, RandomOrder
from lenet.augment.cropping import RandomCrop
from lenet.augment.distortions import RandomRotationOrShear
from lenet.augment.geometry import RandomAffine
from lenet.augment.photometry import GaussianNoise, RandomGamma, RandomInvert
from lenet.errors import UsageError
from lenet.rng import generator

DARKER, LIGHTER, INVERTED = RandomGamma((2, 2)), RandomGamma((0.5, 0.5)), RandomInvert(p=1)


def changed(transform, batch=2000, images=0.25):
    images = torch.full((batch, 1, 2, 2), images)
    drawn = transform.draw(batch, (2, 2), generator(0, "test"))
    return transform.apply_to(images, drawn)[:, 0, 0, 0]


def test_a_chain_is_applied_to_some_images_as_a_whole():
    inks = changed(RandomApply([INVERTED, DARKER], p=0.3))
    assert set(inks.tolist()) == {0.25, 0.5625}  # (1 - 0.25)²
    assert 0.25 < (inks == 0.5625).float().mean() < 0.35


def test_each_image_gets_one_choice_by_its_weight():
    inks = changed(RandomChoice([DARKER, LIGHTER, INVERTED], p=[0.5, 0.25, 0]))
    assert set(inks.tolist()) == {0.0625, 0.5}
    assert 0.62 < (inks == 0.0625).float().mean() < 0.71  # two of three


def test_choices_are_alike_without_weights():
    inks = changed(RandomChoice([DARKER, LIGHTER, INVERTED]))
    for images in (0.0625, 0.5, 0.75):
        assert 0.29 < (inks == images).float().mean() < 0.38


def test_each_image_has_an_order_of_its_own():
    inks = changed(RandomOrder([DARKER, INVERTED]))
    assert set(inks.tolist()) == {0.9375, 0.5625}  # 1 - 0.25², (1 - 0.25)²
    assert 0.45 < (inks == 0.9375).float().mean() < 0.55


def test_a_composition_is_interpolated_once():
    there, back = RandomAffine((45, 45)), RandomAffine((-45, -45))
    images = torch.rand(4, 1, 28, 28)
    turned = Compose([there, back])
    drawn = turned.draw(4, (28, 28), generator(0, "test"))
    torch.testing.assert_close(turned.apply_to(images, drawn), images, rtol=0, atol=1e-4)


def test_a_config_lists_the_members_and_any_transform_may_be_one():
    specs = [
        {
            "RandomChoice": {
                "transforms": [
                    {"Paper1998": {}},
                    {"RandomApply": {"transforms": [{"RandomEqualize": {}}, {"RandomInvert": {}}]}},
                    {"Compose": {"transforms": [{"RandomAffine": {"degrees": 9}}, {"CLAHE": {}}]}},
                ],
                "p": [0.2, 0.3, 0.5],
            }
        }
    ]
    pipeline = build_pipeline(specs)
    images, labels = torch.rand(32, 1, 28, 28), torch.arange(32) % 10
    first = pipeline(images, labels, generator(0, "test"))
    assert first.shape == images.shape
    assert torch.equal(first, pipeline(images, labels, generator(0, "test")))
    part = pipeline(images, labels, generator(0, "test"), slice(5, 9))
    torch.testing.assert_close(part, first[5:9])
    assert ["RandomEqualize" in note for note in pipeline.notes] == [True]


def test_kornia_inside_of_a_container_is_found():
    pytest.importorskip("kornia")
    inner = [{"kornia.RandomRain": {}}]
    assert not build_pipeline([{"RandomApply": {"transforms": inner}}]).divisible


@pytest.mark.parametrize(
    ("spec", "message", "path"),
    [
        ({"RandomApply": {}}, "transforms is missing", ("RandomApply",)),
        ({"RandomApply": {"transforms": []}}, "transforms must be a list of transforms, at least",
         ("RandomApply", "transforms")),
        ({"RandomApply": {"transforms": 3}}, "transforms must be a list of transforms, not 3",
         ("RandomApply", "transforms")),
        ({"RandomApply": {"transforms": [{"CLAHE": {}}, "RandomInvert"]}},
         "RandomApply: transforms[1] must be a transform, such as `RandomErasing: {p: 0.25}`,"
         " not 'RandomInvert'", ("RandomApply", "transforms", 1)),
        ({"RandomApply": {"transforms": [{3: {}}]}}, "name must be a word, not 3",
         ("RandomApply", "transforms", 0)),
        ({"RandomApply": {"transforms": [{"CLAHE": {3: 4}}]}},
         "CLAHE: an argument's name must be a word, not 3",
         ("RandomApply", "transforms", 0, "CLAHE")),
        ({"RandomOrder": {"transforms": [{"CLAHE": {}}, {"CLAHE": {"p": 3}}]}},
         "CLAHE: p must be a number in [0, 1], not 3",
         ("RandomOrder", "transforms", 1, "CLAHE", "p")),
        ({"RandomChoice": {"transforms": [{"CLAHE": {}}], "p": [0.5, 0.5]}},
         "RandomChoice: p must be a list of 1 numbers in [0, 1000]", ("RandomChoice", "p")),
        ({"RandomChoice": {"transforms": [{"CLAHE": {}}], "p": [0]}},
         "weights of which one is above 0", ("RandomChoice", "p")),
        ({"RandomApply": {"transforms": [{"CLAHE": 3}]}}, "CLAHE: its arguments must be a mapping",
         ("RandomApply", "transforms", 0, "CLAHE")),
        ({"RandomApply": {"transforms": [{"MixUp": {}}]}}, "MixUp mixes images and labels",
         ("RandomApply", "transforms", 0, "MixUp")),
    ],
)  # fmt: skip
def test_errors_say_what_is_wrong_and_where(spec, message, path):
    with pytest.raises(UsageError) as caught:
        build_pipeline([spec])
    assert message in str(caught.value)
    assert caught.value.path == (0, *path)


@pytest.mark.parametrize("container", ["RandomApply", "RandomChoice", "RandomOrder"])
def test_a_member_that_refuses_the_images_is_found_in_its_place(container):
    members = [{"CLAHE": {}}, {"RandomCrop": {"size": 60}}]
    pipeline = build_pipeline([{"CLAHE": {}}, {container: {"transforms": members}}])
    with pytest.raises(UsageError, match="larger than the padded image") as caught:
        pipeline.output_size((28, 28))
    assert caught.value.path == (1, container, "transforms", 1, "RandomCrop", "size")


def test_members_must_leave_the_size_as_it_is():
    pipeline = build_pipeline([{"RandomApply": {"transforms": [{"RandomCrop": {"size": 20}}]}}])
    with pytest.raises(UsageError, match="RandomCrop makes 20×20 pixels of 28×28") as caught:
        pipeline.output_size((28, 28))
    assert caught.value.path == (0, "RandomApply", "transforms", 0, "RandomCrop")


def test_the_member_that_changes_the_size_is_to_blame():
    members = [{"CLAHE": {}}, {"RandomCrop": {"size": 20}}, {"RandomInvert": {}}]
    pipeline = build_pipeline([{"RandomApply": {"transforms": members}}])
    with pytest.raises(UsageError, match="RandomCrop makes 20×20 pixels of 28×28") as caught:
        pipeline.output_size((28, 28))
    assert caught.value.path == (0, "RandomApply", "transforms", 1, "RandomCrop")


def test_a_chain_may_change_the_size_and_change_it_back():
    there_and_back = [RandomCrop(32, padding=2), RandomCrop(28)]
    assert RandomApply(there_and_back).output_size((28, 28)) == (28, 28)


def test_containers_built_in_python_refuse_other_sizes_too():
    with pytest.raises(UsageError, match="RandomCrop makes 20×20 pixels of 28×28"):
        RandomChoice([RandomCrop(20), INVERTED])(torch.rand(4, 1, 28, 28))


@pytest.mark.parametrize("name", CONTAINERS)
def test_containers_work_in_torchvisions_compose(name):
    transform = CONTAINERS[name]([RandomInvert(), RandomAffine(10)])
    images = v2.Compose([transform])(torch.rand(5, 1, 28, 28))
    assert images.shape == (5, 1, 28, 28)


@pytest.mark.parametrize("name", ["AugMix", "AutoAugment", "RandAugment", "CLAHE"])
def test_transforms_can_be_sent_to_other_processes(name):
    transform = Compose([AUGMENTATIONS[name]()])
    there = pickle.loads(pickle.dumps(transform))
    drawn = [t.draw(8, (28, 28), generator(0, "test")) for t in (transform, there)]
    assert drawn[0].keys() == drawn[1].keys()
    assert all(torch.equal(drawn[0][key], drawn[1][key]) for key in drawn[0])


def test_each_image_gets_what_was_drawn_for_it_by_the_member_it_chose():
    members = [RandomAffine(40), RandomAffine((90, 90), translate=(0.3, 0.3))]
    images = torch.rand(32, 1, 28, 28)
    drawn = RandomChoice(members).draw(32, (28, 28), generator(0, "test"))
    chosen = RandomChoice(members).apply_to(images, drawn)
    both = [
        member.apply_to(
            images,
            {
                name.removeprefix(f"{i}.0."): value
                for name, value in drawn.items()
                if name.startswith(f"{i}.0.")
            },
        )
        for i, member in enumerate(members)
    ]
    first = (drawn["turns"][:, 0] == 0).view(-1, 1, 1, 1)
    assert 4 < first.sum() < 28
    torch.testing.assert_close(chosen, torch.where(first, *both), rtol=0, atol=1e-5)


def test_members_see_the_labels():
    turned = RandomApply([RandomRotationOrShear(40, 0)], p=1)
    labels = torch.arange(200) % 10
    images = torch.rand(1, 1, 28, 28).expand(200, 1, 28, 28)
    drawn = turned.draw(200, (28, 28), generator(0, "test"), labels)
    moved = (turned.apply_to(images, drawn) - images).abs().amax((1, 2, 3)) > 1e-3
    assert not moved[(labels == 1) | (labels == 7)].any()
    assert moved[(labels != 1) & (labels != 7)].all()


def test_a_member_that_no_image_drew_is_not_run():
    class Untouched(RandomInvert):
        def change(self, images, parameters):
            assert len(images) == 0
            return images

    images = torch.rand(8, 1, 4, 4)
    never = RandomApply([Untouched(p=1)], p=0)
    drawn = never.draw(8, (4, 4), generator(0, "test"))
    assert torch.equal(never.apply_to(images, drawn), images)


@pytest.mark.parametrize("p", [[1e-30, 1e-36], [200, 0.0002]])
def test_weights_may_be_of_any_magnitude(p):
    inks = changed(RandomChoice([DARKER, LIGHTER], p=p))
    assert set(inks.tolist()) == {0.0625}


def test_weights_need_not_add_up_to_1():
    inks = changed(RandomChoice([DARKER, LIGHTER], p=[2, 1]))
    assert 0.62 < (inks == 0.0625).float().mean() < 0.71


def test_half_of_the_images_are_transformed_unless_told_otherwise():
    assert 0.46 < (changed(RandomApply([DARKER])) == 0.0625).float().mean() < 0.54
    assert (changed(Compose([DARKER])) == 0.0625).all()


def test_values_outside_0_and_1_pass_through_containers_unchanged():
    noisy = changed(Compose([GaussianNoise(sigma=2.0, clip=False)]))
    assert noisy.min() < -1
    assert noisy.max() > 1.5


def test_members_that_are_no_transforms_are_named():
    with pytest.raises(UsageError, match=r"transforms\[1\] must be a transform of lenet\.augment"):
        RandomApply([INVERTED, v2.GaussianBlur(3)])


def test_torchs_lists_of_modules_hold_members_too():
    assert (changed(Compose(torch.nn.ModuleList([DARKER]))) == 0.0625).all()


def test_a_container_shows_its_members_once():
    assert repr(RandomApply([RandomInvert()])).count("RandomInvert(") == 1


@pytest.mark.parametrize("name", CONTAINERS)
def test_torchvisions_protocol_draws_anew_in_each_call(name):
    transform = v2.Compose([CONTAINERS[name]([RandomAffine(90), RandomInvert()])])
    images = torch.rand(8, 1, 28, 28)
    assert not torch.equal(transform(images), transform(images))
