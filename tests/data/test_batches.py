"""What is presented at each step."""

import pytest
import torch
from lenet.data.splits import divide

from lenet.config.load import load_config
from lenet.data.batches import Batches
from lenet.data.datasets import Dataset, Split
from lenet.data.preprocessing import Presentation


def numbered(n: int) -> Split:
    """Images whose label is their number."""
    images = torch.zeros(n, 1, 28, 28, dtype=torch.uint8)
    images[:, 0, 0, 0] = torch.arange(n).to(torch.uint8)
    return Split(images, torch.arange(n))


def batches(n: int = 10, **options) -> Batches:
    settings = {"batch_size": 4, "last_augmented": 100, "seeds": [0]} | options
    return Batches(numbered(n), settings.pop("seeds"), Presentation("unit", 28), **settings)


def seen(source: Batches, pass_number: int, member: int = 0) -> list[int]:
    return [
        label
        for step in range(source.steps_per_pass)
        for label in source.batch(pass_number, step)[1][member].tolist()
    ]


def test_each_pass_presents_every_image_once_and_the_last_batch_may_be_smaller() -> None:
    source = batches()
    assert source.steps_per_pass == 3
    assert sorted(seen(source, 1)) == list(range(10))
    assert source.batch(1, 2)[0].shape == (1, 2, 1, 28, 28)


def test_a_shuffled_order_changes_from_pass_to_pass_and_a_constant_one_does_not() -> None:
    shuffled, constant = batches(), batches(order="constant")
    assert seen(shuffled, 1) != seen(shuffled, 2)
    assert seen(constant, 1) == seen(constant, 2) != list(range(10))


def test_a_constant_order_goes_on_where_the_last_pass_left_off() -> None:
    source = batches(12, order="constant", images_per_pass=4)
    presented = [seen(source, number) for number in (1, 2, 3)]
    assert sorted(label for labels in presented for label in labels) == list(range(12))
    assert seen(source, 4) == presented[0]


def test_any_step_can_be_asked_for_on_its_own() -> None:
    source, fresh = batches(), batches()
    seen(source, 1)
    assert torch.equal(source.batch(2, 1)[0], fresh.batch(2, 1)[0])


def test_members_see_what_each_would_see_alone() -> None:
    both = batches(seeds=[3, 4])
    for member, seed in enumerate((3, 4)):
        assert seen(both, 1, member) == seen(batches(seeds=[seed]), 1)


def test_augmentation_ends_before_the_plain_passes_and_draws_anew_at_each_step() -> None:
    draws: list[float] = []

    def augment(ink, labels, generator, part):
        draws.append(torch.rand(1, generator=generator).item())
        return ink + 1

    source = batches(augment=augment, last_augmented=1)
    assert source.batch(1, 0)[0].min() >= 1
    source.batch(1, 1)
    assert source.batch(2, 0)[0].max() < 1
    assert len(set(draws)) == 2


def test_mixing_hands_on_shares_of_the_classes() -> None:
    def mix(ink, labels, generator):
        return ink, torch.full((len(ink), 10), 0.1)

    assert batches(mix=mix).batch(1, 0)[1].shape == (1, 4, 10)


def test_a_sample_is_random_plain_and_as_large_as_asked() -> None:
    source = batches(augment=lambda ink, labels, generator, part: ink + 1, seeds=[0, 1])
    inputs, labels = source.sample(1, 5)
    assert inputs.shape == (2, 5, 1, 28, 28)
    assert inputs.max() < 1
    assert len(set(labels[0].tolist())) == 5


@pytest.mark.parametrize("held_out", ["last", "random"])
def test_held_out_images_are_drawn_or_the_files_last(held_out: str) -> None:
    dataset = Dataset("mnist", numbered(10), numbered(4), "")
    settings = ["data.validation=3", f"data.held_out={held_out}"]
    config = load_config("quickstart", settings).config
    parts = divide(dataset, config, torch.device("cpu"))
    held = parts.validation.labels.tolist()
    assert len(held) == 3
    assert (held == [7, 8, 9]) == (held_out == "last")
    assert sorted([*parts.train.labels.tolist(), *held]) == list(range(10))


def test_each_seed_presents_the_images_of_its_pool_only() -> None:
    pools = [torch.tensor([1, 4, 7]), torch.tensor([2, 9])]
    source = batches(seeds=[0, 1], pools=pools, images_per_pass=6)
    assert sorted(seen(source, 1, 0)) == [1, 1, 4, 4, 7, 7]
    assert sorted(seen(source, 1, 1)) == [2, 2, 2, 9, 9, 9]
    labels = source.sample(1, 2)[1]
    assert set(labels[0].tolist()) <= {1, 4, 7}
    assert sorted(labels[1].tolist()) == [2, 9]
