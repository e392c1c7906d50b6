"""From 1998 to today one change at a time."""

from itertools import pairwise
from pathlib import Path

import pytest

from lenet.config.load import load_config
from lenet.errors import RunError
from lenet.runs.run import Run
from lenet.studies.ladder import STEPS, Step, measure_steps, table


def finished(root: Path, name: str, errors: int) -> None:
    run = Run.create(name, load_config(name).config, root)
    run.write_json("result.json", {"errors/test": errors})


def test_each_step_changes_little() -> None:
    sections = [load_config(name).config.model_dump() for name in STEPS.values()]
    changed = [
        {key for key in before if before[key] != after[key]} - {"evaluate", "train"}
        for before, after in pairwise(sections[2:])
    ]
    assert changed == [
        {"model"},
        {"model"},
        {"model", "optimizer"},
        {"loss"},
        {"loss", "optimizer", "augment"},
    ]


def test_finished_steps_are_collected_in_order(tmp_path: Path) -> None:
    finished(tmp_path, "ladder/3-activation", 80)
    finished(tmp_path, "ladder/1-optimizer", 120)
    assert measure_steps(tmp_path, []) == [
        Step("1 SGD in batches, 4 epochs", [120]),
        Step("3 ReLU", [80]),
    ]
    with pytest.raises(RunError, match="no finished run of any step"):
        measure_steps(tmp_path / "elsewhere", [])


def test_steps_without_runs_of_ones_own_are_taken_from_the_published_ones(tmp_path: Path) -> None:
    mine, published = tmp_path / "mine", tmp_path / "published"
    finished(mine, "ladder/4-pooling", 70)
    finished(published, "ladder/4-pooling", 71)
    run = Run.create("lenet5", load_config("modern/lenet5").config, published)
    run.write_json("result.json", {"errors/test": 40})
    (published / "lenet5" / "ensemble.json").write_text('{"errors": 30}')
    assert measure_steps(mine, [published]) == [
        Step("4 max-pooling", [70]),
        Step("7 augmentation, 20 epochs", [40]),
        Step("8 ensemble", [30]),
    ]


def test_the_table_says_what_each_step_changed() -> None:
    lines = table([Step("0 the paper", [95, 105]), Step("1 SGD", [90])]).splitlines()
    assert lines[2:] == ["| 0 the paper | 100.0 ± 7.1 | 2 |  |", "| 1 SGD | 90.0 | 1 | -10.0 |"]
