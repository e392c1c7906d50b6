import numpy as np
import pytest

from lenet.figures.curves import Curve, draw_curves
from lenet.figures.subject import UnfitError


def test_a_curve_is_the_mean_over_seeds_with_its_deviation() -> None:
    histories = [
        [{"pass": 1, "errors/test": 10}, {"pass": 2, "errors/test": 4}],
        [{"pass": 1, "errors/test": 14}],
    ]
    curve = Curve.of(histories, "errors/test")
    assert curve.passes.tolist() == [1, 2]
    assert curve.mean.tolist() == [12, 4]
    assert curve.sd.tolist() == pytest.approx([np.sqrt(8), 0])
    assert Curve.of(histories, "errors/validation") is None


def test_one_run_shows_its_parts_in_per_cent_and_its_learning_rate(make_run) -> None:
    figure = draw_curves([make_run()])
    above, below = figure.axes
    lines = {line.get_label(): line.get_ydata().tolist() for line in above.lines}
    assert lines == {"train": pytest.approx([5, 2]), "test": pytest.approx([3, 1])}
    assert below.lines[0].get_ydata().tolist() == pytest.approx([0.1, 0.05])
    assert figure.get_suptitle() == "canned: errors by pass"


def test_seeds_of_an_experiment_become_one_line_with_a_band(make_run) -> None:
    figure = draw_curves([make_run(seed=0), make_run(seed=1)])
    assert figure.get_suptitle() == "canned: errors by pass, 2 seeds, mean ± sd"
    assert len(figure.axes[0].lines) == 2
    assert len(figure.axes[0].collections) == 2


def test_several_experiments_share_a_chart(make_run) -> None:
    figure = draw_curves([make_run(name="a"), make_run(name="b")])
    labels = [line.get_label() for line in figure.axes[0].lines]
    assert labels == ["a: train", "a: test", "b: train", "b: test"]


def test_a_run_without_a_finished_pass_has_no_curve(make_run) -> None:
    run = make_run()
    (run.folder / "metrics.jsonl").unlink()
    with pytest.raises(UnfitError, match="canned/0 has not finished a pass"):
        draw_curves([run])
