from pathlib import Path

import pytest

from lenet.errors import UsageError
from lenet.figures import COMPARISONS, FIGURES, list_figures
from lenet.figures.album import Order, draw_album


def test_words_are_figures_runs_or_folders_of_runs(make_run, tmp_path: Path) -> None:
    first, second = make_run(seed=0), make_run(seed=1)
    order = Order.parse([str(tmp_path / "canned"), "errors", "curves"])
    assert [run.folder for run in order.runs] == [first.folder, second.folder]
    assert order.names == ["errors", "curves"]


def test_what_is_no_run_is_named_together_with_the_figures(tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match=r"erors is neither a run.*figures are architecture, errors"
    ):
        Order.parse(["erors"])
    with pytest.raises(UsageError, match="no run given"):
        Order.parse(["errors"])


def test_a_damaged_run_is_named(make_run, tmp_path: Path) -> None:
    damaged = make_run(seed=1).folder / "config.yaml"
    damaged.write_text("model: 3")
    with pytest.raises(UsageError, match=f"{damaged}:1:1"):
        Order.parse([str(tmp_path)])


def test_curves_of_several_seeds_lie_in_the_folder_that_holds_them(make_run, tmp_path) -> None:
    make_run(seed=0), make_run(seed=1)
    order = Order.parse([str(tmp_path / "canned"), "curves"])
    (path,) = draw_album(order)
    assert path == tmp_path / "canned" / "figures" / "curves.png"
    assert path.read_bytes().startswith(b"\x89PNG")


def test_every_figure_says_what_it_draws() -> None:
    described = list_figures()
    assert list(described) == [*FIGURES, *COMPARISONS]
    assert all(about.endswith((".", "beneath.")) for about in described.values())


def test_files_of_a_run_are_written_and_repeat_to_the_byte(make_run, mnist, tmp_path: Path) -> None:
    run = make_run()
    order = Order.parse([str(run.folder), "architecture", "filters"])
    paths = list(draw_album(order, to=tmp_path / "out", kind="svg", theme="dark"))
    assert [path.name for path in paths] == ["architecture.svg", "filters.svg"]
    before = [path.read_bytes() for path in paths]
    again = list(draw_album(order, to=tmp_path / "out", kind="svg", theme="dark"))
    assert [path.read_bytes() for path in again] == before


def test_a_figure_that_does_not_fit_is_an_error_only_when_asked_for(make_run, mnist) -> None:
    run = make_run("linear")
    with pytest.raises(UsageError, match="linear has no convolution"):
        list(draw_album(Order.parse([str(run.folder), "cam"])))


def test_a_run_without_augmentation_has_no_picture_of_it(make_run, mnist) -> None:
    order = Order.parse([str(make_run().folder), "augmentation"])
    with pytest.raises(UsageError, match=r"augments nothing.*the figure `errors` fits"):
        list(draw_album(order))


def test_a_ladder_needs_two_experiments(make_run, tmp_path: Path) -> None:
    make_run(name="a")
    with pytest.raises(UsageError, match="two experiments at least"):
        list(draw_album(Order.parse([str(tmp_path), "ladder"])))
    make_run(name="b")
    (path,) = draw_album(Order.parse([str(tmp_path), "ladder"]))
    assert path == tmp_path / "figures" / "ladder.png"


def test_paths_below_the_working_directory_are_relative(make_run, tmp_path, monkeypatch) -> None:
    make_run(seed=0), make_run(seed=1)
    monkeypatch.chdir(tmp_path)
    assert list(draw_album(Order.parse(["canned", "curves"]))) == [
        Path("canned/figures/curves.png")
    ]
