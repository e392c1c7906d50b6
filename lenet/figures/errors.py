"""The 1998 paper's Figure 8: every misclassified test image."""

from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from lenet.errors import count
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
    total, indices = len(indices), indices[:MOST]
    doubtful = DOUBTFUL if subject.dataset == "mnist" else {}
    marked = [int(i) for i in indices if int(i) in doubtful]

    rows = max(1, -(-len(indices) // COLUMNS))
    shown = f"the {MOST} surest of" if total > MOST else "all" if total != 1 else ""
    shown = f"{shown} {count(total, 'error')}".lstrip()
    title = f"{subject.name}: {shown} on {len(subject.test):,} test images, surest first"
    side = subject.test.images.shape[-1]
    across, down = side + GAP[0], side + GAP[1]
    inches = style.WIDTH / (COLUMNS * across)
    figure = style.new_figure(rows * down * inches + (0.75 if marked else 0.5), title)
    axes = style.bare(figure.subplots())
    axes.set_xlim(-GAP[0], COLUMNS * across)
    axes.set_ylim(rows * down, -GAP[0])
    axes.set_aspect("equal")
    for place, index in enumerate(indices.tolist()):
        x, y = place % COLUMNS * across, place // COLUMNS * down
        pixels = subject.test.images[index].cpu().permute(1, 2, 0).numpy()
        axes.imshow(pixels, extent=(x, x + side, y + side, y), vmin=0, vmax=255)
        truth, said = (
            subject.names[int(labels[index])]
            for labels in (subject.test.labels, subject.predictions)
        )
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
