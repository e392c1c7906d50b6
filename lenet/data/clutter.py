"""What a line of handwriting has on it beside digits: rules, boxes, dashes, printed patterns."""

from math import pi

import torch
from torch import Tensor

from lenet.data.forms import Draw, draw_strokes

STROKES = {"rule": 2, "edge": 2, "dot": 2, "dash": 2, "slant": 1, "tick": 1}
"""How many of each a line has at most."""
CHANCES = 0.3, 0.1, 0.25, 0.15, 0.4, 0.3, 0.4, 0.5, 0.15, 0.3
"""Probability of each; the second dash and the tick need the first dash."""
DASH, FOLLOWING = 6, (7, 9)


def add_strokes(lines: Tensor, ends: Tensor, chosen: Tensor, rand: Draw) -> Tensor:
    """Draw rules, edges of boxes, full stops, commas, dashes, and parts of lines above and below.

    Args:
        lines: In [0, 1], (B, H, W).
        ends: The column where each line's digits end, (B,).
        chosen: The lines that may get some, bool (B,).
        rand: The draw.
    """
    batch, height, width = lines.shape
    strokes = _place_strokes(rand(batch, len(CHANCES), 6), ends[:, None].float(), height, width)
    drawn = (rand(batch, len(CHANCES)) < lines.new_tensor(CHANCES)) & chosen[:, None]
    for follower in FOLLOWING:
        drawn[:, follower] &= drawn[:, DASH]
    which, kind = drawn.nonzero().T
    x, y, across, down, radius = (value[which, kind] for value in strokes)
    drawn = draw_strokes(x, y, across, down, radius, height, width)
    drawn *= rand(len(which), 1, 1, low=0.35, high=1.0)
    index = which.view(-1, 1, 1).expand_as(drawn)
    lines = lines.scatter_reduce(0, index, drawn, "amax")
    # Feet of the line above, heads of the line below.
    others, rows = lines.flip(0), 6
    for place, source, chance in ((slice(0, rows), -rows, 0.1), (slice(-rows, None), 0, 0.1)):
        shows = (chosen & (rand(batch) < chance)).view(-1, 1, 1)
        cut = others[:, source:, :] if source else others[:, :rows, :]
        seen = torch.where(shows, cut, 0)
        lines[:, place] = lines[:, place].maximum(seen)
    return lines


def _place_strokes(r: Tensor, end: Tensor, height: int, width: int) -> list[Tensor]:
    """Return x, y, across, down and radius as `draw_strokes` takes them, (B, strokes) each.

    Args:
        r: Uniform numbers in [0, 1], (B, strokes, 6).
        end: The column where the digits end, (B, 1).
        height: Of the lines in pixels.
        width: Likewise.
    """
    rule, edge, dot, dash, slant, tick = (
        part.unbind(-1) for part in torch.split(r, list(STROKES.values()), dim=1)
    )
    second = torch.arange(2, device=r.device)
    thin = 0.2 + 0.9 * r[..., 5]
    comma = (14 * (dot[4] - 0.5)).clamp(min=0)
    # Both dashes are alike, and a tick crosses them.
    dash_x, dash_y, dash_across, dash_down = (
        end - 4 + 12 * dash[0][:, :1],
        height * (0.35 + 0.3 * dash[1][:, :1]),
        3 + 25 * dash[3][:, :1] ** 2,
        2 - 6 * dash[4][:, :1],
    )
    rule_y = height * torch.where(rule[1] < 0.5, 0.1, 0.9)
    columns = (
        (-5.0, second * (end - 2) + 8 * edge[0] - 2, dot[0] * end, dash_x, slant[0] * end - 20,
         dash_x + dash_across * tick[0]),
        (rule_y + (rule[2] - 0.5) * 0.4 * height, -5.0, height * (0.65 + 0.3 * dot[1]),
         dash_y + 5 * second, height * slant[1], dash_y - 4),
        (width + 10.0, 3 * (edge[3] - 0.5), 3 * (dot[3] - 0.5) - 0.4 * comma, dash_across,
         20 + 40 * slant[3], 2 - 6 * tick[3]),
        (4 * (rule[4] - 0.5), height + 10.0, comma, dash_down, 36 * (slant[4] - 0.5),
         6 + 4 * tick[4]),
        (thin[:, :2], thin[:, 2:4], 0.6 + 1.2 * dot[5], thin[:, 6:8], thin[:, 8:9], thin[:, 9:]),
    )  # fmt: skip
    return [
        torch.cat([
            torch.as_tensor(value, device=r.device).expand(len(r), n)
            for value, n in zip(column, STROKES.values(), strict=True)
        ], dim=1)
        for column in columns
    ]  # fmt: skip


def draw_patterns(n: int, height: int, width: int, rand: Draw) -> Tensor:
    """Draw faint wavy stripes, as on cheques, (n, height, width).

    In some pictures they cross others, or end at a slanting line.
    """
    length, angle, phase, bend, period, level = (
        rand(2, n, 1, 1, low=low, high=high)
        for low, high in ((2, 9), (0, pi), (0, 2 * pi), (0, 3), (15, 60), (0.05, 0.35))
    )
    y = torch.arange(height, device=length.device)[:, None]
    x = torch.arange(width, device=length.device)
    along = x * angle.cos() + y * angle.sin() + bend * torch.sin(2 * pi * x / period)
    stripes = level * (0.5 + 0.5 * torch.sin(2 * pi * along / length + phase))
    drawn = torch.where(rand(n, 1, 1) < 0.5, stripes[0], stripes[0].maximum(stripes[1]))
    border = rand(n, 1, 1, high=height) + rand(n, 1, 1, low=-0.5, high=0.5) * (x - width / 4)
    return torch.where((rand(n, 1, 1) < 0.3) & (y < border), 0, drawn)
