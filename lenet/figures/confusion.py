"""The confusion matrix."""

from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from lenet.figures import style
from lenet.figures.subject import Subject


def draw_confusion(subject: Subject) -> Figure:
    """Draw the confusion matrix with its counts, and each class's errors beside and below it.

    Only mistakes are coloured: counts on the diagonal are a hundred times larger.
    """
    counts, classes = subject.result.confusion, len(subject.names)
    mistakes = counts - counts.diag().diag()  # (classes, classes) true class, prediction
    most = max(1, int(mistakes.max()))
    figure = style.new_figure(6.4, f"{subject.name}: {subject.result}")
    axes = style.bare(figure.subplots())
    axes.imshow(mistakes.numpy(), cmap=style.sequential(), vmin=0, vmax=1.25 * most, aspect="auto")
    for truth in range(classes):
        axes.add_patch(
            Rectangle((truth - 0.5, truth - 0.5), 1, 1, color=style.faint(), alpha=0.18, lw=0)
        )
        for predicted in range(classes):
            count = int(counts[truth, predicted])
            wrong = truth != predicted
            axes.text(
                predicted, truth, f"{count:,}" if count else "·", ha="center", va="center",
                color=style.foreground() if count else style.faint(), fontsize=11 if wrong else 8.5,
                fontweight="bold" if wrong and count else "normal",
            )  # fmt: skip
        axes.text(classes, truth, str(int(mistakes[truth].sum())), ha="center", va="center")
        axes.text(truth, classes, str(int(mistakes[:, truth].sum())), ha="center", va="center")
    axes.text(
        classes, classes, str(int(mistakes.sum())), ha="center", va="center", fontweight="bold"
    )
    axes.set_xlim(-0.5, classes + 0.5)
    axes.set_ylim(classes + 0.5, -0.5)
    places = range(classes + 1)
    slant = 45 if max(map(len, subject.names)) > 3 else 0
    axes.set_xticks(places, [*subject.names, "missed"], rotation=slant)
    axes.set_yticks(places, [*subject.names, "wrongly\npredicted"])
    axes.tick_params(length=0, top=True, labeltop=True, bottom=False, labelbottom=False)
    axes.xaxis.set_label_position("top")
    axes.set_xlabel("prediction")
    axes.set_ylabel("label")
    return figure
