"""The states of every layer for one image, from input to output."""

from collections.abc import Sequence
from textwrap import fill

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from lenet.data.preprocessing import scale_pixels
from lenet.errors import name_class
from lenet.figures import style
from lenet.figures.layers import Layer, observe
from lenet.figures.subject import Subject
from lenet.models.layers import RBF

LEFT = 1.15
"""Inches for the layers' names."""
COLUMNS = 16
MOST = 64
"""At most this many feature maps are drawn; the caption gives their number."""
LARGEST_MAP = 1.05
LINE = 10
"""Characters in a line of a class's name."""
MOST_BARS = 12
"""At most this many classes have a bar for their output."""
BITMAP = (12, 7)
"""Height and width of the bitmap that LeNet-5's 84 units of F6 form."""


def draw_maps(subject: Subject) -> Figure:
    """Draw every layer's states for a test image, orange for negative, blue for positive.

    In networks with an RBF output, F6's 84 units are drawn as a 7×12 bitmap beside the ten bitmaps
    that the outputs compare it with.
    """
    classifier, image = subject.classifier, subject.image or 0
    with torch.inference_mode():
        inputs = classifier.preprocess(scale_pixels(subject.test.images[image : image + 1]))
        layers = observe(classifier.model, inputs)
    last = layers[-1]
    targets = last.module.centres if isinstance(last.module, RBF) else None
    rows = [_plan(layer, bitmaps=targets is not None) for layer in layers[:-1]]
    height = LARGEST_MAP + sum(h for _, _, h in rows) + 0.22 * len(rows) + 1.87

    names = style.short_names(subject.names)
    label, said = int(subject.test.labels[image]), int(classifier.classify(last.units)[0])
    figure = style.new_figure(
        height,
        f"{subject.name}: test image {image}, {name_class(names[label])},"
        f" recognized as {names[said]}",
    )
    figure.set_layout_engine("none")
    axes = style.bare(figure.add_axes((0, 0, 1, 1 - 0.32 / height)))  # in inches
    axes.set_xlim(0, style.WIDTH)
    axes.set_ylim(height - 0.32, 0)
    x = style.WIDTH - LEFT
    y = 0.1
    _name(axes, y, "input", f"{inputs.shape[-2]}×{inputs.shape[-1]}")
    extent = (LEFT, LEFT + LARGEST_MAP, y + LARGEST_MAP, y)
    style.show(axes, subject.restore(inputs[0]), pictures=subject.test.pictures, extent=extent)
    _frame(axes, extent)
    y += LARGEST_MAP + 0.22
    for layer, (states, columns, tall) in zip(layers[:-1], rows, strict=True):
        _name(axes, y, layer.name, layer.size)
        drawn = style.mosaic(states, columns, gap=_gap(states))
        limit = float(states.abs().max()) or 1.0
        wide = tall * drawn.shape[1] / drawn.shape[0]
        extent = (LEFT, LEFT + wide, y + tall, y)
        axes.imshow(drawn, extent=extent, cmap=style.diverging(), vmin=-limit, vmax=limit)
        _frame(axes, extent)
        if targets is not None and states.shape[1:] == BITMAP:
            _draw_targets(axes, targets.cpu(), LEFT + wide + 0.3, y, tall)
        y += tall + 0.22
    cut = f",\nthe best {MOST_BARS}" if len(names) > MOST_BARS else ""
    _name(axes, y, "output", f"{last.size} {classifier.outputs}{cut}")
    _draw_outputs(axes, last.units[0].tolist(), names, said, y, x)
    axes.set_aspect("auto")
    return figure


def _plan(layer: Layer, bitmaps: bool) -> tuple[Tensor, int, float]:
    """Return a layer's states as pictures (N, H, W), how many in a row, and inches down."""
    if layer.planes:
        states = layer.state[0, :MOST].cpu()
        columns = min(len(states), COLUMNS)
    else:
        units = layer.units[0].cpu()
        if bitmaps and len(units) == BITMAP[0] * BITMAP[1]:
            return units.view(1, *BITMAP), 1, 1.3
        states = units[: 4 * 120].view(-1, 1, 1)
        columns = min(60, len(states))
    down, across = style.mosaic(states, columns, gap=_gap(states)).shape
    tall = LARGEST_MAP * min(1.0, states.shape[-1] / 20 + 0.1) * down / states.shape[-2]
    return states, columns, min(tall, (style.WIDTH - LEFT - 0.15) * down / across)


def _gap(states: Tensor) -> int:
    """Return how many pixels to leave between maps (N, H, W); none between single units."""
    side = states.shape[-1]
    return max(side // 10, int(side > 1))


def _frame(axes: Axes, extent: tuple[float, float, float, float]) -> None:
    left, right, bottom, top = extent
    axes.add_patch(
        Rectangle((left, top), right - left, bottom - top, fill=False, edgecolor=style.line())
    )


def _name(axes: Axes, y: float, name: str, size: str) -> None:
    axes.text(0.1, y + 0.02, name.upper(), va="top", fontweight="bold")
    axes.text(0.1, y + 0.19, size, va="top", fontsize=8)


def _draw_targets(axes: Axes, targets: Tensor, x: float, y: float, tall: float) -> None:
    """Draw the ten bitmaps in two rows of five, small, with their digits."""
    high = (tall - 0.1) / 2
    wide = high * BITMAP[1] / BITMAP[0]
    axes.text(x, y + tall / 2, "compared\nwith", va="center", fontsize=8)
    x += 0.75
    for digit, bitmap in enumerate(targets.view(-1, *BITMAP)):
        left, top = x + digit % 5 * (wide + 0.4), y + digit // 5 * (high + 0.1)
        extent = (left, left + wide, top + high, top)
        axes.imshow(bitmap.numpy(), extent=extent, cmap=style.diverging(), vmin=-1, vmax=1)
        axes.text(left + wide + 0.06, top + high / 2, str(digit), va="center", fontsize=8)


def _draw_outputs(
    axes: Axes, values: Sequence[float], names: Sequence[str], said: int, y: float, width: float
) -> None:
    """Draw a bar per class with its number; the prediction's has a colour.

    Of many classes, those are drawn whose outputs come next to the prediction's.
    """
    likely = sorted(range(len(values)), key=lambda label: abs(values[label] - values[said]))
    shown = sorted(likely[:MOST_BARS])
    drawn = [values[label] for label in shown]
    low, high = min(0.0, *drawn), max(0.0, *drawn)
    scale = 0.8 / (high - low or 1.0)
    zero = y + 0.15 + high * scale
    axes.plot((LEFT, LEFT + width - 0.3), (zero, zero), color=style.faint(), linewidth=0.8)
    room = (width - 0.3) / len(shown)  # inches
    written = {label: fill(names[label], LINE) for label in shown}
    longest = max(len(line) for text in written.values() for line in text.splitlines())
    size = min(9.0, 72 * room / (0.65 * longest))
    for place, (label, value) in enumerate(zip(shown, drawn, strict=True)):
        x = LEFT + (place + 0.5) * room
        colour = "C1" if label == said else style.faint()
        axes.bar(x, -value * scale, min(0.32, 0.8 * room), bottom=zero, color=colour)
        axes.text(
            x, zero - max(value, 0) * scale - 0.03, f"{value:.1f}", ha="center", va="bottom",
            fontsize=8,
        )  # fmt: skip
        axes.text(
            x, y + 1.0, written[label], ha="center", va="top", fontsize=size,
            color="C1" if label == said else style.foreground(),
            fontweight="bold" if label == said else "normal",
        )  # fmt: skip
