import re
from pathlib import Path

import pytest

from lenet.errors import RunError, UsageError
from lenet.figures import COMPARISONS, FIGURES, album
from lenet.figures.album import Order, draw_album
from lenet.runs.publish import write_experiment


def test_words_are_figures_runs_or_folders_of_runs(make_run, tmp_path: Path) -> None:
    first, second = make_run(seed=0), make_run(seed=1)
    order = Order.parse([str(tmp_path / "canned"), "errors", "curves"])
    assert [run.folder for run in order.runs] == [first.folder, second.folder]
    assert order.names == ["errors", "curves"]


def test_what_is_no_run_is_named_together_with_the_figures(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"erors is neither a run.*figures are errors, confusion"):
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


def test_files_of_a_run_are_written_and_repeat_to_the_byte(make_run, mnist, tmp_path: Path) -> None:
    run = make_run()
    order = Order.parse([str(run.folder), "architecture", "filters"])
    paths = list(draw_album(order, to=tmp_path / "out", kind="svg", theme="dark"))
    assert [path.name for path in paths] == ["architecture.svg", "filters.svg"]
    before = [path.read_bytes() for path in paths]
    with pytest.raises(UsageError, match=r"architecture.svg exists already; --overwrite"):
        list(draw_album(order, to=tmp_path / "out", kind="svg"))
    again = draw_album(order, to=tmp_path / "out", overwrite=True, kind="svg", theme="dark")
    assert [path.read_bytes() for path in again] == before


@pytest.fixture
def few_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep "all that fit" to figures that are drawn at once."""
    few = {name: FIGURES[name] for name in ("architecture", "cam")}
    monkeypatch.setattr(album, "FIGURES", few)


def test_a_figure_that_does_not_fit_is_an_error_only_when_asked_for(
    make_run, mnist, few_figures
) -> None:
    run = make_run("linear")
    with pytest.raises(UsageError, match="linear has no convolution"):
        list(draw_album(Order.parse([str(run.folder), "cam"])))
    said = []
    drawn = draw_album(Order.parse([str(run.folder)]), say=said.append)
    assert [path.stem for path in drawn] == ["architecture", "curves"]
    assert [line.split("'")[1] for line in said] == ["cam", "ladder", "figure6", "figure9"]


@pytest.mark.parametrize("kind", ["lenet5", "lenet5-modern", "mlp", "linear", "average"])
def test_a_figure_that_does_not_fit_names_one_that_does(make_subject, mnist, kind: str) -> None:
    subject, fit, complaints = make_subject(kind), set(), []
    one_run = [(draw, [subject.run]) for draw in COMPARISONS.values()]
    for (draw, about), name in zip(
        [*((draw, subject) for draw in FIGURES.values()), *one_run],
        [*FIGURES, *COMPARISONS],
        strict=True,
    ):
        try:
            draw(about)
            fit.add(name)
        except UsageError as error:
            complaints.append(str(error))
    for complaint in complaints:
        named = re.findall(r"the figure `(\w+)`", complaint)
        assert fit.issuperset(named), complaint
    assert sum("the figure `" in complaint for complaint in complaints) >= 2


def test_a_run_without_weights_has_curves_and_keeps_no_other_from_being_drawn(
    make_run, mnist, few_figures
) -> None:
    bare, whole = make_run(name="bare"), make_run(name="whole")
    (bare.folder / "weights.safetensors").unlink()
    order, said = Order.parse([str(bare.folder), str(whole.folder)]), []
    drawn = list(draw_album(order, say=said.append))
    assert whole.folder / "figures" / "architecture.png" in drawn
    assert drawn[-1].stem in COMPARISONS
    assert not any(bare.folder in path.parents for path in drawn)
    assert any("weights.safetensors is missing" in line for line in said)
    with pytest.raises(RunError, match=r"is missing.*the figure `curves` needs no weights"):
        list(draw_album(Order.parse([str(bare.folder), "architecture"])))


def test_a_run_or_a_figure_that_is_named_twice_counts_once(make_run, tmp_path: Path) -> None:
    run = make_run()
    order = Order.parse([str(run.folder), str(tmp_path), "curves", "curves"])
    assert [r.folder for r in order.runs] == [run.folder]
    assert order.names == ["curves"]


def test_a_wrong_format_or_theme_is_refused_before_anything_is_computed(make_run) -> None:
    order = Order.parse([str(make_run().folder)])
    (order.runs[0].folder / "result.json").unlink()  # so that drawing would complain of that
    with pytest.raises(UsageError, match="a picture is png, svg, pdf, not gif"):
        list(draw_album(order, kind="gif"))
    with pytest.raises(UsageError, match="no theme 'pink'"):
        list(draw_album(order, theme="pink"))


def test_a_run_without_augmentation_has_no_picture_of_it(make_run, mnist) -> None:
    order = Order.parse([str(make_run().folder), "augmentation"])
    with pytest.raises(UsageError, match=r"has no augmentation.*the figure `errors` fits"):
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


def test_figures_of_a_published_run_lie_in_its_experiment(make_run, mnist, tmp_path: Path) -> None:
    folder = tmp_path / "published" / "net"
    runs = [make_run(seed=0), make_run(seed=1)]
    for run in runs:
        run.write_json("environment.json", {})
    write_experiment(folder, runs, weights=True)
    order = Order.parse([str(folder / "1"), "architecture", "curves"])
    drawn = [path.relative_to(folder).as_posix() for path in draw_album(order)]
    assert drawn == ["figures/1/architecture.png", "figures/1/curves.png"]
    (both,) = draw_album(Order.parse([str(folder), "curves"]))
    assert both == folder / "figures" / "curves.png"


def test_published_runs_can_be_named() -> None:
    assert len(Order.parse(["published:lenet5"]).runs) == 5
    with pytest.raises(UsageError, match=r"no published run 'lenet6'; .*; figures are errors"):
        Order.parse(["published:lenet6"])
