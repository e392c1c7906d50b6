"""Runs as a table."""

from pathlib import Path

import pytest

from lenet.config.load import load_config
from lenet.errors import UsageError
from lenet.runs.history import list_runs, markdown, table
from lenet.runs.run import Run


def finished(root: Path, name: str, seed: int, **errors: int) -> None:
    run = Run.create(name, load_config("quickstart", seed=seed).config, root)
    run.append("metrics.jsonl", {"epoch": 1})
    run.append("timing.jsonl", {"epoch": 1, "seconds": 90.0})
    run.write_json("result.json", {f"errors/{part}": n for part, n in errors.items()})


def test_seeds_become_one_line_with_mean_and_deviation(tmp_path: Path) -> None:
    finished(tmp_path, "b", 0, test=40, validation=50)
    finished(tmp_path, "b", 1, test=44, validation=58)
    finished(tmp_path, "a", 0, test=70)
    assert markdown(list_runs(tmp_path)).splitlines()[2:] == [
        "| a | – | 70.0 | 1 | 1 | 1.5 |",
        "| b | 54.0 ± 5.7 | 42.0 ± 2.8 | 2 | 1 | 1.5 |",
    ]


def test_runs_are_sorted_by_errors_and_the_unfinished_come_last(tmp_path: Path) -> None:
    finished(tmp_path, "worse", 0, test=90)
    finished(tmp_path, "better", 0, test=40)
    Run.create("begun", load_config("quickstart").config, tmp_path)
    rows = list_runs(tmp_path, "errors")
    assert [row.experiment for row in rows] == ["better", "worse", "begun"]
    assert "unfinished" in table(rows).splitlines()[-1]


def test_what_cannot_be_listed_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nowhere is no folder"):
        list_runs(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="--sort is one of name, errors, epochs, not 'size'"):
        list_runs(tmp_path, "size")
    assert table(list_runs(tmp_path)) == "no runs"


def test_a_run_and_an_experiment_have_the_experiments_name(tmp_path: Path) -> None:
    finished(tmp_path, "a", 3, test=70)
    assert [row.experiment for row in list_runs(tmp_path / "a")] == ["a"]
    assert [row.seed for row in list_runs(tmp_path / "a" / "3")] == [3]
