import numpy as np
import pytest
from matplotlib.figure import Figure

from lenet.figures import style
from lenet.figures.curves import Curve, draw_curves
from lenet.figures.subject import UnfitError


def test_a_curve_is_the_mean_over_seeds_with_its_deviation() -> None:
    histories = [
        [{"epoch": 1, "errors/test": 10}, {"epoch": 2, "errors/test": 4}],
        [{"epoch": 1, "errors/test": 14}],
    ]
    curve = Curve.of(histories, "errors/test")
    assert curve.epochs.tolist() == [1, 2]
    assert curve.mean.tolist() == [12, 4]
    assert curve.sd.tolist() == pytest.approx([np.sqrt(8), 0])
    assert Curve.of(histories, "errors/validation") is None


def test_one_run_shows_its_parts_in_per_cent_and_its_learning_rate(make_run) -> None:
    figure = draw_curves([make_run()])
    above, below = figure.axes
    lines = [line.get_ydata().tolist() for line in above.lines]
    assert lines == [pytest.approx([5, 2]), pytest.approx([3, 1])]
    assert written(figure) == ["train", "test"]
    assert below.lines[0].get_ydata().tolist() == pytest.approx([0.1, 0.05])
    assert figure.get_suptitle() == "canned: error rate by epoch"


def test_seeds_of_an_experiment_become_one_line_with_a_band(make_run) -> None:
    figure = draw_curves([make_run(seed=0), make_run(seed=1)])
    assert figure.get_suptitle() == "canned: error rate by epoch, 2 seeds, mean ± sd"
    assert len(figure.axes[0].lines) == 2
    assert len(figure.axes[0].collections) == 2


def test_the_title_of_several_experiments_explains_bands(make_run) -> None:
    runs = [make_run(name="a"), make_run(name="b")]
    assert draw_curves(runs).get_suptitle() == "Error rate by epoch"
    figure = draw_curves([*runs, make_run(name="b", seed=1)])
    assert figure.get_suptitle() == "Error rate by epoch, mean ± sd over seeds"


def test_several_experiments_share_a_chart(make_run) -> None:
    figure = draw_curves([make_run(name="a"), make_run(name="b")])
    assert len(figure.axes[0].lines) == 4
    assert written(figure) == ["a", "b", "train", "test"]


def written(figure: Figure) -> list[str]:
    """Return the lines of the legend."""
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_of_many_experiments_training_errors_are_left_out_and_none_looks_like_another(
    make_run,
) -> None:
    with style.applied():
        runs = [make_run(name=f"experiment-{n:02}") for n in range(14)]
        figure = draw_curves(runs)
        style.pixels(figure)  # lays it out
    axes = figure.axes[0]
    assert written(figure) == [*(f"experiment-{n:02}" for n in range(14)), "test"]
    assert [line.get_ydata().tolist() for line in axes.lines] == [pytest.approx([3, 1])] * 14
    runs[0].append("metrics.jsonl", {"epoch": 3, "accuracy/validation": 0.9, "learning_rate": 0.1})
    validated = draw_curves(runs)
    assert written(validated)[-2:] == ["validation", "test"]
    assert len(validated.axes[0].lines) == 15
    assert len({(line.get_color(), line.get_marker()) for line in axes.lines}) == 14
    legend, page = figure.legends[0].get_window_extent(), figure.bbox
    assert page.y0 <= legend.y0 and legend.x1 <= page.x1  # on the page, beside the curves
    assert legend.x0 > axes.get_window_extent().x1
    assert axes.get_window_extent().width > 0.5 * page.width


def test_learning_rates_far_apart_are_on_a_logarithmic_axis(make_run) -> None:
    slow, fast = make_run(name="slow"), make_run(name="fast")
    (slow.folder / "metrics.jsonl").unlink()
    slow.append("metrics.jsonl", {"epoch": 1, "accuracy/test": 0.9, "learning_rate": 1e-5})
    figure = draw_curves([slow, fast])
    assert figure.axes[1].get_yscale() == "log"
    style.pixels(figure)  # lays it out
    ticks = [text.get_text() for text in figure.axes[1].get_yticklabels()]
    assert {"0.00001", "0.1"} <= set(ticks)  # no formulas and no exponents
    assert draw_curves([fast]).axes[1].get_yscale() == "linear"


@pytest.mark.parametrize("rate", [0.035, 0.1, 0.12, 0.0009])
def test_a_linear_axis_of_learning_rates_has_a_tick_at_or_above_the_highest(make_run, rate) -> None:
    run = make_run()
    (run.folder / "metrics.jsonl").unlink()
    run.append("metrics.jsonl", {"epoch": 1, "accuracy/test": 0.9, "learning_rate": rate})
    below = draw_curves([run]).axes[1]
    assert below.get_yticks()[0] == 0
    assert rate <= below.get_yticks()[-1] + 1e-12 <= below.get_ylim()[1]
    assert 2 <= len(below.get_yticks()) <= 4


def test_zero_errors_have_a_place_below_the_smallest_rate(make_run) -> None:
    run = make_run()
    run.append("metrics.jsonl", {"epoch": 3, "accuracy/test": 1.0})
    axes = draw_curves([run]).axes[0]
    assert axes.get_ylim()[0] < 0
    assert axes.get_yticks().tolist()[:3] == [0, 1, 2]  # the smallest rate but 0 is 1 %
    (run.folder / "metrics.jsonl").write_text('{"epoch": 1, "accuracy/test": 1.0}')
    low, high = draw_curves([run]).axes[0].get_ylim()  # nothing but 0
    assert low < 0 < high


def test_a_run_without_a_finished_epoch_has_no_curve(make_run) -> None:
    run = make_run()
    (run.folder / "metrics.jsonl").unlink()
    with pytest.raises(UnfitError, match=r"canned/0/metrics[.]jsonl holds no finished epoch"):
        draw_curves([run])
