"""Strings are composed of digits: what they hold, how they stand, and that seeds decide."""

import torch
from torch import Tensor

from lenet.data.datasets import Split
from lenet.data.strings import PAD, StringComposer
from lenet.rng import generator


def bars(n: int) -> Tensor:
    """Digits that are upright bars, 20 rows by 4 columns."""
    images = torch.zeros(n, 1, 28, 28)
    images[:, :, 4:24, 12:16] = 1
    return images


def compose(composer: StringComposer, n: int = 8, seed: int = 0) -> tuple[Tensor, Tensor]:
    return composer(bars(n), torch.arange(n) % 10, generator(seed, "test"))


def test_a_string_has_its_digits_first_and_then_padding() -> None:
    strings, labels = compose(StringComposer(32, 160, (2, 5)), n=16)
    assert strings.shape == (16, 1, 32, 160) and labels.shape == (16, 5)
    there = labels != PAD
    assert there.sum(1).min() >= 2
    assert torch.equal(there.int().sort(dim=1, descending=True).values, there.int())
    assert strings.min() >= 0 and strings.max() <= 1


def test_the_same_draw_gives_the_same_strings_and_another_gives_others() -> None:
    composer = StringComposer(32)
    first, again, other = (compose(composer, seed=s)[0] for s in (0, 0, 1))
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_neighbours_keep_the_gap() -> None:
    composer = StringComposer(32, 160, (4, 4), gap=(9, 9), slant=0, style=0, clutter=0)
    strings, labels = compose(composer, n=4)
    for string, digits in zip(strings[:, 0], labels, strict=True):
        inked = (string.amax(0) > 0.1).int().tolist()
        starts = sum(a < b for a, b in zip([0, *inked], inked, strict=False))
        assert starts == (digits != PAD).sum()  # 9 px apart, each bar stands alone


def test_styled_numbers_are_often_round_and_plain_ones_are_not() -> None:
    for style, some in ((0.0, False), (1.0, True)):
        composer = StringComposer(32, 160, (4, 4), style=style, clutter=0)
        _, labels = composer(bars(64), torch.arange(64) % 10, generator(0, "test"))
        round_ones = int((labels[:, 2:] == 0).all(1).sum())  # by chance 1 % of 64
        assert (round_ones > 8) == some


def test_some_styled_fives_are_a_bar_and_a_hook_and_some_nines_lean() -> None:
    composer = StringComposer(32, 96, (1, 1), slant=0, style=1.0, clutter=0)
    wide = {}
    for digit in (3, 5, 9):
        draw = generator(0, "test")
        strings, _ = composer(bars(100), torch.full((100,), digit), draw, once=True)
        inked = (strings[:, 0] > 0.3).any(1)  # (N, columns)
        # A bar of 4 px is at most 4 · 1.6 px wide, leans by 6°, and is blurred.
        wide[digit] = int((inked.sum(1) > 11).sum())
    assert wide[3] == 0 and 10 < wide[5] < 50 and 10 < wide[9] < 50


def test_digits_that_do_not_fit_are_left_out() -> None:
    composer = StringComposer(32, 48, (8, 8), gap=(10, 10), slant=0, style=0, clutter=0)
    _, labels = compose(composer)
    assert ((labels != PAD).sum(1) <= 4).all()


def test_a_split_becomes_strings_of_each_digit_once_by_its_seed_alone() -> None:
    split = Split((bars(10) * 255).byte(), torch.arange(10))
    composer = StringComposer(32, 96, (2, 2), gap=(0, 2))
    strings, again = (composer.compose(split, 3, "test") for _ in range(2))
    assert strings.images.dtype == torch.uint8 and strings.images.shape == (5, 1, 32, 96)
    assert len(strings) == 5 and sorted(strings.labels.flatten().tolist()) == [*range(10)]
    assert torch.equal(strings.images, again.images)
    assert not torch.equal(strings.images, composer.compose(split, 4, "test").images)
    assert len(composer.compose(split.take(torch.arange(0)), 3, "test")) == 0
