"""The batch of each step."""

import pytest
import torch

from lenet.config.load import load_config
from lenet.data.batches import Batches, draw_balanced
from lenet.data.datasets import Dataset, Split
from lenet.data.preprocessing import Preprocessing
from lenet.data.splits import make_splits
from lenet.rng import generator


def numbered(n: int) -> Split:
    """Images whose label is their number."""
    images = torch.zeros(n, 1, 28, 28, dtype=torch.uint8)
    images[:, 0, 0, 0] = torch.arange(n).to(torch.uint8)
    return Split(images, torch.arange(n))


def batches(n: int = 10, **options) -> Batches:
    settings = {"batch_size": 4, "last_augmented": 100, "seeds": [0]} | options
    return Batches(numbered(n), settings.pop("seeds"), Preprocessing("unit", 28), **settings)


def seen(source: Batches, epoch: int, index: int = 0) -> list[int]:
    return [
        label
        for step in range(source.steps_per_epoch)
        for label in source.batch(epoch, step)[1][index].tolist()
    ]


def test_each_epoch_presents_every_image_once_and_the_last_batch_may_be_smaller() -> None:
    source = batches()
    assert source.steps_per_epoch == 3
    assert sorted(seen(source, 1)) == list(range(10))
    assert source.batch(1, 2)[0].shape == (1, 2, 1, 28, 28)


def test_a_shuffled_order_changes_from_epoch_to_epoch_and_a_constant_one_does_not() -> None:
    shuffled, constant = batches(), batches(order="constant")
    assert seen(shuffled, 1) != seen(shuffled, 2)
    assert seen(constant, 1) == seen(constant, 2) != list(range(10))


def test_a_constant_order_goes_on_where_the_last_epoch_left_off() -> None:
    source = batches(12, order="constant", images_per_epoch=4)
    prepared = [seen(source, number) for number in (1, 2, 3)]
    assert sorted(label for labels in prepared for label in labels) == list(range(12))
    assert seen(source, 4) == prepared[0]


def test_any_step_can_be_asked_for_on_its_own() -> None:
    source, fresh = batches(), batches()
    seen(source, 1)
    assert torch.equal(source.batch(2, 1)[0], fresh.batch(2, 1)[0])


def test_seeds_see_what_each_would_see_alone() -> None:
    both = batches(seeds=[3, 4])
    for index, seed in enumerate((3, 4)):
        assert seen(both, 1, index) == seen(batches(seeds=[seed]), 1)


def test_augmentation_ends_before_the_plain_epochs_and_draws_anew_at_each_step() -> None:
    draws: list[float] = []

    def augment(images, labels, generator, part):
        draws.append(torch.rand(1, generator=generator).item())
        return images + 1

    source = batches(augment=augment, last_augmented=1)
    assert source.batch(1, 0)[0].min() >= 1
    source.batch(1, 1)
    assert source.batch(2, 0)[0].max() < 1
    assert len(set(draws)) == 2


@pytest.mark.parametrize("order", [range(5), [3, 0, 4]])
def test_batches_augmented_ahead_are_those_augmented_alone(order) -> None:
    def augment(images, labels, generator, part):
        several = generator if isinstance(generator, list) else [(generator, len(images))]
        noise = [torch.rand(n, 1, 1, 1, generator=draw) for draw, n in several]
        return images + torch.cat(noise) + labels.view(-1, 1, 1, 1)

    # Five batches of 4, 4, 4, 4 and 2 images, three at once.
    ahead, alone = (batches(18, augment=augment, raw=True, ahead=n, seeds=[0, 1]) for n in (3, 1))
    for epoch in (1, 2):
        for step in order:
            for ours, theirs in zip(
                ahead.batch(epoch, step), alone.batch(epoch, step), strict=True
            ):
                assert torch.equal(ours, theirs)


def test_mixing_hands_on_shares_of_the_classes() -> None:
    def mix(images, labels, generator):
        return images, torch.full((len(images), 10), 0.1)

    assert batches(mix=mix).batch(1, 0)[1].shape == (1, 4, 10)


def test_a_sample_is_random_plain_and_as_large_as_asked() -> None:
    source = batches(augment=lambda images, labels, generator, part: images + 1, seeds=[0, 1])
    inputs, labels = source.sample(1, 5)
    assert inputs.shape == (2, 5, 1, 28, 28)
    assert inputs.max() < 1
    assert len(set(labels[0].tolist())) == 5


@pytest.mark.parametrize("validation_split", ["tail", "stratified"])
def test_validation_images_are_drawn_or_from_the_files_tail(validation_split: str) -> None:
    dataset = Dataset("mnist", numbered(10), numbered(4), "")
    settings = ["data.validation=3", f"data.validation_split={validation_split}"]
    config = load_config("quickstart", settings).config
    splits = make_splits(dataset, config, torch.device("cpu"))
    held = splits.validation.labels.tolist()
    assert len(held) == 3
    assert (held == [7, 8, 9]) == (validation_split == "tail")
    assert sorted([*splits.train.labels.tolist(), *held]) == list(range(10))


def test_each_seed_presents_the_images_of_its_pool_only() -> None:
    pools = [torch.tensor([1, 4, 7]), torch.tensor([2, 9])]
    source = batches(seeds=[0, 1], pools=pools, images_per_epoch=6)
    assert sorted(seen(source, 1, 0)) == [1, 1, 4, 4, 7, 7]
    assert sorted(seen(source, 1, 1)) == [2, 2, 2, 9, 9, 9]
    labels = source.sample(1, 2)[1]
    assert set(labels[0].tolist()) <= {1, 4, 7}
    assert sorted(labels[1].tolist()) == [2, 9]


def test_a_sample_of_unequal_pools_is_as_large_as_the_smallest() -> None:
    source = batches(seeds=[0, 1], pools=[torch.tensor([1, 4, 7]), torch.tensor([2, 9])])
    labels = source.sample(1, 500)[1]
    assert labels.shape == (2, 2)
    assert set(labels[0].tolist()) < {1, 4, 7}


def test_balanced_classes_come_equally_often_and_their_images_too() -> None:
    # 12 draws from 9 images of class 0, 2 of class 1 and 1 of class 4: four of each class.
    labels = torch.tensor([0] * 9 + [1] * 2 + [4])
    drawn = draw_balanced(labels, 12, generator(0, "order", 1))
    assert labels[drawn].bincount().tolist() == [4, 4, 0, 0, 4]
    counts = drawn.bincount(minlength=12).tolist()
    assert sorted(counts[:9]) == [0] * 5 + [1] * 4  # four different ones of the nine
    assert counts[9:] == [2, 2, 4]


def test_what_cannot_be_shared_out_goes_to_classes_drawn_by_lot() -> None:
    labels = torch.tensor([0, 0, 0, 1, 2])
    counts = [
        labels[draw_balanced(labels, 4, generator(0, "order", epoch))]
        .bincount(minlength=3)
        .tolist()
        for epoch in range(30)
    ]
    assert all(sorted(each) == [1, 1, 2] for each in counts)
    assert {each.index(2) for each in counts} == {0, 1, 2}
    assert len(draw_balanced(labels, 2, generator(0, "order", 1))) == 2  # fewer than classes


def test_a_large_class_shows_all_its_images_over_the_epochs_as_often_as_expected() -> None:
    # 90 of class 0 and 10 of class 1: each epoch 50 of the 90, so an image comes with p = 5/9.
    labels = torch.tensor([0] * 90 + [1] * 10)
    epochs = [draw_balanced(labels, 100, generator(0, "order", epoch)) for epoch in range(200)]
    counts = torch.cat(epochs).bincount(minlength=100)
    assert counts[90:].tolist() == [1000] * 10
    expected, deviation = 200 * 5 / 9, (200 * 5 / 9 * 4 / 9) ** 0.5  # 111 and 7.0
    assert (counts[:90] - expected).abs().max() < 4.5 * deviation


def test_balanced_epochs_differ_repeat_and_keep_to_the_pool() -> None:
    source, fresh = batches(balance=True), batches(balance=True)
    assert seen(source, 1) != seen(source, 2)
    assert seen(source, 2) == seen(fresh, 2)
    pools = [torch.tensor([2, 3, 5, 7])]
    assert sorted(seen(batches(balance=True, pools=pools, images_per_epoch=4), 1)) == [2, 3, 5, 7]
    both = batches(balance=True, seeds=[3, 4])
    for index, seed in enumerate((3, 4)):
        assert seen(both, 1, index) == seen(batches(balance=True, seeds=[seed]), 1)
