"""Counter-based randomness."""

import torch

from lenet.rng import derive_seed, generator


def test_the_same_place_of_a_run_gives_the_same_numbers() -> None:
    first = torch.rand(5, generator=generator(3, "augment", 2, 7))
    torch.rand(100)  # what happens elsewhere does not matter
    assert torch.equal(first, torch.rand(5, generator=generator(3, "augment", 2, 7)))


def test_every_part_of_the_place_matters() -> None:
    places = [
        (0, "a"),
        (1, "a"),
        (0, "b"),
        (0, "a", 0),
        (0, "a", 0, 0),
        (0, "a", 1),
        (0, "a", 11),
        (0, "a", 1, 1),
    ]
    assert len({derive_seed(*place) for place in places}) == len(places)


def test_a_seed_is_the_same_on_every_machine() -> None:
    # `printf 0:order:1 | b2sum -l 64` is 81b1d41cd33adb9e; read little-endian, less its lowest bit.
    assert derive_seed(0, "order", 1) == 0x9EDB3AD31CD4B181 >> 1
