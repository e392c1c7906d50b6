"""What a config's augmentations do to images, and to where the strokes of digits fall."""

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure, SubFigure
from matplotlib.patches import Rectangle
from torch import Tensor

from lenet.config.schema import Config
from lenet.data.datasets import Split
from lenet.data.preprocessing import scale_pixels
from lenet.data.sources import DIGITS
from lenet.errors import UsageError
from lenet.figures import style
from lenet.rng import generator
from lenet.runs.events import EventFile, summary

if TYPE_CHECKING:
    from lenet.augment.pipeline import Mixing, Pipeline

GAP = 2
"""Pixels between pictures."""
MOST_CLASSES = 12
"""Of more classes, the first are drawn."""
MOST_IMAGES = 10_000
"""Images whose pixels are averaged."""
FAINTEST = 1e-3
"""Mean pixels below this are drawn as empty."""


def draw_augmentation(config: Config, split: Split, name: str, draws: int = 12) -> Figure:
    """Draw an image of each class beside `draws` augmented ones, and where strokes fall.

    Where strokes fall is left out of pictures, which have no background to stand out from.

    Args:
        config: Its ``augment`` (or else ``data.distort``) and ``mix`` are shown.
        split: Training images.
        name: The config's name, for the title.
        draws: Augmented pictures of each image.

    Raises:
        UsageError: The config has no transforms, or a wrong one.
    """
    from lenet.augment.catalogue import build_mixing, build_pipeline  # need torchvision

    pipeline = build_pipeline(config.augment or config.data.distort)
    mixing = build_mixing(config.mix, len(split.classes))
    if not pipeline.transforms and not mixing.transforms:
        raise UsageError(f"{name} has no augmentation (augment, mix or data.distort)")
    originals = split.take(first_of_each_class(split)[:MOST_CLASSES])
    rows = draw_rows(originals, pipeline, draws, config.seed)
    grid_height = style.WIDTH * len(originals) / (draws + 1)
    heights = [grid_height, 1.2 if mixing.transforms else 0.01, 0.01 if split.pictures else 3.2]
    figure = style.new_figure(sum(heights) + 0.4, f"{name}: what it learns from")
    places = figure.add_gridspec(3, 1, height_ratios=heights, hspace=0)
    grid, strip, maps = (figure.add_subfigure(places[i]) for i in range(3))
    every, digits = len(split.classes), split.classes == DIGITS
    shown = f"each of {every}" if len(originals) == every else f"{len(originals)} of {every}"
    title = f"original | {draws} draws of {shown} {'digits' if digits else 'classes'}"
    _draw_grid(grid, rows, title, split.pictures)
    if mixing.transforms:
        _draw_mixed(strip, originals, pipeline, mixing, config.seed)
    if not split.pictures:
        some = split.take(torch.arange(min(MOST_IMAGES, len(split))))
        _draw_maps(maps, *pixel_maps(some, pipeline, config.seed))
    return figure


def first_of_each_class(split: Split) -> Tensor:
    """Return the index of the first image of each class, (classes,)."""
    labels = range(len(split.classes))
    return torch.stack([(split.labels == label).nonzero()[0, 0] for label in labels])


def draw_rows(originals: Split, pipeline: "Pipeline", draws: int, seed: int) -> Tensor:
    """Return each image followed by its draws, pixels (N, 1 + draws, C, H, W).

    Smaller ones, before or after a change of size, lie in the middle of H×W pixels.
    """
    from torchvision.transforms.v2.functional import center_crop

    columns = [scale_pixels(originals.images)]
    for draw in range(draws):
        columns.append(pipeline(columns[0], originals.labels, generator(seed, "picture", draw)))
    size = [max(column.shape[dim] for column in columns) for dim in (-2, -1)]
    return torch.stack([center_crop(column, size) for column in columns], 1)


def pixel_maps(split: Split, pipeline: "Pipeline", seed: int) -> tuple[Tensor, Tensor]:
    """Return each pixel's mean before and after one draw per image, (H, W) each."""
    images = scale_pixels(split.images)
    changed = pipeline(images, split.labels, generator(seed, "picture-ink"))
    return images.mean((0, 1)), changed.mean((0, 1))


def spread_px(mean_pixel: Tensor) -> tuple[float, float]:
    """Return the standard deviation in pixels, across and down, of where strokes fall."""
    spreads = []
    for dim in (0, 1):
        share = mean_pixel.sum(dim) / mean_pixel.sum()
        at = torch.arange(len(share), dtype=share.dtype)
        mean = (share * at).sum()
        spreads.append(float((share * (at - mean) ** 2).sum().sqrt()))
    return spreads[0], spreads[1]


def save_augmentation(
    config: Config, split: Split, name: str, path: Path, events: Path, theme: str = "light"
) -> None:
    """Draw into a picture file, and for TensorBoard.

    Args:
        config: See `draw_augmentation`.
        split: Training images.
        name: The config's name.
        path: The picture.
        events: Folder of TensorBoard's events.
        theme: A key of `style.THEMES`.

    Raises:
        UsageError: The config has no transforms or a wrong one, or there is no such format.
        RunError: The file cannot be written.
    """
    with style.applied(theme):
        figure = draw_augmentation(config, split, name)
        style.save(figure, path)
        drawn = summary.image("augmentation", style.pixels(figure), dataformats="HWC")
        with EventFile(events) as file:
            file.add_summary(drawn)


def _draw_grid(figure: SubFigure, rows: Tensor, title: str, pictures: bool) -> None:
    columns, width = rows.shape[1], rows.shape[-1]
    axes = style.bare(figure.subplots())
    style.show(axes, style.tile(rows.flatten(0, 1), columns, GAP), pictures=pictures)
    axes.axvline(width + GAP / 2 - 0.5, color=style.faint(), linewidth=1)
    axes.set_title(title)


def _draw_mixed(
    figure: SubFigure, originals: Split, pipeline: "Pipeline", mixing: "Mixing", seed: int
) -> None:
    images = pipeline(
        scale_pixels(originals.images), originals.labels, generator(seed, "picture", 0)
    )
    mixed, targets = mixing(images, originals.labels, generator(seed, "picture-mix"))
    panels, names = figure.subplots(1, len(mixed)), style.short_names(originals.classes)
    figure.suptitle("mixed", x=0.01, ha="left", fontsize=9)
    for axes, image, target in zip(panels, mixed, targets, strict=True):
        style.show(style.bare(axes), image, pictures=originals.pictures)
        shares = [
            f"{name}: {100 * share:.0f} %"
            for name, share in zip(names, target, strict=True)
            if share >= 0.005
        ]
        axes.set_title("\n".join(shares), fontsize=6, fontweight="normal")


def _draw_maps(figure: SubFigure, before: Tensor, after: Tensor) -> None:
    panels = figure.subplots(1, 2)
    for axes, mean_pixel, title in zip(panels, (before, after), ("before", "after"), strict=True):
        shown = style.bare(axes).imshow(
            mean_pixel.clamp(min=FAINTEST).numpy(),
            norm=LogNorm(FAINTEST, 1),
            cmap=style.sequential(),
        )
        height, width = mean_pixel.shape
        axes.add_patch(
            Rectangle((-0.5, -0.5), width, height, fill=False, edgecolor=style.faint(), lw=0.8)
        )
        across, down = spread_px(mean_pixel)
        axes.set_title(f"strokes {title}: {across:.1f} × {down:.1f} px (sd)")
    bar = figure.colorbar(shown, ax=list(panels), label="mean pixel", shrink=0.8)
    style.write_ticks(bar.ax.yaxis)
