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
from lenet.figures import style
from lenet.figures.subject import Subject

COLUMNS = 16
MOST = 480
GAP = (4, 14)
"""Pixels between images, across and down; the caption stands in the lower gap."""


def draw_errors(subject: Subject) -> Figure:
    """Draw the misclassified test images, surest mistakes first, "label → prediction" beneath.

    Images whose label people doubt are framed. Source: Figure 8 of the 1998 paper.
    """
    indices = subject.mistakes()
    total = len(indices)
    shown = f"the {MOST} surest of" if total > MOST else "all" if total != 1 else ""
    shown = f"{shown} {count(total, 'error')}".lstrip()
    title = f"{subject.name}: {shown} on {len(subject.test):,} test images, surest first"
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


def _draw_grid(
    split: Split, indices: Tensor, predictions: Tensor, doubtful: Mapping[int, str], title: str
) -> Figure:
    """Draw images of a split by their indices (M,), with labels and predictions (N,)."""
    marked = [int(i) for i in indices if int(i) in doubtful]
    rows = max(1, -(-len(indices) // COLUMNS))
    side = split.images.shape[-1]
    across, down = side + GAP[0], side + GAP[1]
    inches = style.WIDTH / (COLUMNS * across)
    figure = style.new_figure(rows * down * inches + (0.75 if marked else 0.5), title)
    axes = style.bare(figure.subplots())
    axes.set_xlim(-GAP[0], COLUMNS * across)
    axes.set_ylim(rows * down, -GAP[0])
    axes.set_aspect("equal")
    for place, index in enumerate(indices.tolist()):
        x, y = place % COLUMNS * across, place // COLUMNS * down
        pixels = split.images[index].cpu().permute(1, 2, 0).numpy()
        axes.imshow(pixels, extent=(x, x + side, y + side, y), vmin=0, vmax=255)
        truth, said = (split.classes[int(labels[index])] for labels in (split.labels, predictions))
        axes.text(
            x + side / 2, y + side + 2, f"{truth} → {said}", ha="center", va="top", fontsize=7.5
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
