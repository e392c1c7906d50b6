"""Speed by batch size, processes and seeds: what is counted, by a clock that is set by hand."""

import json
import os
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from typer.testing import CliRunner

from lenet.bench import scale
from lenet.cli import app
from lenet.data.datasets import Dataset
from lenet.training.gradient import GradientLearner
from lenet.training.parallel_seeds import StackedLearner


@pytest.fixture
def small(mnist: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """A training of 64 images."""
    monkeypatch.setattr(scale, "IMAGES", 64)
    monkeypatch.setattr(scale, "SIZES", ("data.train_size=64", "data.validation=10"))
    monkeypatch.setattr(scale, "TRIAL_EPOCHS", 1)


def clock(*seconds: float) -> SimpleNamespace:
    ticks: Iterator[float] = iter(seconds)
    return SimpleNamespace(perf_counter=lambda: next(ticks))


def test_a_rate_counts_the_images_of_all_seeds_and_leaves_the_first_step_out(
    small: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scale, "STEPS", 2)
    monkeypatch.setattr(scale, "ENOUGH", 24)  # three batches of eight
    for rule in (GradientLearner, StackedLearner):
        monkeypatch.setattr(scale, "time", clock(10.0, 12.0))
        rate = scale._learn(range(2), rule, 1, None, "train.batch_size=8")
        assert rate == 3 * 8 * 2 / 2.0
    monkeypatch.setattr(scale, "time", clock(10.0, 14.0))
    assert scale._learn(range(1), GradientLearner, 1, None, "train.batch_size=32") == 2 * 32 / 4


def test_a_trial_of_a_sweep_counts_the_same_images_as_plain_training(
    small: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("optuna")
    for work in scale._sweep_and_train(None).values():
        monkeypatch.setattr(scale, "time", clock(0.0, 4.0))
        assert work() == 64 / 4


def test_a_process_of_a_divided_training_leaves_a_timed_run(
    small: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "environ", os.environ.copy())
    threads = torch.get_num_threads()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    scale._take_part(0, 1, port, str(tmp_path), None)
    torch.set_num_threads(threads)
    run = tmp_path / "0" / "divided" / "0"
    timing = [json.loads(line) for line in (run / "timing.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in timing] == [1, 2]
    assert timing[-1]["images_per_second"] > 0


def test_each_question_is_a_table_against_its_first_row(
    mnist: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    learned: list[tuple[int, ...]] = []

    def learn(seeds: range, rule: type, threads: int, data: None, *changes: str) -> float:
        learned.append(tuple(seeds))
        return 100.0 * len(seeds)

    monkeypatch.setattr(scale, "ProcessPoolExecutor", lambda n, context: ThreadPoolExecutor(n))
    monkeypatch.setattr(scale, "_learn", learn)
    monkeypatch.setattr(scale, "_divide", lambda processes, data: 50.0 * processes)
    monkeypatch.setattr(
        scale, "_sweep_and_train", lambda data: {scale.TRAIN: lambda: 8.0, scale.SWEEP: lambda: 6.0}
    )
    arguments = ["bench", "scale", "--rounds"]
    shown = CliRunner().invoke(app, [*arguments, "1", "--markdown"]).stdout
    batch, width, processes, seeds, sweep = shown.strip().split("\n\n")
    assert "| batch 2,048 | 100 | 1.00 |" in batch
    assert "| 784-3000-10 instead of LeNet-5 | 100 | 1.00 |" in width
    assert f"| {scale.TWO} | 100 | 2.00 |" in processes
    assert f"| {scale.BESIDE} | 1,000 | 1.00 |" in seeds
    assert f"| {scale.SWEEP} | 6 | 0.75 |" in sweep
    assert (0, 1, 2, 3, 4) in learned and (5, 6, 7, 8, 9) in learned  # two processes' halves
    some = CliRunner().invoke(app, [*arguments, "1", "--markdown", "seeds", "sweep"])
    assert some.stdout == f"{seeds}\n\n{sweep}\n"
    assert "seeds, 1 of 2: a warm-up and 1 round" in some.stderr
    assert "sweep: round 1 of 1, about 0 s left" in some.stderr
    wrong = CliRunner().invoke(app, [*arguments, "1", "seed"])
    assert "no measurement 'seed'; did you mean 'seeds'?" in wrong.stderr
    listed = json.loads(CliRunner().invoke(app, [*arguments, "2", "--json"]).stdout)
    assert listed["sweep"][1] == {"name": scale.SWEEP, "median": 6.0, "rounds": [6.0, 6.0]}


def test_an_interrupted_measurement_says_how_to_measure_the_rest(
    mnist: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(processes: int, data: None) -> float:
        raise KeyboardInterrupt

    monkeypatch.setattr(scale, "_learn", lambda *arguments: 1.0)
    monkeypatch.setattr(scale, "_divide", interrupt)
    result = CliRunner().invoke(app, ["bench", "scale", "--rounds", "1", "width", "processes"])
    assert result.exit_code == 130 and "784-3000-10" in result.stdout
    assert "measure the rest:  lenet bench scale processes --rounds 1\n" in result.stderr
