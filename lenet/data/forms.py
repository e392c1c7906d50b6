"""Forms of digits that people write and MNIST's writers hardly did, drawn with straight strokes.

Source: how Central Europe and South America write.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

import torch
from torch import Tensor

STROKE = 0.25  # of full brightness: pixels that count as part of a digit
Stroke = tuple[Tensor, Tensor, Tensor, Tensor]
"""Column and row where a stroke begins, and columns and rows from there to its end, (N,) each."""


class Draw(Protocol):
    """Uniform numbers of a shape in [low, high], on the images' device."""

    def __call__(self, *shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
        """Draw them."""


def draw_forms(glyphs: Tensor, labels: Tensor, rand: Draw) -> Tensor:
    """Give digits other forms; see `FORMS`.

    Args:
        glyphs: Digits, (N, 1, H, W).
        labels: int64 (N,).
        rand: The draw.
    """
    changed = glyphs.clone()
    for digit, share, change in FORMS:
        chosen = ((labels == digit) & (rand(len(labels)) < share)).nonzero()[:, 0]
        if len(chosen):
            changed[chosen, 0] = change(changed[chosen, 0], rand)
    return changed


def draw_strokes(
    x: Tensor, y: Tensor, across: Tensor, down: Tensor, radius: Tensor, height: int, width: int
) -> Tensor:
    """Draw one straight stroke with soft edges per picture.

    Args:
        x: Column where each begins, (N,); pixel centres are whole numbers.
        y: Row likewise.
        across: Columns from its beginning to its end.
        down: Rows likewise.
        radius: Half its width in pixels.
        height: Of the pictures.
        width: Of the pictures.

    Returns:
        Brightness in [0, 1], (N, height, width).
    """
    x, y, across, down, radius = (v[:, None, None] for v in (x, y, across, down, radius))
    rows = torch.arange(height, device=x.device)[:, None] - y  # (N, height, 1)
    columns = torch.arange(width, device=x.device) - x  # (N, 1, width)
    length = (across**2 + down**2).clamp(min=1e-6)
    part = ((columns * across + rows * down) / length).clamp(0, 1)
    away = torch.hypot(columns - part * across, rows - part * down)
    return (radius + 0.5 - away).clamp(0, 1)


def _draw(images: Tensor, strokes: Sequence[Stroke], radius: Tensor) -> Tensor:
    """Draw strokes of one width in pictures of the size of images (N, H, W)."""
    height, width = images.shape[1:]
    drawn = [draw_strokes(*stroke, radius, height, width) for stroke in strokes]
    return torch.stack(drawn).amax(0)


def _find_rows(images: Tensor) -> tuple[Tensor, Tensor]:
    """Return the first and the last row of the strokes in images (N, H, W), (N,)."""
    rows = (images > STROKE).any(2)
    top, bottom = rows.float().argmax(1), rows.flip(1).float().argmax(1)
    return top.float(), (images.shape[1] - 1 - bottom).float()


def _find_columns(images: Tensor) -> tuple[Tensor, Tensor]:
    """Return the first and the last column likewise."""
    return _find_rows(images.transpose(1, 2))


def _centre(images: Tensor, rows: Tensor) -> Tensor:
    """Return the middle of the ink in one row of each of images (N, H, W), (N,)."""
    ink = images[torch.arange(len(images)), rows.long()]
    columns = torch.arange(images.shape[2], device=images.device)
    return (ink * columns).sum(1) / ink.sum(1).clamp(min=1e-6)


def _tie(images: Tensor, rand: Draw) -> Tensor:
    """Tie zeros to what follows, from their top on."""
    r = rand(len(images), 3)
    top, _ = _find_rows(images)
    across, down = 5 + 7 * r[:, 0], 3 * (r[:, 1] - 0.7)
    tie = (_centre(images, top), top + 0.5, across, down)
    return images.maximum(_draw(images, [tie], 0.6 + 0.5 * r[:, 2]))


def _loop(images: Tensor, rand: Draw) -> Tensor:
    """Write zeros in one go with their neighbours, like e."""
    r = rand(len(images), 4)
    (top, bottom), (left, right) = _find_rows(images), _find_columns(images)
    y = top + (0.4 + 0.4 * r[:, 0]) * (bottom - top)
    end = top + 0.4 * r[:, 1] * (bottom - top)
    loop = (left, y, right + 3 * r[:, 2] - left, end - y)
    return images.maximum(_draw(images, [loop], 0.6 + 0.5 * r[:, 3]))


def _flag(images: Tensor, rand: Draw) -> Tensor:
    """Give ones a flag, which may reach the foot as in Λ, and some a foot."""
    r = rand(len(images), 4)
    top, bottom = _find_rows(images)
    radius = 0.6 + 0.5 * r[:, 2]
    down = (0.1 + 0.9 * r[:, 1]) * (bottom - top)
    flag = (_centre(images, top), top + 0.5, -2 - 9 * r[:, 0], down)
    wide = torch.full_like(top, 8)
    foot = _draw(images, [(_centre(images, bottom) - 4, bottom, wide, 0 * wide)], radius)
    stands = (r[:, 3] < 0.2)[:, None, None]
    return images.maximum(_draw(images, [flag], radius)).maximum(torch.where(stands, foot, 0))


def _close(images: Tensor, rand: Draw) -> Tensor:
    """Let twos begin with a closed loop."""
    r = rand(len(images), 5)
    top, bottom = _find_rows(images)
    tall = bottom - top
    rows = torch.arange(images.shape[1], device=images.device)
    heads = torch.where((rows < (top + 0.45 * tall)[:, None])[..., None], images, 0)
    left, right = _find_columns(heads)
    y = heads[torch.arange(len(heads)), :, left.long()].argmax(1).float()
    middle = left + (0.3 + 0.3 * r[:, 0]) * (right - left)
    low = y + (0.05 + 0.25 * r[:, 1]) * tall
    end = top + (0.2 + 0.25 * r[:, 2]) * tall
    curl = [(left, y, middle - left, low - y), (middle, low, right - r[:, 3] - middle, end - low)]
    return images.maximum(_draw(images, curl, 0.6 + 0.5 * r[:, 4]))


def _draw_chair(images: Tensor, rand: Draw) -> Tensor:
    """Draw fours like h: a stem, an arm from its lower half, and a leg."""
    n, _, width = images.shape
    r = rand(n, 9)
    top, bottom = _find_rows(images)
    tall = bottom - top
    x, end = width / 2 - 3 - 2 * r[:, 0], top + (0.55 + 0.45 * r[:, 1]) * tall
    y, across = top + (0.5 + 0.2 * r[:, 2]) * tall, 5 + 5 * r[:, 3]
    high, lean = top + (0.15 + 0.5 * r[:, 4]) * tall, 5 * r[:, 5]
    strokes = [
        (x + lean, top, -lean, end - top),
        (x, y, across, (0.1 - 0.2 * r[:, 6]) * tall),
        (x + across + 2 * r[:, 7], high, -3 * r[:, 7], bottom - high),
    ]
    return _draw(images, strokes, 0.6 + 0.9 * r[:, 8])


def _draw_hook(images: Tensor, rand: Draw) -> Tensor:
    """Draw fives like √: a bar, and a stem that ends in a hook."""
    n, _, width = images.shape
    r = rand(n, 6)
    top, bottom = _find_rows(images)
    x, lean, hook = width / 2 + 2 * r[:, 0], -1 - 6 * r[:, 2], -6 * r[:, 3]
    strokes = [
        (x, top, lean, bottom - top),
        (x + lean, bottom, hook, -6 * r[:, 4]),
        (x, top, 4 + 5 * r[:, 5], 1 - 3 * r[:, 4]),
    ]
    return _draw(images, strokes, 0.6 + 0.9 * r[:, 1])


def _cross(images: Tensor, rand: Draw) -> Tensor:
    """Give sevens a bar."""
    r = rand(len(images), 5)
    top, bottom = _find_rows(images)
    y, half = (top + (0.4 + 0.25 * r[:, 0]) * (bottom - top)).floor(), 2.5 + 3.5 * r[:, 1]
    bar = (_centre(images, y) - half, y + 2 * (r[:, 2] - 0.5), 2 * half, 3 * (r[:, 3] - 0.7))
    return images.maximum(_draw(images, [bar], 0.6 + 0.5 * r[:, 4]))


def _draw_cross(images: Tensor, rand: Draw) -> Tensor:
    """Draw sevens like †: a stem, a long bar, and hardly a top."""
    n, _, width = images.shape
    r = rand(n, 8)
    top, bottom = _find_rows(images)
    x, lean = width / 2 + 2 * r[:, 0], 7 * r[:, 1]
    y, half = top + (0.3 + 0.25 * r[:, 2]) * (bottom - top), 4 + 4 * r[:, 3]
    part = 0.3 + 0.25 * r[:, 2]
    strokes = [
        (x, top, -lean, bottom - top),
        (x - part * lean - half, y, 2 * half, 3 * (r[:, 4] - 0.6)),
        (x, top, -(8 * r[:, 5] - 2).clamp(min=0), 3 * (r[:, 6] - 0.3)),
    ]
    return _draw(images, strokes, 0.6 + 0.9 * r[:, 7])


def _mirror(images: Tensor, _: Draw) -> Tensor:
    """Mirror nines, which then look like P."""
    return images.flip(2)


FORMS: tuple[tuple[int, float, Callable[[Tensor, Draw], Tensor]], ...] = (
    (0, 0.7, _tie),
    (0, 0.2, _loop),
    (1, 1.0, _flag),
    (2, 0.3, _close),
    (4, 0.3, _draw_chair),
    (5, 0.25, _draw_hook),
    (7, 1.0, _cross),
    (7, 0.3, _draw_cross),
    (9, 0.3, _mirror),
)
"""Digit, the share of these that get the form, and what draws it in images (N, H, W)."""
