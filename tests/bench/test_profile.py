"""Where the time of training goes, by a clock that is turned from stage to stage."""

import json

import pytest
from typer.testing import CliRunner

from lenet.bench import profile
from lenet.bench.profile import Clock, Stage, table
from lenet.cli import app

SMALL = ["--set", "data={name: mnist-sample, train_size: 96}", "--set", "train.batch_size=32"]


def test_a_stage_within_another_counts_for_itself_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([0.0, 2.0, 5.0, 9.0, 10.0, 11.0])
    monkeypatch.setattr(profile.time, "perf_counter", lambda: next(times))
    clock = Clock()
    with clock.stage("outer"), clock.stage("inner"):  # from 0, from 2, to 5, to 9
        pass
    with clock.stage("inner"):  # from 10 to 11
        pass
    assert clock.stages() == [Stage("outer", 6.0, 1), Stage("inner", 4.0, 2)]


def test_shares_are_of_all_stages_together() -> None:
    shown = table([Stage("update", 0.3, 100), Stage("evaluate", 0.1, 1)])
    assert [list(row) for row in shown.rows] == [
        ["update", "0.300", "75.0 %", "3,000"],
        ["evaluate", "0.100", "25.0 %", "100,000"],
    ]


def test_the_command_counts_each_stage_of_an_epoch_as_often_as_it_comes() -> None:
    changes = [*SMALL, "--set", "augment=[{RandomInvert: {p: 1}}]", "--set", "kernels=torch"]
    result = CliRunner().invoke(app, ["bench", "profile", "modern/plain", *changes, "--json"])
    assert result.exit_code == 0, result.output
    stages = {stage["name"]: stage for stage in json.loads(result.stdout)}
    calls = {name: stage["calls"] for name, stage in stages.items()}
    assert calls == {
        "gather and scale": 3,
        "augment": 3,
        "preprocess": 3,
        "update": 3,
        "evaluate": 1,
        "write a checkpoint": 1,
    }
    assert all(stage["seconds"] > 0 for stage in stages.values())
