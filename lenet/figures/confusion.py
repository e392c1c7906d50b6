"""The confusion matrix."""

from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from lenet.data.datasets import CLASSES
from lenet.figures import style
from lenet.figures.subject import Subject


def draw_confusion(subject: Subject) -> Figure:
    """Draw the confusion matrix with its counts, and each digit's errors beside and below it.

    Only mistakes are coloured: counts on the diagonal are a hundred times larger.
    """
    counts = subject.result.confusion
    mistakes = counts - counts.diag().diag()  # (10, 10) true class, prediction
    most = max(1, int(mistakes.max()))
    figure = style.new_figure(6.4, f"{subject.name}: {subject.result}")
    axes = style.bare(figure.subplots())
    axes.imshow(mistakes.numpy(), cmap=style.sequential(), vmin=0, vmax=1.25 * most, aspect="auto")
    for truth in range(CLASSES):
        axes.add_patch(
            Rectangle((truth - 0.5, truth - 0.5), 1, 1, color=style.faint(), alpha=0.18, lw=0)
        )
        for predicted in range(CLASSES):
            count = int(counts[truth, predicted])
            wrong = truth != predicted
            axes.text(
                predicted, truth, f"{count:,}" if count else "·", ha="center", va="center",
                color=style.foreground() if count else style.faint(), fontsize=11 if wrong else 8.5,
                fontweight="bold" if wrong and count else "normal",
            )  # fmt: skip
        axes.text(CLASSES, truth, str(int(mistakes[truth].sum())), ha="center", va="center")
        axes.text(truth, CLASSES, str(int(mistakes[:, truth].sum())), ha="center", va="center")
    axes.text(
        CLASSES, CLASSES, str(int(mistakes.sum())), ha="center", va="center", fontweight="bold"
    )
    axes.set_xlim(-0.5, CLASSES + 0.5)
    axes.set_ylim(CLASSES + 0.5, -0.5)
    digits = list(range(CLASSES))
    axes.set_xticks([*digits, CLASSES], [*map(str, digits), "missed"])
    axes.set_yticks([*digits, CLASSES], [*map(str, digits), "wrongly\npredicted"])
    axes.tick_params(length=0, top=True, labeltop=True, bottom=False, labelbottom=False)
    axes.xaxis.set_label_position("top")
    axes.set_xlabel("prediction")
    axes.set_ylabel("label")
    return figure
