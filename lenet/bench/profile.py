"""Where the time of training goes: stage by stage, over one epoch of a config."""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from lenet.config.schema import Config
from lenet.data.own import complete
from lenet.data.splits import make_splits
from lenet.device import synchronize
from lenet.runs.run import Position, Run
from lenet.tables import Table
from lenet.training.build import build
from lenet.training.experiment import load_data
from lenet.training.fused import choose_kernels, compile_kernels

GATHER, UPDATE, EVALUATE, SAVE = "gather and scale", "update", "evaluate", "write a checkpoint"
CALLED = {
    "augment": "augment",
    "mix": "mix",
    "compose": "compose lines",
    "teach": "ask the teacher",
    "preprocess": "preprocess",
}
"""What `Batches` calls, by the name of the attribute, and the names of these stages."""


@dataclass(frozen=True)
class Stage:
    """A stage of training, and the time of one epoch that goes there."""

    name: str
    seconds: float
    calls: int

    def as_dict(self) -> dict[str, Any]:
        """Return the stage for JSON."""
        return {"name": self.name, "seconds": self.seconds, "calls": self.calls}


class Clock:
    """Adds up the time that passes in stages; a stage within another counts for itself alone."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.calls: dict[str, int] = {}
        self._open: list[str] = []
        self._since = 0.0

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count the time of this block for a stage."""
        self._turn()
        self._open.append(name)
        self.calls[name] = self.calls.get(name, 0) + 1
        try:
            yield
        finally:
            self._turn()
            self._open.pop()

    def counting(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function whose calls are a stage."""

        def counted(*arguments: Any, **options: Any) -> Any:
            with self.stage(name):
                return function(*arguments, **options)

        return counted

    def stages(self) -> list[Stage]:
        """Return the stages so far, in the order in which they began."""
        return [Stage(name, self.seconds[name], calls) for name, calls in self.calls.items()]

    def _turn(self) -> None:
        now = time.perf_counter()
        if self._open:
            name = self._open[-1]
            self.seconds[name] = self.seconds.get(name, 0.0) + now - self._since
        self._since = now


def measure(config: Config, data: Path | None, device: torch.device) -> list[Stage]:
    """Train for one epoch, evaluate, and write a checkpoint, as `train` does, by the clock.

    Args:
        config: What to train; the epoch is its first.
        data: A folder to look for the dataset in first.
        device: Where to train.

    Raises:
        UsageError: The config describes something that cannot be built.
        RunError: The dataset is missing or damaged.
    """
    dataset = load_data(config, data)
    config = complete(config, dataset)
    clock, seed = Clock(), config.seed
    components = build(config, [seed], device)
    splits = make_splits(dataset, config, device, components.distort)
    kernels = choose_kernels(config, device)
    if kernels == "fast":
        compile_kernels(config)
    batches = components.batches(splits.train, [seed], kernels=kernels)
    for attribute, name in CALLED.items():
        if (function := getattr(batches, attribute)) is not None:
            setattr(batches, attribute, clock.counting(name, function))
    learner = components.learner([seed], batches.steps_per_epoch, kernels=kernels)
    learner.begin_epoch(1, lambda n: batches.sample(1, n))
    for step in range(batches.steps_per_epoch):
        with clock.stage(GATHER):
            inputs, targets = batches.batch(1, step)
        with clock.stage(UPDATE):
            learner.learn(inputs, targets)
            synchronize(device)
    with clock.stage(EVALUATE):
        before = components.classifiers[seed]
        classifier = replace(before, model=learner.model(0), kernels=kernels)
        for split in (splits.validation, splits.test):
            if len(split):
                classifier.evaluate(split)
    with tempfile.TemporaryDirectory() as folder:
        run = Run.create("profile", config, Path(folder))
        with clock.stage(SAVE):
            run.save_state(learner.state(0), Position(2, 0))
    return clock.stages()


def table(stages: list[Stage]) -> Table:
    """Return the stages with their share of the whole."""
    whole = sum(stage.seconds for stage in stages)
    rows = [
        [
            stage.name,
            f"{stage.seconds:.3f}",
            f"{100 * stage.seconds / whole:.1f} %",
            f"{1e6 * stage.seconds / stage.calls:,.0f}",
        ]
        for stage in stages
    ]
    return Table(("stage", "seconds", "share", "µs/call"), rows)
