"""Strings of digits, composed from images of single ones: a line of handwriting with labels.

Neighbours touch and overlap; size, slant and place vary from line to line and within a line; and
paper has rules, boxes, patterns and marks on it that are no digits.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import radians, tan

import torch
from torch import Tensor
from torch.nn import functional as F

from lenet.config.schema import Config
from lenet.data.clutter import add_strokes, draw_patterns
from lenet.data.datasets import Split
from lenet.data.forms import STROKE, Draw, draw_forms
from lenet.data.preprocessing import scale_pixels
from lenet.data.sources import DIGITS, describe_dataset
from lenet.rng import generator

PAD = -1
"""Fills the labels of strings that are shorter than the longest."""
PATCH = 40  # px: width of the field into which a digit is drawn
WIDEST = 1.8  # times its own width: more does not fit into the field
MARGIN = (1, 14)  # px: paper before the first digit
CHUNK = 500  # digits of a split at a time


@dataclass(frozen=True)
class StringComposer:
    """Composes strings from images of digits: called on a batch, it returns strings and labels.

    Attributes:
        height: Of the strings in pixels. Digits of 20 pixels keep their size on average.
        width: Of the strings in pixels; digits that do not fit are left out.
        digits: (min, max) digits in a string.
        gap: (min, max) pixels between the strokes of neighbours; below 0 they overlap.
        slant: Most degrees by which a line leans to either side.
        style: Share of the lines whose digits have forms that are rare in MNIST, such as a 1 with
            a flag, a 7 with a bar, or a 9 like P, in [0, 1]. Digits vary more in size there, zeros
            are small and wide, and many numbers are round.
        clutter: Share of the lines that have rules, edges, patterns or marks, in [0, 1].
    """

    height: int
    width: int = 160
    digits: Sequence[int] = (1, 8)
    gap: Sequence[float] = (-4.0, 12.0)
    slant: float = 25.0
    style: float = 0.3
    clutter: float = 0.6

    @classmethod
    def of(cls, config: Config) -> "StringComposer":
        """Return the one that a config's ``data.strings`` describes."""
        assert config.data.strings is not None
        options = config.data.strings.options()
        if describe_dataset(config.data).classes != DIGITS:
            options["style"] = 0.0
        return cls(config.input.size, **options)

    def __call__(
        self, images: Tensor, labels: Tensor, draw: torch.Generator, once: bool = False
    ) -> tuple[Tensor, Tensor]:
        """Compose strings.

        Args:
            images: Digits in [0, 1], (B, 1, H, W); the labels 1 and 7 mean these digits.
            labels: int64 (B,).
            draw: On the CPU.
            once: Use each digit once, in as many strings as they are enough for, at least one.
                Otherwise there are B strings, and digits come again.

        Returns:
            Strings in [0, 1], (N, 1, height, width), and labels (N, most digits), filled up with
            `PAD`.
        """
        most, device = self.digits[1], images.device

        def rand(*shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
            return (torch.rand(*shape, generator=draw) * (high - low) + low).to(device)

        counts = torch.randint(self.digits[0], most + 1, (len(images),), generator=draw)
        ends = counts.cumsum(0)
        if once:
            n = max(int((ends <= len(images)).sum()), 1)
            counts, ends = counts[:n], ends[:n]
        order = torch.randperm(len(images), generator=draw)
        places = (ends - counts)[:, None] + torch.arange(most)  # (N, most)
        chosen = order[places % len(images)].to(device)
        here = (torch.arange(most) < counts[:, None]).to(device)
        styled = (rand(len(counts), 1) < self.style).expand(-1, most)
        zeros = (labels == 0).nonzero()[:, 0]
        if len(zeros) and not once:  # else digits would be left out
            whole = counts[:, None].to(device) - (rand(len(counts), 1, low=-3, high=4)).long()
            is_round = styled & (torch.arange(most, device=device) >= whole.clamp(min=1))
            picked = (rand(*chosen.shape) * len(zeros)).long().clamp(max=len(zeros) - 1)
            chosen = torch.where(is_round, zeros[picked], chosen)
        targets = torch.where(here, labels[chosen], PAD)

        glyphs = images[chosen[here]]  # (digits, 1, H, W)
        labelled = torch.where(styled, targets, PAD)
        glyphs = draw_forms(glyphs, labelled[here], rand)
        patches = self._warp(glyphs, here, labelled, rand)
        here, starts, ends = self._set(patches, here, rand)
        targets, patches = targets.where(here, PAD), patches * here[..., None, None]
        lines = patches.new_zeros(len(counts), self.height, self.width + 2 * PATCH)
        for k in range(most):
            columns = starts[:, k, None] + torch.arange(PATCH, 2 * PATCH, device=device)
            index = columns[:, None, :].expand(-1, self.height, -1)  # (N, height, PATCH)
            lines.scatter_reduce_(2, index, patches[:, k], "amax")
        lines = lines[:, :, PATCH : PATCH + self.width]
        return self._spoil(lines, ends, rand)[:, None], targets

    def compose(self, split: Split, seed: int, purpose: str) -> Split:
        """Return a split's digits, each once, as strings: the same for the same seed and purpose.

        Digits that a line has no room for, and up to one line's in `CHUNK` digits, are left out.
        """
        strings, targets = [], []
        for start in range(0, len(split), CHUNK):
            part = split.take(torch.arange(start, min(start + CHUNK, len(split))))
            draw = generator(seed, f"strings of {purpose}", start)
            images, labels = self(scale_pixels(part.images), part.labels, draw, once=True)
            strings.append((images * 255).round().to(torch.uint8))
            targets.append(labels)
        if not strings:
            return split
        return replace(split, images=torch.cat(strings), labels=torch.cat(targets))

    def _warp(self, glyphs: Tensor, here: Tensor, labelled: Tensor, rand: Draw) -> Tensor:
        """Scale, stretch, slant and shift the digits that are there.

        Args:
            glyphs: The digits, (digits, 1, H, W).
            here: Where in a string they stand, bool (N, most).
            labelled: The labels in lines with a style of their own, otherwise `PAD`, (N, most).
            rand: The draw.

        Returns:
            Patches (N, most, height, PATCH).
        """
        batch, most = here.shape
        size = rand(batch, 1, low=0.65, high=1.25) * rand(batch, most, low=0.85, high=1.15)
        wide = rand(batch, 1, low=0.75, high=1.3) * rand(batch, most, low=0.9, high=1.1)
        styled, small = labelled != PAD, (labelled == 0) & (rand(batch, 1) < 0.6)
        size = torch.where(styled, size * rand(batch, most, low=0.8, high=1.1), size)
        size = torch.where(small, size * rand(batch, 1, low=0.6, high=1.0), size)
        wide = torch.where(styled, wide * rand(batch, most, low=0.85, high=1.2), wide)
        wide = torch.where(small, wide * rand(batch, 1, low=1.0, high=1.6), wide)
        wide = wide.minimum(WIDEST / size)
        lean = tan(radians(self.slant))
        slant = rand(batch, 1, low=-lean, high=lean) + rand(batch, most, low=-0.1, high=0.1)
        leaning = (labelled == 9) & (rand(batch, 1) < 0.3)  # with a straight stem, like ρ
        slant = torch.where(leaning, rand(batch, most, low=0.2, high=0.9), slant)
        slope = rand(batch, 1, low=-0.6, high=0.6)  # px per digit
        steps = torch.arange(most, device=glyphs.device) - (most - 1) / 2
        down = rand(batch, 1, low=-2, high=2) + slope * steps + rand(batch, most, low=-2, high=2)
        # Rows of a patch come from rows / size of the glyph; affine_grid counts from -1 to 1.
        rows, columns = glyphs.shape[-2:]
        zero = torch.zeros_like(size)
        x = torch.stack(
            [PATCH / columns / (size * wide), slant * self.height / columns / (size * wide), zero],
            dim=-1,
        )
        y = torch.stack([zero, self.height / rows / size, -2 * down / rows / size], dim=-1)
        theta = torch.stack([x, y], dim=2)[here]  # (digits, 2, 3)
        grid = F.affine_grid(theta, [len(theta), 1, self.height, PATCH], align_corners=False)
        patches = glyphs.new_zeros(batch, most, self.height, PATCH)
        patches[here] = F.grid_sample(glyphs, grid, align_corners=False)[:, 0]
        return patches

    def _set(self, patches: Tensor, here: Tensor, rand: Draw) -> tuple[Tensor, Tensor, Tensor]:
        """Return which digits fit, (B, most), where each begins, and where lines end, int64 (B,).

        In one half of the lines gaps are measured between the digits' boxes, in the other between
        their outlines, row by row, so that a digit may stand below its neighbour's arm.
        """
        batch, most = here.shape
        strokes = patches > STROKE  # (B, most, height, PATCH)
        columns = torch.arange(PATCH, device=strokes.device)
        far = 2 * PATCH
        left = torch.where(strokes, columns, far).amin(-1)  # (B, most, height)
        right = torch.where(strokes, columns, -far).amax(-1)
        # Two rows around: outlines that pass each other closely touch.
        left = -F.max_pool1d(-left.float(), 5, 1, 2)
        right = F.max_pool1d(right.float(), 5, 1, 2)
        by_box = rand(batch, 1) < 0.5
        box_left, box_right = left.amin(-1), right.amax(-1)  # (B, most)
        low, high = self.gap
        tight = torch.where(rand(batch, 1) < 0.5, min(low + 5, high), high)
        gap = low + rand(batch, 1) * (tight - low) + rand(batch, most, low=-1.5, high=1.5)
        gap = gap.clamp(low, high)
        between = (left[:, 1:] - right[:, :-1]).amin(-1)  # from patch to patch at equal places
        boxes = box_left[:, 1:] - box_right[:, :-1]
        between = torch.where(by_box, boxes, between.clamp(boxes, boxes + 12))
        steps = gap[:, 1:] + 1 - between
        # A digit begins and ends after its neighbour, whatever the outlines are.
        steps = steps.maximum(box_left[:, :-1] - box_left[:, 1:] + 3)
        steps = steps.maximum(box_right[:, :-1] - box_right[:, 1:] + 3)
        first = rand(batch, 1, low=MARGIN[0], high=MARGIN[1]) - box_left[:, :1]
        places = torch.cat([first, first + steps.cumsum(1)], dim=1).round().long()
        stops = places + box_right.long()
        here = here & (stops < self.width)
        here[:, 0] = True
        places = torch.where(here, places, 0)
        ends = stops.masked_fill(~here, 0).amax(1) + rand(batch, low=2, high=MARGIN[1]).long()
        return here, places, ends.clamp(max=self.width)

    def _spoil(self, lines: Tensor, ends: Tensor, rand: Draw) -> Tensor:
        """Vary the pen, and lay patterns, strokes and grain over lines (B, height, width)."""
        batch, height, width = lines.shape
        pen = rand(batch, 1, 1, low=-0.8, high=0.6)
        thin = -_spread(-lines, (-1, 0))
        thick = _spread(lines, (-1, 0, 1))
        lines = torch.lerp(lines, torch.where(pen < 0, thin, thick), pen.abs())
        lines = lines * rand(batch, 1, 1, low=0.6, high=1.0)
        spoilt = rand(batch) < self.clutter
        lines = add_strokes(lines, ends, spoilt, rand)
        printed = (spoilt & (rand(batch) < 0.5)).nonzero()[:, 0]
        lines[printed] += draw_patterns(len(printed), height, width, rand)
        soft = F.avg_pool2d(lines, 3, 1, 1)
        lines = torch.lerp(lines, soft, rand(batch, 1, 1, low=-0.3, high=0.7).clamp(min=0))
        grainy = spoilt.nonzero()[:, 0]
        grain = rand(len(grainy), height, width, low=-0.17, high=0.17)
        lines[grainy] += grain * rand(len(grainy), 1, 1)
        return lines.clamp(0, 1)


def _spread(lines: Tensor, shifts: Sequence[int]) -> Tensor:
    """Return the largest of the pixels that lie so many rows and columns away, (B, H, W).

    Paper, 0, is around the lines. Faster than pooling.
    """
    for axis in (1, 2):
        length = lines.shape[axis]
        edges = (0, 0) * (2 - axis) + (1, 1)
        padded = F.pad(lines, edges)
        lines = padded.narrow(axis, 1 + shifts[0], length)
        for shift in shifts[1:]:
            lines = lines.maximum(padded.narrow(axis, 1 + shift, length))
    return lines
