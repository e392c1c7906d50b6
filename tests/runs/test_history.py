"""Runs as a table."""

import json
import time
from pathlib import Path

import pytest

from lenet.config.load import load_config
from lenet.errors import UsageError
from lenet.runs.find import locate
from lenet.runs.history import Row, list_runs, summary, table
from lenet.runs.lock import lock
from lenet.runs.run import Run
from lenet.tables import BEST, WRONG


def begun(root: Path, name: str, seed: int = 0) -> Run:
    run = Run.create(name, load_config("quickstart", seed=seed).config, root)
    run.write_json("environment.json", {"dataset": "mnist", "images": {"test": 10_000}})
    run.append("metrics.jsonl", {"epoch": 1, "errors/test": 77})
    run.append("timing.jsonl", {"epoch": 1, "seconds": 90.0})
    return run


def finished(
    root: Path, name: str, seed: int, dataset: str = "mnist", images: int = 10_000, **errors: int
) -> Run:
    run = begun(root, name, seed)
    counted = {f"errors/{part}": n for part, n in errors.items()}
    run.write_json("result.json", counted | {"dataset": dataset, "n/test": images})
    return run


def test_seeds_become_one_line_with_mean_and_deviation(tmp_path: Path) -> None:
    finished(tmp_path, "b", 0, test=40, validation=50)
    finished(tmp_path, "b", 1, test=44, validation=58)
    finished(tmp_path, "a", 0, test=70)
    assert summary(list_runs(tmp_path)).markdown().splitlines()[2:] == [
        "| a | – | 70 | 99.30 % | 1 | 1 | 1.5 |",
        "| b | 54.0 ± 5.7 | 42.0 ± 2.8 | 99.58 % | 2 | 1 | 1.5 |",
    ]


def test_runs_are_sorted_by_errors_and_the_unfinished_come_last(tmp_path: Path) -> None:
    finished(tmp_path, "worse", 0, test=90)
    finished(tmp_path, "better", 0, test=40)
    Run.create("begun", load_config("quickstart").config, tmp_path)
    rows = list_runs(tmp_path, "errors")
    assert [row.experiment for row in rows] == ["better", "worse", "begun"]
    assert table(rows).rows[-1][2] == "unfinished"
    assert [line[0] for line in summary(rows).rows] == ["better", "worse"]


def test_errors_stand_beside_their_images_and_datasets_apart(tmp_path: Path) -> None:
    finished(tmp_path, "small", 0, "mnist-sample", 1000, test=16)
    finished(tmp_path, "large", 0, test=83)
    rows = list_runs(tmp_path, "errors")
    assert [row.experiment for row in rows] == ["large", "small"]
    large, small = table(rows).rows
    assert (large[4], large[7]) == ("mnist", "83 / 10,000")
    assert (small[4], small[7]) == ("mnist-sample", "16 / 1,000")
    assert not table(rows).styles  # errors on different images have no best


def test_the_best_of_the_finished_runs_and_damage_are_marked(tmp_path: Path) -> None:
    for name, errors in (("a", 83), ("b", 79), ("c", 90)):
        finished(tmp_path, name, 0, test=errors)
    (tmp_path / "c" / "0" / "result.json").write_text("{")
    assert table(list_runs(tmp_path)).styles == {1: BEST, 2: WRONG}


def test_a_run_that_is_being_trained_is_running(tmp_path: Path) -> None:
    (tmp_path / "left" / "0").mkdir(parents=True)
    runs = [begun(tmp_path, name) for name in ("held", "killed")]
    (runs[1].folder / "lock").write_text("4194305")  # left behind by a killed training
    with lock(runs[0].folder):
        assert [row.state for row in list_runs(tmp_path)] == ["running", "unfinished"]
    (row, _) = list_runs(tmp_path)
    assert row == Row(
        "held", 0, "unfinished", 1, "mnist", {"test": 77}, images=10_000, seconds=90.0
    )


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("metrics.jsonl", '{"epoch": 1, "err'),
        ("metrics.jsonl", '{"epoch": 100000000000000000000}'),
        ("result.json", "{}"),
        ("result.json", '{"errors/test": true, "n/test": 10}'),
        ("result.json", "[" * 100_000),
        ("environment.json", '{"images": 3}'),
        ("timing.jsonl", '{"epoch": 1}'),
    ],
)
def test_a_damaged_run_is_listed_as_damaged_beside_the_others(
    file: str, content: str, tmp_path: Path
) -> None:
    run = finished(tmp_path, "bad", 3, test=1)
    (run.folder / file).write_text(content)
    finished(tmp_path, "good", 0, test=83)
    rows = list_runs(tmp_path)
    assert [(row.experiment, row.seed, row.state) for row in rows] == [
        ("bad", 3, "damaged"),
        ("good", 0, "finished"),
    ]
    assert str(run.folder / file) in table(rows).notes[-1]
    assert "83 / 10,000" in str(table(rows))
    json.dumps([row.as_dict() for row in rows])


def test_published_runs_are_listed_when_asked_for(tmp_path: Path) -> None:
    everything = list_runs(locate("published:"))
    assert {row.state for row in everything} == {"finished"}
    assert [row.seed for row in list_runs(locate("published:handwriting/0"))] == [0]
    names = {row.experiment for row in everything}
    assert names & {row.experiment for row in list_runs(locate("published:").parent)} == set()


@pytest.mark.slow
def test_two_thousand_runs_are_listed_in_two_seconds(tmp_path: Path) -> None:
    run = finished(tmp_path, "run", 0, test=83)
    files = {path.name: path.read_bytes() for path in run.folder.iterdir()}
    for number in range(2000):
        folder = tmp_path / f"trial-{number:04}" / "0"
        folder.mkdir(parents=True)
        for name, content in files.items():
            (folder / name).write_bytes(content * 20 if name.endswith(".jsonl") else content)
    began = time.process_time()
    assert len(str(table(list_runs(tmp_path))).splitlines()) == 2003
    assert time.process_time() - began < 2


def test_what_cannot_be_listed_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nowhere is no folder"):
        list_runs(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="--sort is one of name, errors, epochs, not 'size'"):
        list_runs(tmp_path, "size")
    assert not table(list_runs(tmp_path)).rows


def test_a_run_and_an_experiment_have_the_experiments_name(tmp_path: Path) -> None:
    finished(tmp_path, "a", 3, test=70)
    assert [row.experiment for row in list_runs(tmp_path / "a")] == ["a"]
    assert [row.seed for row in list_runs(tmp_path / "a" / "3")] == [3]
