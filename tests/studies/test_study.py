"""What is missing is trained, and what is finished is counted."""

import json
import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from lenet.errors import RunError
from lenet.evaluation import evaluate_runs
from lenet.studies import study as module
from lenet.studies.study import (
    ENSEMBLE,
    Column,
    Row,
    Study,
    _progress,
    collect,
    train_missing,
)

SMALL = [
    "data.name=mnist-sample",
    "data.train_size=64",
    "train.epochs=1",
    "evaluate.pictures=false",
]
A = Row(label="a", config="ladder/1-optimizer")
B = Row(label="b", config="modern/plain")
BOOSTED = Row(
    label="boosted",
    config="paper/boosted-lenet4",
    stages=("paper/lenet4-distorted", "paper/boosted-lenet4-second"),
)
TOGETHER = Row(label="together", config="modern/plain", ensemble=True)


def study(*rows: Row) -> Study:
    return Study("name", "what", rows, (Column("errors of {n}", lambda m: f"{m.summary:.1f}"),))


def test_rows_are_collected_in_order_and_those_without_finished_runs_left_out(
    tmp_path: Path, finish
) -> None:
    finish("modern/plain", [60, 64])
    finish("ladder/1-optimizer", [90, 92, 100])
    (tmp_path / "ladder/1-optimizer/2/result.json").unlink()
    absent = Row(label="absent", config="ladder/2-loss")
    found = collect(study(A, absent, B), tmp_path, [])
    assert [(m.row.label, m.errors) for m in found] == [("a", [90, 92]), ("b", [60, 64])]
    assert [m.before.row.label if m.before else None for m in found] == [None, "a"]
    assert study(A, B).table(found).markdown().splitlines() == [
        "| what | errors of 10,000 |",
        "|---|---:|",
        "| a | 91.0 ± 1.4 |",
        "| b | 62.0 ± 2.8 |",
    ]


def test_rows_without_own_runs_are_taken_from_the_published_ones(tmp_path: Path, finish) -> None:
    published = tmp_path / "published"
    finish("ladder/1-optimizer", [90])
    finish("ladder/1-optimizer", [91], root=published)
    finish("plain", [60], config="modern/plain", root=published)  # published under a short name
    found = collect(study(A, B), tmp_path, [published])
    assert [m.errors for m in found] == [[90], [60]]


def test_a_row_is_written_for_machines(tmp_path: Path, finish) -> None:
    finish("modern/plain", [60, 64])
    changed = replace(study(B), details=lambda m: {"best": min(m.errors)})
    assert changed.as_dicts(collect(changed, tmp_path, [])) == [
        {
            "study": "name",
            "row": "plain",
            "experiment": "modern/plain",
            "label": "b",
            "ensemble": False,
            "errors": [60, 64],
            "n": 10_000,
            "seeds": 2,
            "epochs": 4,
            "seconds": 90.0,
            "best": 60,
        }
    ]


def test_an_ensemble_counts_what_its_seeds_get_wrong_together(tmp_path: Path, finish) -> None:
    finish("modern/plain", [60, 64])
    assert collect(study(TOGETHER), tmp_path, []) == []
    content = {"errors": 50, "runs": {"0": 60, "1": 64}}
    (tmp_path / "modern/plain" / ENSEMBLE).write_text(json.dumps(content))
    (found,) = collect(study(TOGETHER), tmp_path, [])
    assert found.errors == [50]
    assert found.summary.sd is None


def test_a_row_with_stages_counts_all_its_networks_together(tmp_path: Path, finish) -> None:
    finish("paper/boosted-lenet4", [400], errors_test_together=70)
    (found,) = collect(study(BOOSTED), tmp_path, [])
    assert found.percent.mean == 0.7


def test_finished_runs_are_not_trained_again(tmp_path: Path, finish) -> None:
    finish("ladder/1-optimizer", [95, 96])
    said: list[str] = []
    assert train_missing([A], tmp_path, seeds=2, say=said.append)
    assert said == []


def test_missing_runs_are_trained_and_ensembles_asked(tmp_path: Path) -> None:
    row = Row(
        label="a",
        config="lecture/mlp",
        runs="lecture/small",
        overrides=("data.train_size=100",),
        seeds=2,
        ensemble=True,
    )
    said: list[str] = []
    changes = [text for text in SMALL if "train_size" not in text]
    assert train_missing([row], tmp_path, overrides=changes, say=said.append)
    assert said[0].startswith("to train: 1 experiment, ")
    assert said[0].endswith("Ctrl-C saves and stops, the same command continues")
    assert said[1] == "training lecture/small"
    (found,) = collect(study(row), tmp_path, [])
    assert found.runs[0].config.data.train_size == 100
    assert found.n == 1_000
    assert found.together is not None
    assert len(found.together["runs"]) == 2
    written = (tmp_path / "lecture/small" / ENSEMBLE).stat().st_mtime_ns
    assert train_missing([row], tmp_path, overrides=changes)
    assert (tmp_path / "lecture/small" / ENSEMBLE).stat().st_mtime_ns == written


def test_a_stopped_study_saves_a_checkpoint_and_continues(tmp_path: Path) -> None:
    row = Row(label="a", config="lecture/mlp", seeds=1)
    changes = [*SMALL, "train.epochs=2000", "evaluate.every=2000"]
    run = tmp_path / "lecture/mlp/0"

    def begun() -> bool:
        return (run / "state.safetensors").exists()

    assert not train_missing([row], tmp_path, overrides=changes, stop=begun)
    assert not (run / "result.json").exists()
    assert not (run / "lock").exists() or not (run / "lock").read_text().strip()
    ended = len((run / "metrics.jsonl").read_text().splitlines())
    assert 0 < ended < 2000


class Training:
    """Stands for the process that trains: finished when asked for the second time."""

    returncode = 0

    def __init__(self, command, **_):
        self.experiment = command[6]
        self.arguments = command[3:]
        self.asked = 0
        self.beside = set(Training.alive)
        Training.alive.append(self.experiment)
        Training.begun.append(self)

    def poll(self):
        self.asked += 1
        if self.asked < 2:
            return None
        Training.finish(self.experiment, [80])
        Training.alive.remove(self.experiment)
        return 0


@pytest.fixture
def trainings(monkeypatch, finish) -> list[Training]:
    Training.alive, Training.begun, Training.finish = [], [], staticmethod(finish)
    monkeypatch.setattr(module.subprocess, "Popen", Training)
    monkeypatch.setattr(module, "POLL_SECONDS", 0)
    return Training.begun


def test_a_stage_waits_for_those_that_it_learns_from(tmp_path: Path, trainings) -> None:
    train_missing([BOOSTED], tmp_path, seeds=1, jobs=3)
    first, second, third = trainings
    assert [t.experiment for t in trainings] == [
        "paper/lenet4-distorted",
        "paper/boosted-lenet4-second",
        "paper/boosted-lenet4",
    ]
    assert all(t.beside == set() for t in trainings)
    assert "--set" not in first.arguments
    one, other = str(tmp_path / first.experiment), str(tmp_path / second.experiment)
    assert f'data.boosting.earlier=["{one}"]' in second.arguments
    assert f'data.boosting.earlier=["{one}", "{other}"]' in third.arguments


def test_rows_that_need_nothing_are_trained_side_by_side(tmp_path: Path, trainings) -> None:
    c = Row(label="c", config="ladder/2-loss")
    train_missing([A, B, c], tmp_path, seeds=1, jobs=2)
    assert [len(t.beside) for t in trainings] == [0, 1, 0]
    assert len(collect(study(A, B, c), tmp_path, [])) == 3


def test_an_experiment_of_two_rows_is_trained_once(tmp_path: Path, trainings, monkeypatch) -> None:
    monkeypatch.setattr(
        evaluate_runs, "ask_runs", lambda *_, **__: pytest.fail("one seed is asked")
    )
    train_missing([B, TOGETHER], tmp_path, seeds=1, jobs=2)
    assert [t.experiment for t in trainings] == ["modern/plain"]


def test_a_failed_training_is_explained_with_the_command_that_failed(tmp_path: Path) -> None:
    misnamed = replace(A, runs="no name")
    with pytest.raises(RunError) as failure:
        train_missing([misnamed], tmp_path, overrides=SMALL)
    reason, last = str(failure.value).splitlines()
    assert reason.startswith("'no name' is no name for a run")
    command = shlex.split(last.split("`")[1])
    assert command[:5] == ["lenet", "train", "ladder/1-optimizer", "--name", "no name"]
    assert command[-8:] == [word for text in SMALL for word in ("--set", text)]


def test_the_cost_is_that_of_the_published_runs(tmp_path: Path, finish, monkeypatch) -> None:
    finish("ladder/1-optimizer", [95, 96])
    for seed in (0, 1):
        timing = tmp_path / f"ladder/1-optimizer/{seed}/timing.jsonl"
        timing.write_text('{"epoch": 1, "seconds": 1800.0}\n')
    monkeypatch.setattr(module, "PLACES", (tmp_path,))
    said: list[str] = []
    changes = ["train.epochs=3"]
    train_missing(
        [A, B], tmp_path / "runs", seeds=2, overrides=changes, stop=lambda: True, say=said.append
    )
    assert said[0].startswith(
        "to train: 2 experiments, 12 epochs; the published runs took 3.0 hours for that,"
        " without 1 experiment of which none are published."
    )


def test_progress_needs_a_finished_epoch_to_know_how_long_it_takes() -> None:
    assert _progress(40, 40, 12.0) == "0 of 40 epochs"
    assert _progress(40, 30, 600.0) == "10 of 40 epochs, about 30 minutes left"
