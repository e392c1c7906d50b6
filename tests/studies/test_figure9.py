"""The paper's Figure 9 beside ours."""

from pathlib import Path

import pytest

from lenet.config.load import load_config
from lenet.figures import style
from lenet.figures.reproduction import draw_study
from lenet.studies.figure9 import FIGURE9, judge
from lenet.studies.study import collect

ROWS = {row.name: row for row in FIGURE9.rows}


def epochs(name: str) -> int:
    """How often a row's network sees 60,000 images: 20 times as in the paper, but for two kinds."""
    if name == "lush":
        return 30
    small_perceptron = name.startswith("mlp-") and "1000" not in name
    return 12 if small_perceptron else 20


def test_every_row_has_a_config_of_its_own_number_of_epochs_by_the_papers_rule() -> None:
    for name, row in ROWS.items():
        config = load_config(row.config).config
        assert row.config == f"paper/{name}"
        assert config.optimizer.kind == "sdlm"
        assert config.train.order == "constant"
        assert config.train.epochs == epochs(name), name
        assert config.data.validation == 0


def test_distorted_rows_see_as_many_images_an_epoch_as_the_others() -> None:
    for name, row in ROWS.items():
        config = load_config(row.config).config
        if name.endswith("-distorted"):
            assert config.train.images_per_epoch == 60_000
            assert config.data.distorted_copies == 9


@pytest.mark.parametrize(
    ("errors", "verdict"),
    [([105, 105], "inside"), ([85, 85], "inside"), ([106, 106], "worse"), ([80, 88], "better")],
)
def test_verdict_is_inside_up_to_a_tenth_of_a_per_cent(
    tmp_path: Path, finish, errors: list[int], verdict: str
) -> None:
    finish("paper/lenet5", errors)
    (lenet5,) = collect(FIGURE9, tmp_path, [])
    assert judge(lenet5) == verdict


def test_errors_are_laid_beside_the_papers_in_per_cent(tmp_path: Path, finish) -> None:
    finish("paper/lenet5", [90, 100])
    finish("paper/lenet1", [170])
    measured = collect(FIGURE9, tmp_path, [])
    assert FIGURE9.table(measured).markdown().splitlines()[2:] == [
        "| [16x16] LeNet-1 | 1.70 | 1.70 | 1 | 0.35 | inside |",
        "| LeNet-5 | 0.95 | 0.95 ± 0.07 | 2 | 0.35 | inside |",
    ]
    lenet1, lenet5 = FIGURE9.as_dicts(measured)
    assert lenet1["sd_percent"] is None
    assert lenet5["errors"] == [90, 100]
    assert {key: lenet5[key] for key in lenet5 if key.endswith(("percent", "verdict"))} == {
        "paper_percent": 0.95,
        "mean_percent": 0.95,
        "sd_percent": 0.0707,
        "train_percent": 0.35,
        "verdict": "inside",
    }


def test_figures_are_drawn_of_any_rows(tmp_path: Path, finish) -> None:
    for name in ("lenet5-15k", "lenet5", "lenet5-distorted"):
        finish(f"paper/{name}", [90, 91])
    figures = draw_study(FIGURE9, collect(FIGURE9, tmp_path, []))
    assert set(figures) == {"figure9", "figure6", "figure5"}
    for name, figure in figures.items():
        style.save(figure, tmp_path / f"{name}.png")
        assert (tmp_path / f"{name}.png").stat().st_size > 5_000
