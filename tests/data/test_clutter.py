"""Clutter is drawn where it is asked for, and is brightest where its strokes are."""

import torch
from torch import Tensor

from lenet.data.clutter import add_strokes, draw_patterns


def always(*shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
    """The lower end of every interval, so that each stroke with a chance is drawn."""
    return torch.full(shape, low)


def random(*shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
    return torch.rand(*shape) * (high - low) + low


def test_only_lines_that_are_chosen_get_strokes() -> None:
    lines, ends = torch.zeros(2, 32, 96), torch.tensor([60, 60])
    spoilt = add_strokes(lines, ends, torch.tensor([False, True]), always)
    assert torch.equal(spoilt[0], lines[0])
    assert spoilt[1].max() > 0


def test_strokes_stand_where_their_kind_stands() -> None:
    # The middle of every interval, all strokes drawn, in full brightness, no other lines' parts.
    values = iter((0.5, 0.0, 1.0, 1.0, 1.0))
    lines, ends = torch.zeros(1, 32, 96), torch.tensor([60])
    spoilt = add_strokes(
        lines, ends, torch.tensor([True]), lambda *shape, **_: torch.full(shape, next(values))
    )[0]
    assert spoilt[29].min() > 0.9  # a rule at row 0.9 · 32 = 28.8, 0.65 to either side
    assert spoilt[:, 2].min() == spoilt[:, 60].min() == 1  # edges, at 4 - 2 and 60 - 2 + 4 - 2
    assert spoilt[26, 30] == 1  # a full stop at row 0.8 · 32 = 25.6, 1.2 around
    # Dashes from column 60 - 4 + 6 = 62 on, 3 + 25 / 4 = 9 long, at rows 16 and 21, rising by 1.
    assert spoilt[16, 62] == spoilt[21, 62] == spoilt[15, 71] == 1
    assert spoilt[13, 75:].max() == 0


def test_patterns_are_faint_and_some_end_at_a_slanting_line() -> None:
    torch.manual_seed(0)
    drawn = draw_patterns(200, 32, 96, random)
    assert drawn.shape == (200, 32, 96)
    assert drawn.min() >= 0 and 0.3 < drawn.max() <= 0.35
    above = drawn[:, 0].eq(0).all(1).float().mean()  # the whole first row lies above the line
    assert 0.1 < above < 0.3
