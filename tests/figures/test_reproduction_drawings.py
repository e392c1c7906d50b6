import pytest

from lenet.figures.reproduction import draw_figure6, draw_figure9
from lenet.figures.subject import UnfitError


def test_runs_of_the_papers_configs_stand_beside_the_papers_errors(make_run) -> None:
    runs = [make_run("linear", name="paper/linear", seed=seed) for seed in (0, 1)]
    for run, errors in zip(runs, (800, 900), strict=True):
        run.write_json("result.json", {"errors/test": errors, "n/test": 10_000})
    (axes,) = draw_figure9([make_run(name="other"), *runs]).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["Linear"]
    assert [bar.get_width() for bar in axes.patches] == [12.0, pytest.approx(8.5)]
    assert [text.get_text() for text in axes.texts] == ["12.00 %", "8.50 %"]


def test_other_runs_have_no_place_in_the_papers_table(make_run) -> None:
    with pytest.raises(UnfitError, match="a config in paper/; the figure `curves`"):
        draw_figure9([make_run()])


def test_figure_6_shows_errors_by_number_of_training_images(make_run) -> None:
    runs = [make_run(name="paper/lenet5-15k", seed=0), make_run(name="paper/lenet5", seed=0)]
    for run, errors in zip(runs, (150, 90), strict=True):
        run.write_json("result.json", {"errors/test": errors, "n/test": 10_000})
    figure = draw_figure6(runs)
    (axes,) = figure.axes
    paper = axes.lines[0]
    assert list(paper.get_xdata()) == [15, 60]
    assert list(paper.get_ydata()) == [1.68, 0.95]
    (ours,) = axes.containers
    assert list(ours.lines[0].get_ydata()) == [1.5, 0.9]
    written = [text.get_text() for text in figure.legends[0].get_texts()]
    assert written == ["ours: test", "ours: training", "paper: test"]


def test_figure_6_needs_a_lenet5_of_1998(make_run) -> None:
    with pytest.raises(UnfitError, match="needs finished runs of paper/lenet5-15k"):
        draw_figure6([make_run("linear", name="paper/linear")])
