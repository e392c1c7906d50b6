"""From 1998 to today one change at a time."""

from itertools import pairwise
from pathlib import Path

import pytest

from lenet import configfile
from lenet.errors import RunError
from lenet.ladder import Step, measure_steps, steps, table
from lenet.runs import Run


def finished(root: Path, name: str, errors: int) -> None:
    run = Run.create(name, configfile.load(name).config, root)
    run.write_json("result.json", {"errors/test": errors})


def test_steps_go_from_1998_to_today() -> None:
    names = steps()
    assert names[0] == "ladder/0-1998"
    assert [int(name.removeprefix("ladder/")[0]) for name in names] == list(range(len(names)))


@pytest.mark.parametrize(
    ("step", "config"),
    [
        ("0-1998", "paper/lenet5"),
        ("6-averaging", "modern/plain"),
        ("7-augmentation", "modern/lenet5"),
    ],
)
def test_some_steps_are_experiments_of_their_own(step: str, config: str) -> None:
    one, other = (configfile.load(name).config for name in (f"ladder/{step}", config))
    assert one.model_copy(update={"evaluate": other.evaluate}) == other


def test_each_step_changes_little() -> None:
    sections = [configfile.load(name).config.model_dump() for name in steps()]
    changed = [
        {key for key in before if before[key] != after[key]} - {"evaluate", "train"}
        for before, after in pairwise(sections[2:])
    ]
    assert changed == [{"model"}, {"model"}, {"model", "optimizer"}, {"loss"}, {"augment"}]


def test_finished_steps_are_collected_in_order(tmp_path: Path) -> None:
    finished(tmp_path, "ladder/3-activation", 80)
    finished(tmp_path, "ladder/1-optimizer", 120)
    assert measure_steps(tmp_path) == [Step("1-optimizer", [120]), Step("3-activation", [80])]
    with pytest.raises(RunError, match="no finished run of any step"):
        measure_steps(tmp_path / "elsewhere")


def test_the_table_says_what_each_step_changed() -> None:
    lines = table([Step("0-1998", [95, 105]), Step("1-optimizer", [90])]).splitlines()
    assert lines[2:] == ["| 0-1998 | 100.0 ± 7.1 | 2 |  |", "| 1-optimizer | 90.0 | 1 | -10.0 |"]
