"""Check that interrupted training ends with the same bits as uninterrupted training."""

import hashlib
import logging
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from lenet.config.load import dump_config
from lenet.config.schema import Config
from lenet.errors import RunError
from lenet.training.experiment import run_experiment
from lenet.training.tensorboard import NOT_REPEATED

FILES = ("weights.safetensors", "metrics.jsonl", "result.json")
"""Files that must be identical; of TensorBoard's events, the curves are compared."""

CHECKPOINT_STEPS = 10
"""Steps between checkpoints: few, so that many interruptions hit the saving."""


@dataclass(frozen=True)
class Verdict:
    """How interrupted runs differ from an uninterrupted one."""

    weights: str
    """SHA-256 sum of the uninterrupted run's weights."""
    stopped: int
    """How often a run was stopped and resumed."""
    killed: int
    """How often a run was killed and resumed."""
    differences: list[str]
    """What differed, such as ``killed: metrics.jsonl``."""

    @property
    def same(self) -> bool:
        """Whether nothing differed."""
        return not self.differences

    def as_dict(self) -> dict[str, Any]:
        """Return the verdict for JSON."""
        return self.__dict__ | {"same": self.same}

    def describe(self) -> str:
        """Return the verdict as text."""
        lines = [
            f"uninterrupted run: weights have sha256 {self.weights}",
            f"stopped and resumed {self.stopped} times, killed and resumed {self.killed} times:",
        ]
        if self.same:
            lines.append("weights, metrics, result and TensorBoard curves are identical")
        return "\n".join([*lines, *(f"DIFFERENT: {name}" for name in self.differences)])


def verify_resume(
    config: Config,
    interruptions: int = 3,
    device: str = "auto",
    data: Path | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> Verdict:
    """Train a config uninterrupted, stopped and resumed, and killed and resumed; compare.

    Args:
        config: What to train.
        interruptions: How often to interrupt each of the two other runs, at random moments.
        device: Where to compute.
        data: A folder to look for the dataset in first.
        say: Takes messages.

    Raises:
        UsageError: The config or the device is impossible.
        RunError: The data are missing, or a training failed.
    """
    train = config.train.model_copy(update={"checkpoint_steps": CHECKPOINT_STEPS})
    config = config.model_copy(update={"train": train})
    with tempfile.TemporaryDirectory(prefix="lenet-verify-") as folder:
        root = Path(folder)

        def run(name: str, stop: Callable[[], bool]) -> bool:
            experiment = run_experiment(
                config, name, device=device, data=data, root=root, resume=True, stop=stop
            )
            return not experiment.unfinished

        say("training without interruption")
        straight = _Countdown(sys.maxsize)
        began = time.monotonic()
        run("straight", straight)
        seconds = time.monotonic() - began

        say(f"training, stopped {interruptions} times")
        stopped = 0
        while not run("stopped", _Countdown(_draw_moment(straight.calls, interruptions, stopped))):
            stopped += 1

        say(f"training, killed {interruptions} times")
        killed = _train_and_kill(config, root, interruptions, seconds, device, data)

        runs = {n: root / n / str(config.seed) for n in ("straight", "stopped", "killed")}
        return Verdict(
            hashlib.sha256((runs["straight"] / "weights.safetensors").read_bytes()).hexdigest(),
            stopped,
            killed,
            [
                f"{name}: {what}"
                for name in ("stopped", "killed")
                for what in compare(runs["straight"], runs[name])
            ],
        )


def compare(one: Path, other: Path) -> list[str]:
    """Return what differs between two run folders, other than times."""
    different = compare_files(one, other)
    if read_curves(one) != read_curves(other):
        different.append("TensorBoard curves")
    return different


def compare_files(one: Path, other: Path) -> list[str]:
    """Return which of `FILES` differ between two run folders."""
    return [file for file in FILES if (one / file).read_bytes() != (other / file).read_bytes()]


def read_curves(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Return the (step, value) points that TensorBoard shows of each of a run's scalars."""
    logging.getLogger("tensorboard").setLevel(
        logging.ERROR
    )  # else it warns of every event that it hides
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    events.Reload()
    return {
        tag: [(point.step, point.value) for point in events.Scalars(tag)]
        for tag in events.Tags()["scalars"]
        if tag not in NOT_REPEATED
    }


class _Countdown:
    """Says stop from its n-th call on."""

    def __init__(self, n: int) -> None:
        self.n = n
        self.calls = 0

    def __call__(self) -> bool:
        self.calls += 1
        return self.calls >= self.n


def _draw_moment(steps: int, interruptions: int, so_far: int) -> int:
    """Draw the number of steps until the next stop; after the last stop, no limit."""
    if so_far == interruptions:
        return sys.maxsize
    return random.randint(1, max(steps // interruptions, 1))


def _train_and_kill(
    config: Config, root: Path, kills: int, seconds: float, device: str, data: Path | None
) -> int:
    """Train in processes that are killed; return how many were before they had finished.

    Raises:
        RunError: A process failed.
    """
    file = root / "config.yaml"
    file.write_text(dump_config(config), encoding="utf-8")
    command = [sys.executable, "-m", "lenet", "train", str(file), "--resume", "--name", "killed"]
    command += ["--runs", str(root), "--device", device, *(["--data", str(data)] if data else [])]
    folder = root / "killed" / str(config.seed)
    killed = 0
    for _ in range(kills):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while process.poll() is None and _holder(folder) != str(process.pid):
            time.sleep(0.01)
        time.sleep(random.uniform(0, seconds / kills))
        process.kill()
        killed += process.wait() != 0
    last = subprocess.run(command, capture_output=True, text=True, check=False)
    if last.returncode:
        raise RunError(f"a killed training could not be resumed:\n{last.stderr}")
    return killed


def _holder(folder: Path) -> str:
    """Return the id of the process that trains in a folder, as its lock says."""
    try:
        return (folder / "lock").read_text(encoding="ascii").strip()
    except OSError:
        return ""
