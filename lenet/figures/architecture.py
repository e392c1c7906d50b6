"""The 1998 paper's Figure 2: a network as planes in perspective, drawn from its modules."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Polygon, Rectangle
from torch import nn

from lenet.figures import style
from lenet.figures.layers import Layer, observe
from lenet.figures.subject import Subject
from lenet.models.layers import RBF, PartialConvolution, Subsampling

STEP = 1.2
"""How far each plane lies right of and below the one behind it, in pixels of the input."""
MOST_PLANES = 20
"""At most this many feature maps are drawn; the caption gives the number."""
BAR = 4.0
"""Thickness of a bar."""
LEAN = 0.2
"""How far a bar leans to the right, as a share of its length."""
LETTER = 0.75
"""Width of a bold capital, as a share of the type's size; other letters are narrower."""


@dataclass(frozen=True)
class Block:
    """What is drawn for a layer: `planes` squares, or a bar for a fully connected layer."""

    name: str
    size: str
    verb: str
    """How it comes from the one before, in the paper's words; empty for the input."""
    parameters: int
    planes: int
    """0 for a bar."""
    side: float
    """Height of a plane, or length of the bar, in pixels of the input."""
    field: int
    """Width of the square that each unit sees of each plane before; 0 if it sees all of them."""
    colour: str

    @property
    def width(self) -> float:
        """Its extent from left to right, in pixels of the input."""
        if self.planes:
            return self.side + (self.planes - 1) * STEP
        return BAR + LEAN * self.side


def describe_layers(model: nn.Module, size: int, channels: int = 1) -> list[Block]:
    """Return the blocks of a network, the input first.

    Args:
        model: The network.
        size: Width and height of its input in pixels.
        channels: Channels of its input.
    """
    with torch.inference_mode():
        layers = observe(model, torch.zeros(1, channels, size, size))
    blocks = [Block("input", f"{size}×{size}", "", 0, 1, size, 0, style.faint())]
    return blocks + [_block(layer, last=layer is layers[-1]) for layer in layers]


def _block(layer: Layer, last: bool) -> Block:
    verb, colour = _describe(layer.module)
    kernel = getattr(layer.module, "kernel_size", 0)
    field = kernel if isinstance(kernel, int) else kernel[0]
    name = "output" if last else layer.name
    if layer.planes:
        _, channels, height, _ = layer.state.shape
        planes, side = min(channels, MOST_PLANES), float(height)
    else:  # length grows with the root of the units, so that 10 and 4,000 both fit
        planes, side, field = 0, 3.2 * layer.units.shape[1] ** 0.5, 0
    return Block(name, layer.size, verb, layer.parameters, planes, side, field, colour)


def _describe(module: nn.Module) -> tuple[str, str]:
    """Return what a module does, in the paper's words where it has them, and a colour for it."""
    if isinstance(module, nn.Conv2d | PartialConvolution):
        return "convolutions", "C0"
    for kind, verb, colour in (
        (nn.Linear, "full connection", "C2"),
        (Subsampling, "subsampling", "C4"),
        (RBF, "Gaussian connections", "C3"),
        (nn.AdaptiveAvgPool2d, "global average", "C4"),
        (nn.AvgPool2d, "average pooling", "C4"),
        (nn.MaxPool2d, "max pooling", "C4"),
    ):
        if isinstance(module, kind):
            return verb, colour
    return type(module).__name__, "C6"


def draw_architecture(subject: Subject) -> Figure:
    """Draw a run's network. Source: Figure 2 of the 1998 paper."""
    model = subject.classifier.model
    classifier = subject.classifier
    blocks = describe_layers(model, classifier.preprocess.size, classifier.data.channels)
    parameters = sum(p.numel() for p in model.parameters() if p.requires_grad)
    title = f"{subject.run.config.model.kind}: {parameters:,} trainable parameters"
    rest = parameters - sum(block.parameters for block in blocks)
    return draw_blocks(blocks, f"{title}, {rest:,} of them in normalization" if rest else title)


def draw_blocks(blocks: Sequence[Block], title: str) -> Figure:
    """Draw blocks from left to right, sizes above, operations and parameters below."""
    places = [0.0]
    for block, following in pairwise(blocks):
        places.append(places[-1] + block.width + (14 if following.planes else 22))
    right = places[-1] + blocks[-1].width + 10
    top = max(block.side + max(block.planes - 1, 0) * STEP for block in blocks) / 2
    figure = style.new_figure(style.WIDTH * (2 * top + 36) / (right + 8) + 0.5, title)
    axes = style.bare(figure.subplots())
    axes.set_xlim(-8, right)
    axes.set_ylim(-top - 20, top + 16)
    axes.set_aspect("equal")
    above, below = [], []
    for i, (block, x) in enumerate(zip(blocks, places, strict=True)):
        _draw_block(axes, block, x)
        above.append((x + block.width / 2, f"{block.name.upper()}\n{block.size}"))
        if i:
            _connect(axes, blocks[i - 1], places[i - 1], block, x)
            middle = (places[i - 1] + blocks[i - 1].width + x + block.width / 2) / 2
            parameters = f"\n{block.parameters:,}" if block.parameters else ""
            below.append((middle, block.verb.replace(" ", "\n") + parameters))
    points = 72 * style.WIDTH / (right + 8)  # to a pixel of the input
    size = min(8.0, _fit_type(above, points), _fit_type(below, points) / 0.875)
    for x, text in above:
        axes.text(
            x, top + 3, text, fontsize=size, fontweight="bold",
            ha="center", va="bottom", linespacing=1.4,
        )  # fmt: skip
    for x, text in below:
        axes.text(
            x, -top - 3, text, fontsize=0.875 * size,
            ha="center", va="top", linespacing=1.3,
        )  # fmt: skip
    return figure


def _fit_type(captions: Sequence[tuple[float, str]], points: float) -> float:
    """Return the largest size of type, in points, at which no two captions touch.

    Args:
        captions: Where the middle of each is, in pixels of the input, and its text.
        points: Points to a pixel of the input.
    """
    letters = [max(map(len, text.split("\n"))) for _, text in captions]
    gaps = [(b - a) * points for (a, _), (b, _) in pairwise(captions)]
    return min(
        (
            gap / (LETTER * (1 + sum(pair) / 2))
            for gap, pair in zip(gaps, pairwise(letters), strict=True)
        ),
        default=float("inf"),
    )


def _draw_block(axes: Axes, block: Block, x: float) -> None:
    fill = style.tint(block.colour, 0.25)
    if not block.planes:
        axes.add_patch(
            Polygon(_bar(block, x), facecolor=fill, edgecolor=style.foreground(), linewidth=1)
        )
        return
    for plane in range(block.planes):
        left, low = _plane(block, x, plane)
        axes.add_patch(
            Rectangle(
                (left, low), block.side, block.side,
                facecolor=fill, edgecolor=style.foreground(), linewidth=0.7,
            )
        )  # fmt: skip


def _plane(block: Block, x: float, plane: int) -> tuple[float, float]:
    """Return the lower left corner of one of a block's planes; the last lies in front."""
    depth = (block.planes - 1) * STEP
    return x + plane * STEP, (depth - block.side) / 2 - plane * STEP


def _bar(block: Block, x: float) -> list[tuple[float, float]]:
    """Return a bar's corners: lower left, lower right, upper right, upper left."""
    half, lean = block.side / 2, LEAN * block.side
    return [(x, -half), (x + BAR, -half), (x + BAR + lean, half), (x + lean, half)]


def _connect(axes: Axes, source: Block, x: float, target: Block, target_x: float) -> None:
    """Draw what a unit of `target` sees of `source`: a square of it, or all."""
    if source.planes:
        left, low = _plane(source, x, source.planes - 1)
        size = source.side
        if target.field:
            size = min(target.field, source.side)
            left, low = left + 0.6 * (source.side - size), low + 0.25 * (source.side - size)
            axes.add_patch(Rectangle((left, low), size, size, fill=False, edgecolor="C1", lw=1.2))
        corners = [(left + size, low), (left + size, low + size)]
    else:
        lower, upper = _bar(source, x)[1:3]
        corners = [lower, upper]
    if target.planes:
        left, low = _plane(target, target_x, 0)
        ends = [(left + 0.12 * target.side, low + 0.55 * target.side)] * 2
    else:
        bar = _bar(target, target_x)
        ends = [bar[0], bar[3]]
    for start, end in zip(corners, ends, strict=True):
        axes.plot(*zip(start, end, strict=True), color="C1", linewidth=0.8)
