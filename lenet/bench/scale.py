"""Training speed by batch size, width, processes, seeds at once, and within a sweep."""

import os
import socket
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import torch
from torch.multiprocessing.spawn import spawn

from lenet.bench.measurement import Row, rate_table, take_turns
from lenet.bench.train import PLAIN, plain_config
from lenet.data.datasets import load_dataset
from lenet.data.splits import make_splits
from lenet.device import synchronize
from lenet.errors import count
from lenet.runs.run import Run
from lenet.tables import Table
from lenet.training.build import build, gradient_learner
from lenet.training.distributed import join
from lenet.training.gradient import GradientLearner
from lenet.training.parallel_seeds import StackedLearner, ThreadedLearner
from lenet.training.train import train

IMAGES = 12_288
SIZES = (f"data.train_size={IMAGES}", "data.validation=1000")
SEEDS = 10
STEPS = 6
"""Minimum number of batches per seed in one measurement."""
ENOUGH = 4096
"""Minimum number of images per seed in one measurement."""
BATCHES = (8, 32, 128, 512, 2048)
WIDTHS = (100, 300, 1000, 3000)
"""Hidden units of perceptrons with one hidden layer, as LeNet-5 has only one width."""
TRIAL_EPOCHS = 4

ONE, TWO = "1 process, 1 thread, batch 1,024", "2 processes, 1 thread each, batch 1,024"
IN_TURN, BESIDE, THREADED, STACKED = (
    f"{SEEDS} seeds one after another",
    f"{SEEDS} seeds, two processes",
    f"{SEEDS} seeds at once, a core each",
    f"{SEEDS} seeds at once, one batched network",
)
TRAIN, SWEEP = "lenet train", "one trial of lenet sweep"


QUESTIONS = ("batch", "width", "processes", "seeds", "sweep")
"""What is measured, in this order."""


def measure(
    data: Path | None,
    rounds: int,
    names: Sequence[str] = QUESTIONS,
    say: Callable[[str], None] = lambda line: None,
) -> Iterator[tuple[str, list[Row]]]:
    """Yield images/s of LeNet-5's shape without augmentation, by question, as they are measured.

    Args:
        data: A folder to look for MNIST in first.
        rounds: Measurements of each.
        names: Some of `QUESTIONS`.
        say: Takes messages about the progress.

    Raises:
        RunError: MNIST cannot be found or downloaded.
    """
    threads = torch.get_num_threads()
    load_dataset("mnist", data)  # before anything is measured
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:

        def beside() -> float:
            halves = [
                pool.submit(_learn, range(start, start + SEEDS // 2), GradientLearner, 1, data)
                for start in (0, SEEDS // 2)
            ]
            return sum(half.result() for half in halves)

        def alone(*changes: str) -> Callable[[], float]:
            return lambda: _learn(range(1), GradientLearner, threads, data, *changes)

        def work(name: str) -> dict[str, Callable[[], float]]:
            match name:
                case "batch":
                    return {f"batch {n:,}": alone(f"train.batch_size={n}") for n in BATCHES}
                case "width":
                    return {
                        f"784-{n}-10 instead of LeNet-5": alone(
                            f"model={{kind: mlp, hidden: [{n}]}}"
                        )
                        for n in WIDTHS
                    }
                case "processes":
                    return {ONE: lambda: _divide(1, data), TWO: lambda: _divide(2, data)}
                case "seeds":
                    return {
                        IN_TURN: lambda: _learn(range(SEEDS), GradientLearner, threads, data),
                        BESIDE: beside,
                        THREADED: lambda: _learn(range(SEEDS), ThreadedLearner, threads, data),
                        STACKED: lambda: _learn(range(SEEDS), StackedLearner, threads, data),
                    }
            return _sweep_and_train(data)

        def tell(name: str, line: str) -> None:
            say(f"{name}: {line}")

        for number, name in enumerate(names, start=1):
            say(f"{name}, {number} of {len(names)}: a warm-up and {count(rounds, 'round')} …")
            yield name, take_turns(work(name), rounds, partial(tell, name))


def table(rows: list[Row]) -> Table:
    """Return a question's measurements as a table; ratios are to its first row."""
    return rate_table(rows, rows[0].name)


def _divide(processes: int, data: Path | None) -> float:
    """Return images/s of a training that is divided among processes of one thread each."""
    with socket.socket() as free, tempfile.TemporaryDirectory() as folder:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        spawn(  # type: ignore[no-untyped-call]
            _take_part, (processes, port, folder, data), nprocs=processes
        )
        run = Run.open(Path(folder) / "0" / "divided" / "0")
        return float(run.lines("timing.jsonl")[-1]["images_per_second"])


def _take_part(rank: int, processes: int, port: int, folder: str, data: Path | None) -> None:
    """Train as one of several processes, with the environment that torchrun would set."""
    os.environ |= {
        "TORCHELASTIC_RUN_ID": "bench",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(processes),
    }
    torch.set_num_threads(1)
    config = plain_config(*SIZES, "train.batch_size=1024", "train.epochs=2", "evaluate.every=2")
    with join(torch.device("cpu")) as world:
        splits = make_splits(load_dataset("mnist", data), config, world.device)
        run = Run.create("divided", config, Path(folder) / str(rank))
        train(config, [run], splits, world.device, world=world)
        if rank:
            world.receive(Path(folder))  # the message that all is done


def _learn(
    seeds: range,
    rule: type[GradientLearner],
    threads: int,
    data: Path | None,
    *changes: str,
) -> float:
    """Return images/s, all seeds' together, of learning without evaluation."""
    torch.set_num_threads(threads)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    config = plain_config(*SIZES, *changes)
    splits = make_splits(load_dataset("mnist", data), config, device)
    components = build(config, seeds, device)
    batches = components.batches(splits.train, seeds)
    classifiers = list(components.classifiers.values())
    learner = gradient_learner(rule, config, classifiers, seeds, batches.steps_per_epoch, device)
    learner.learn(*batches.batch(1, 0))
    synchronize(device)
    steps = max(STEPS, ENOUGH // config.train.batch_size)
    began = time.perf_counter()
    for step in range(1, 1 + steps):
        learner.learn(
            *batches.batch(1 + step // batches.steps_per_epoch, step % batches.steps_per_epoch)
        )
    synchronize(device)
    return steps * config.train.batch_size * len(seeds) / (time.perf_counter() - began)


def _sweep_and_train(data: Path | None) -> dict[str, Callable[[], float]]:
    """Return the same training, once plain and once as a sweep's trial, data loading included."""
    from lenet.studies.search_space import Choices
    from lenet.studies.sweep import Sweep, work

    longer = (*SIZES, f"train.epochs={TRIAL_EPOCHS}", "evaluate.pictures=false")
    config = plain_config(*longer)

    def plain() -> float:
        with tempfile.TemporaryDirectory() as folder:
            began = time.perf_counter()
            loaded = make_splits(load_dataset("mnist", data), config, torch.device("cpu"))
            train(config, [Run.create("plain", config, Path(folder))], loaded, torch.device("cpu"))
            return TRIAL_EPOCHS * IMAGES / (time.perf_counter() - began)

    def trial() -> float:
        space = {"train.batch_size": Choices(choices=[config.train.batch_size])}
        with tempfile.TemporaryDirectory() as folder:
            began = time.perf_counter()
            sweep = Sweep("modern/plain", [*PLAIN, *longer], dict(space), "bench", Path(folder))
            work(sweep, 1, device="cpu", data=data)
            return TRIAL_EPOCHS * IMAGES / (time.perf_counter() - began)

    return {TRAIN: plain, SWEEP: trial}
