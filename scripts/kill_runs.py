#!/usr/bin/env -S sh -c 'exec "$(dirname "$0")/../.venv/bin/python" "$0" "$@"'
"""Kill trainings at random moments, resume them, and compare them with straight ones.

Half of the kills wait for a file that is just being written. Needs a system with fork and SIGKILL.

    scripts/kill_runs.py --kills 60
"""

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

import torch

from lenet.config.schema import Config
from lenet.data.datasets import load_dataset
from lenet.data.splits import Splits, make_splits
from lenet.errors import RunError, count
from lenet.runs.run import Position, Run
from lenet.studies.verify_resume import compare
from lenet.training.train import train

CPU = torch.device("cpu")
ALL = {
    "data": {"name": "mnist-sample", "train_size": 200, "validation": 100},
    "augment": [{"RandomAffine": {"degrees": 10.0}}, {"ElasticTransform": {"alpha": 20.0}}],
    "train": {"epochs": 3, "batch_size": 10, "checkpoint_steps": 1},
}
MODERN = {
    "model": {"kind": "lenet5-modern", "dropout": 0.2, "batch_norm": True},
    "loss": {"kind": "cross-entropy"},
    "mix": [{"MixUp": {}}],
    "train": ALL["train"] | {"ema": 0.95, "keep": "best-validation"},
}
CONFIGS = {
    "SGD, one-cycle": MODERN | {"optimizer": {"kind": "sgd"}, "schedule": {"kind": "one-cycle"}},
    "AdamW, cosine": MODERN
    | {"optimizer": {"kind": "adamw"}, "schedule": {"kind": "cosine", "warmup": 1.0}},
    "the 1998 rule": {
        "model": {"kind": "lenet5"},
        "loss": {"kind": "map"},
        "optimizer": {"kind": "sdlm", "curvature_images": 50},
    },
}


def main() -> int:
    """Kill, resume, compare; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--seed", type=int, default=None, help="of the moments of the kills")
    options = parser.parse_args()
    draw = random.Random(options.seed)
    torch.set_num_threads(1)  # threads do not survive a fork
    faults: list[str] = []
    kills = halfway = runs = lost = 0
    with tempfile.TemporaryDirectory(prefix="lenet-kills-") as folder:
        configs = {name: Config.model_validate(ALL | config) for name, config in CONFIGS.items()}
        straight = {}
        splits = make_splits(load_dataset("mnist-sample"), next(iter(configs.values())), CPU)
        splits = Splits(splits.dataset, splits.train, splits.validation, splits.validation)
        for number, (name, config) in enumerate(configs.items()):
            share = options.kills * (number + 1) // len(configs)
            if kills == share:
                continue
            straight[name] = Run.create(f"straight-{number}", config, Path(folder))
            began = time.monotonic()
            # Here, so that PyTorch imports what it needs once for all children.
            train(config, [straight[name]], splits, CPU)
            seconds = time.monotonic() - began
            while kills < share:
                run = Run.create(f"killed-{runs}", config, Path(folder))
                runs += 1
                while not run.finished:
                    before = newest(run, faults)
                    process = start(run, splits)
                    if kills >= share:
                        os.waitpid(process, 0)
                        continue
                    wait(run, process, draw.uniform(0, seconds / 4), at_write=draw.random() < 0.5)
                    os.kill(process, signal.SIGKILL)
                    _, status = os.waitpid(process, 0)
                    if os.WIFSIGNALED(status):
                        kills += 1
                        halfway += any(run.folder.glob(".*.tmp"))
                        lost += newest(run, faults) < before
                faults += [f"{name}: {what}" for what in compare(straight[name].folder, run.folder)]
    print(f"{count(kills, 'kill')} in {count(runs, 'run')} ({', '.join(straight)}),", end=" ")
    print("a checkpoint after every step")
    print(f"{count(halfway, 'kill')} while a file was half written; {lost} lost a checkpoint")
    print("\n".join(faults) or "weights, metrics, results and curves are those of straight runs")
    return 1 if faults or lost else 0


def start(run: Run, splits: Splits) -> int:
    """Train in a process of its own; return its id."""
    process = os.fork()
    if process:
        return process
    try:
        train(run.config, [run], splits, CPU)
    finally:
        os._exit(0 if run.finished else 1)


def wait(run: Run, process: int, seconds: float, *, at_write: bool) -> None:
    """Wait for some seconds, and on request until a file is half written, or the end."""
    time.sleep(seconds)
    until = time.monotonic() + 5
    while at_write and time.monotonic() < until and not run.finished:
        if any(run.folder.glob(".*.tmp")):
            return


def newest(run: Run, faults: list[str]) -> Position:
    """Return how far a run's checkpoints have come; note the damaged ones."""
    try:
        return max(run.load_states(faults.append), default=Position())
    except RunError as error:
        faults.append(str(error))
        return Position()


if __name__ == "__main__":
    sys.exit(main())
