"""The learned kernels of a network's layers."""

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor, nn

from lenet.figures import style
from lenet.figures.layers import Layer, observe
from lenet.figures.subject import Subject, UnfitError
from lenet.models.layers import PartialConvolution

MOST_MAPS = 32
"""At most this many output and input channels are drawn; the title gives the numbers."""
MOST_UNITS = 40


def kernels(layer: Layer) -> tuple[Tensor, Tensor] | None:
    """Return a convolution's kernels and a mask of those that exist; None for other layers.

    Returns:
        Kernels (out, in, k, k), and bool (out, in).
    """
    module = layer.module
    if isinstance(module, PartialConvolution):
        dense = module.dense_weight().detach().cpu()
        exist = torch.zeros(dense.shape[:2], dtype=torch.bool)
        exist[module.outputs.cpu(), module.inputs.cpu()] = True
        return dense, exist
    if isinstance(module, nn.Conv2d):
        weight = module.weight.detach().cpu()
        return weight, torch.ones(weight.shape[:2], dtype=torch.bool)
    return None


def draw_filters(subject: Subject) -> Figure:
    """Draw the kernels of the first two convolutions, orange for negative, blue for positive.

    A network without convolutions shows the weights of its first layer, one picture per unit.

    Raises:
        UnfitError: The network has no weights on pixels.
    """
    size = subject.classifier.preprocess.size
    blank = torch.zeros(1, subject.classifier.data.channels, size, size)
    layers = observe(subject.classifier.model, blank)
    found = [(layer, *k) for layer in layers if (k := kernels(layer)) and k[0].shape[-1] > 1][:2]
    if found:
        return _draw_convolutions(subject, found)
    if isinstance(layers[0].module, nn.Linear):
        return _draw_units(subject, layers[0].name, layers[0].module.weight.detach().cpu(), size)
    raise UnfitError(f"{subject.run.folder}: its first layer has no weights on pixels to show")


def _draw_convolutions(subject: Subject, found: list[tuple[Layer, Tensor, Tensor]]) -> Figure:
    tables = [table[:MOST_MAPS, :MOST_MAPS] for _, table, _ in found]
    heights = [min(1.5, 8.0 / table.shape[0]) * table.shape[1] + 0.45 for table in tables]
    figure = style.new_figure(sum(heights) + 0.45, f"{subject.name}: what its kernels look for")
    rows = figure.subplots(len(found), 1, height_ratios=heights, squeeze=False)[:, 0]
    for axes, (layer, table, exist) in zip(rows, found, strict=True):
        _draw_table(axes, layer, table, exist)
    return figure


def _draw_table(axes: Axes, layer: Layer, table: Tensor, exist: Tensor) -> None:
    """Draw a layer's kernels, one column per output channel, one row per input channel."""
    made, seen, k, _ = table.shape
    table, exist = table[:MOST_MAPS, :MOST_MAPS], exist[:MOST_MAPS, :MOST_MAPS]
    columns, rows = table.shape[:2]
    pixels = style.mosaic(table.transpose(0, 1).flatten(0, 1), columns, gap=1)
    hidden = style.mosaic((~exist).T.flatten()[:, None, None].expand(-1, k, k), columns, gap=1)
    pixels.mask |= hidden.filled(True)
    largest = float(table.abs().max())
    style.bare(axes).imshow(pixels, cmap=style.diverging(), vmin=-largest, vmax=largest)
    centres = [(k - 1) / 2 + i * (k + 1) for i in range(max(columns, rows))]
    axes.set_xticks(centres[:columns], list(map(str, range(columns))))
    axes.set_yticks(centres[:rows], list(map(str, range(rows))) if rows > 1 else [""])
    axes.tick_params(length=0)
    cut = "" if (made, seen) == (columns, rows) else f", of {made} × {seen} the first"
    axes.set_title(
        f"{layer.name.upper()}: {int(exist.sum())} kernels of {k}×{k}{cut},"
        f" weights from {float(table.min()):.2f} to {float(table.max()):.2f}".replace("-", "−")
    )
    axes.set_xlabel(f"channel of {layer.name.upper()}")
    if rows > 1:
        axes.set_ylabel("input channel")


def _draw_units(subject: Subject, layer: str, weight: Tensor, size: int) -> Figure:
    some = weight[:MOST_UNITS]
    units = style.grey(some.view(len(some), -1, size, size))  # (units, size, size)
    columns = min(10, len(units))
    rows = -(-len(units) // columns)
    cut = f"the first {len(units)} of {len(weight):,}" if len(weight) > len(units) else "all"
    figure = style.new_figure(
        rows * style.WIDTH / columns + 0.5,
        f"{subject.name}: the weights of {cut} units of {layer} on the pixels",
    )
    largest = float(units.abs().max())
    axes = style.bare(figure.subplots())
    axes.imshow(style.mosaic(units, columns), cmap=style.diverging(), vmin=-largest, vmax=largest)
    return figure
