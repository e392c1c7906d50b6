"""The 1998 paper's Figure 8: every misclassified test image."""

from collections.abc import Mapping

import torch
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from lenet.data.datasets import Split
from lenet.errors import count
from lenet.evaluation.compare_runs import Comparison
from lenet.evaluation.ensemble import DOUBTFUL
from lenet.evaluation.suspects import Suspects
from lenet.figures import style
from lenet.figures.subject import Subject

COLUMNS = 16
NAMED_COLUMNS = 8
"""Where the classes' names are too long to stand beneath one of 16 images."""
MOST = 480


def draw_errors(subject: Subject) -> Figure:
    """Draw the misclassified test images, surest mistakes first, "label → prediction" beneath.

    Images whose label people doubt are framed. Source: Figure 8 of the 1998 paper.
    """
    indices = subject.mistakes()
    total = len(indices)
    shown = f"the {MOST} surest of" if total > MOST else "all" if total != 1 else ""
    shown = f"{shown} {count(total, 'test error')}".lstrip()
    title = f"{subject.name}: {shown} of {len(subject.test):,}, surest first"
    if not total:
        title = f"{subject.name}: no test errors of {len(subject.test):,}"
    doubtful = DOUBTFUL if subject.dataset == "mnist" else {}
    return _draw_grid(subject.test, indices[:MOST], subject.predictions, doubtful, title)


def draw_common_errors(comparison: Comparison) -> Figure:
    """Draw the images that every run gets wrong, with what most of them say, as `draw_errors`."""
    opinions, indices = comparison.opinions, torch.tensor(comparison.always_wrong)[:MOST].long()
    assert opinions is not None  # a comparison of runs has them
    said = opinions.votes.argmax(1)
    title = (
        f"{len(comparison.folders)} runs: {count(len(comparison.always_wrong), 'image')} of"
        f" {len(said):,} that all get wrong"
    )
    return _draw_grid(opinions.split, indices, said, opinions.doubtful, title)


def draw_suspects(suspects: Suspects) -> Figure:
    """Draw the images whose label networks doubt, most doubtful first, as `draw_errors`."""
    opinions, indices = suspects.opinions, suspects.indices
    n, total = len(opinions.labels), len(indices)
    shown = f"the {MOST} most doubtful of {total:,}" if total > MOST else f"all {total:,}"
    title = f"{shown} labels that are doubted, of {n:,} {suspects.split} images"
    if not total:
        title = f"no label is doubted, of {n:,} {suspects.split} images"
    said = opinions.mean.argmax(1)
    return _draw_grid(opinions.split, indices[:MOST], said, opinions.doubtful, title)


def _draw_grid(
    split: Split, indices: Tensor, predictions: Tensor, doubtful: Mapping[int, str], title: str
) -> Figure:
    """Draw images of a split by their indices (M,), with labels and predictions (N,)."""
    marked = [int(i) for i in indices if int(i) in doubtful]
    names = style.short_names(split.classes)
    level = max(map(len, names)) <= 2
    columns, arrow = (COLUMNS, " → ") if level else (NAMED_COLUMNS, "\n→ ")
    rows = max(1, -(-len(indices) // columns))
    side = split.images.shape[-1]
    gap = side / 7  # pixels; the caption stands in the larger one below
    across, down = side + gap, side * 3 / 2
    inches = style.WIDTH / (columns * across)
    longest = 2 * max(map(len, names)) + 3 if level else max(map(len, names)) + 2
    size = min(7.5, 72 * across * inches / (0.55 * longest))  # points
    figure = style.new_figure(rows * down * inches + (0.75 if marked else 0.5), title)
    axes = style.bare(figure.subplots())
    axes.set_xlim(-gap, columns * across)
    axes.set_ylim(rows * down, -gap)
    axes.set_aspect("equal")
    for place, index in enumerate(indices.tolist()):
        x, y = place % columns * across, place // columns * down
        pixels, extent = split.images[index] / 255, (x, x + side, y + side, y)
        style.show(axes, pixels, pictures=split.pictures, extent=extent)
        truth, said = (names[int(labels[index])] for labels in (split.labels, predictions))
        axes.text(
            x + side / 2,
            y + side + gap / 2,
            f"{truth}{arrow}{said}",
            ha="center",
            va="top",
            fontsize=size,
        )
        if index in doubtful:
            axes.add_patch(
                Rectangle((x - 1, y - 1), side + 2, side + 2, fill=False, color="C1", linewidth=1.6)
            )
    if marked:
        figure.supxlabel(
            f"beneath: label → prediction · framed: {len(marked)} whose label people doubt"
            " (Northcutt et al., 2021)",
            x=0.01, ha="left", fontsize=8,
        )  # fmt: skip
    return figure
