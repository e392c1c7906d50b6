"""The confusion matrix."""

from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from lenet.errors import count
from lenet.figures import style
from lenet.figures.subject import Subject
from lenet.statistics import describe_accuracy

FEW = 14
"""Up to so many classes, names stand level or slanted; those of more stand upright."""
BASE = 9.0
"""Points, of text beside the cells."""


def draw_confusion(subject: Subject) -> Figure:
    """Draw the confusion matrix with its counts, and each class's errors beside and below it.

    Only mistakes are coloured: counts on the diagonal are a hundred times larger. Text shrinks as
    classes become many, and the figure becomes as high as wide.
    """
    counts, classes = subject.result.confusion, len(subject.names)
    mistakes = counts - counts.diag().diag()  # (classes, classes) true class, prediction
    most = max(1, int(mistakes.max()))
    names = style.short_names(subject.names)
    cell = 72 * (style.WIDTH - 1.2) / (classes + 1)  # points
    small, margin = min(8.5, 0.62 * cell), min(BASE, 0.75 * cell)
    height = 6.4 if classes <= FEW else style.WIDTH
    result = subject.result
    errors = f"{count(result.errors, 'test error')} of {result.n:,}"
    low, high = result.interval
    accuracy = describe_accuracy(result.errors, result.n)
    figure = style.new_figure(
        height,
        f"{subject.name}: {errors} (accuracy {accuracy}, 95 % CI {low:,.0f}–{high:,.0f} errors)",
    )
    axes = style.bare(figure.subplots())
    axes.imshow(mistakes.numpy(), cmap=style.sequential(), vmin=0, vmax=1.25 * most, aspect="auto")
    for truth in range(classes):
        axes.add_patch(
            Rectangle((truth - 0.5, truth - 0.5), 1, 1, color=style.faint(), alpha=0.18, lw=0)
        )
        for predicted in range(classes):
            images = int(counts[truth, predicted])
            wrong = truth != predicted
            text = f"{images:,}" if images else "·"
            room = 1.5 * cell / len(text)
            axes.text(
                predicted, truth, text, ha="center", va="center",
                color=style.foreground() if images else style.faint(),
                fontsize=min(11, 0.75 * cell, room) if wrong else min(small, room),
                fontweight="bold" if wrong and images else "normal",
            )  # fmt: skip
        for x, y, missed in (
            (classes, truth, int(mistakes[truth].sum())),
            (truth, classes, int(mistakes[:, truth].sum())),
        ):
            size = min(margin, 1.5 * cell / len(str(missed)))
            axes.text(x, y, str(missed), ha="center", va="center", fontsize=size)
    total = str(int(mistakes.sum()))
    axes.text(
        classes, classes, total, ha="center", va="center", fontweight="bold",
        fontsize=min(margin, 1.5 * cell / len(total)),
    )  # fmt: skip
    axes.set_xlim(-0.5, classes + 0.5)
    axes.set_ylim(classes + 0.5, -0.5)
    places = range(classes + 1)
    many = classes > FEW
    slant = 90 if many else 45 if max(map(len, names)) > 3 else 0
    axes.set_xticks(places, [*names, "missed"], rotation=slant, fontsize=margin)
    below = "wrong" if many else "wrongly\npredicted"
    axes.set_yticks(places, [*names, below], fontsize=margin)
    axes.tick_params(length=0, top=True, labeltop=True, bottom=False, labelbottom=False)
    axes.xaxis.set_label_position("top")
    axes.set_xlabel("prediction")
    axes.set_ylabel("label")
    return figure
