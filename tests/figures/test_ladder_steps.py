import pytest

from lenet.figures import style
from lenet.figures.ladder import draw_ladder, draw_steps
from lenet.figures.subject import UnfitError


def test_steps_stand_in_the_order_of_their_names_with_means_and_seeds(make_run) -> None:
    second = make_run(name="1-loss")
    first = [make_run(name="0-1998", seed=0), make_run(name="0-1998", seed=1)]
    first[1].write_json(
        "result.json", {"dataset": "mnist", "seed": 1, "errors/test": 7, "n/test": 200}
    )
    (axes,) = draw_ladder([second, *first]).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["0-1998", "1-loss"]
    assert [bar.get_width() for bar in axes.patches] == [5, 3]
    assert [line.get_xdata().tolist() for line in axes.lines] == [[3, 7], [3]]


def test_steps_of_the_same_name_stand_side_by_side_and_one_seed_has_a_count() -> None:
    steps = [("compact", [30, 34]), ("ensemble", [22]), ("longer", [33]), ("ensemble", [28])]
    (axes,) = draw_steps(steps, [10_000] * 4).axes
    assert [bar.get_width() for bar in axes.patches] == [32, 22, 33, 28]
    assert [text.get_text() for text in axes.texts] == ["32.0 ± 2.8 (n = 2)", "22", "33", "28"]


def test_one_experiment_makes_no_ladder(make_run) -> None:
    with pytest.raises(UnfitError, match="two experiments at least"):
        draw_ladder([make_run(seed=0), make_run(seed=1)])


def test_experiments_of_the_same_name_are_told_apart_by_their_folders(make_run) -> None:
    runs = [make_run(name="lenet5"), make_run(name="paper/lenet5")]
    (axes,) = draw_ladder(runs).axes
    below = runs[0].folder.parents[1].name
    labels = {label.get_text() for label in axes.get_yticklabels()}
    assert labels == {"paper/lenet5", style.shorten(f"{below}/lenet5")}
