"""A ladder of experiments: the test errors after each step."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from lenet.figures import style
from lenet.figures.subject import UnfitError
from lenet.runs.find import group_seeds
from lenet.runs.run import Run
from lenet.statistics import summarize


def draw_ladder(runs: Sequence[Run]) -> Figure:
    """Draw the test errors of several experiments, one step each, in the order of their names.

    Raises:
        UnfitError: Fewer than two experiments have a finished run.
    """
    finished = [run for run in runs if run.finished]
    steps = {
        name: [run.read_json("result.json")["errors/test"] for run in seeds]
        for name, seeds in group_seeds(finished).items()
    }
    if len(steps) < 2:
        raise UnfitError("a ladder needs finished runs of two experiments at least")
    return draw_steps(steps)


def draw_steps(
    steps: Mapping[str, Sequence[int]], title: str = "test errors after each step"
) -> Figure:
    """Draw test errors, a bar for the mean and a dot for each seed.

    Args:
        steps: Name → errors of each seed, from the first step to the last.
        title: What the figure shows.
    """
    figure = style.new_figure(1.0 + 0.45 * len(steps), title)
    axes = figure.subplots()
    for place, (_, errors) in enumerate(steps.items()):
        axes.barh(place, summarize(errors).mean, height=0.6, color="C0", alpha=0.35)
        axes.plot(errors, [place] * len(errors), "o", markersize=4, color="C0")
        axes.annotate(
            str(summarize(errors)),
            (max(errors), place),
            xytext=(8, 0),
            textcoords="offset points",
            va="center",
        )
    axes.set_yticks(range(len(steps)), [style.shorten(name) for name in steps])
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.margins(x=0.25)
    axes.set_xlim(left=0)
    axes.set_xlabel("errors on the test images; bars are means over seeds, dots are seeds")
    return figure
