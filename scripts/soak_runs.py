#!/usr/bin/env -S sh -c 'exec "$(dirname "$0")/../.venv/bin/python" "$0" "$@"'
"""Train many short runs in one process, and watch its memory and its open files (Linux with glibc).

scripts/soak_runs.py --runs 200
"""

import argparse
import ctypes
import gc
import shutil
import sys
import tempfile
import threading
from pathlib import Path

import torch

from lenet.config.schema import Config
from lenet.data.datasets import load_dataset
from lenet.data.splits import make_splits
from lenet.figures.tensorboard import illustrate, lacks_pictures
from lenet.runs.run import Run
from lenet.training.train import train

CPU = torch.device("cpu")
CONFIG = Config.model_validate(
    {
        "data": {"name": "mnist-sample", "train_size": 100, "validation": 20},
        "model": {"kind": "lenet5-modern", "dropout": 0.1},
        "loss": {"kind": "cross-entropy"},
        "optimizer": {"kind": "adamw"},
        "train": {"epochs": 2, "batch_size": 20, "ema": 0.9, "checkpoint_steps": 3},
    }
)
WITHOUT_PICTURES = CONFIG.model_copy(
    update={"evaluate": CONFIG.evaluate.model_copy(update={"pictures": False})}
)
PICTURES_EVERY = 10
"""Runs from one that draws its figures at the end to the next; that takes ten times as long."""
ALLOWED_MB = 10.0
"""Growth that counts as none: the allocator's own noise."""


def main() -> int:
    """Train, watch, print; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=200)
    runs = parser.parse_args().runs
    tenth = max(runs // 10, 1)
    splits = make_splits(load_dataset("mnist-sample"), CONFIG, CPU)
    readings: list[tuple[float, int, int]] = []
    with tempfile.TemporaryDirectory(prefix="lenet-soak-") as folder:
        for number in range(runs):
            config = WITHOUT_PICTURES if number % PICTURES_EVERY else CONFIG
            run = Run.create(f"run-{number}", config, Path(folder))
            train(config, [run], splits, CPU)
            if lacks_pictures(run):
                illustrate(run)
            shutil.rmtree(run.folder)
            readings.append(read_process())
            memory, files, threads = readings[-1]
            line = f"run {number + 1}: {memory:.1f} MB, {files} open files, {threads} threads"
            print(line, flush=True)
    # Single readings jump by what the allocator happens to keep; the least of many is what is held.
    settled, last = readings[tenth : 2 * tenth], readings[-tenth:]
    growth = min(last)[0] - min(settled)[0]
    steady = growth < ALLOWED_MB and max(r[1:] for r in last) == max(r[1:] for r in settled)
    verdict = "nothing grows" if steady else "SOMETHING GROWS"
    spread = f"{min(readings)[0]:.0f} to {max(readings)[0]:.0f} MB"
    print(f"{verdict}: {runs} runs, {spread}; the least of the last {tenth} is {growth:+.1f} MB")
    print(f"above that of runs {tenth + 1} to {2 * tenth}; open files and threads: {last[-1][1:]}")
    return 0 if steady else 1


def read_process() -> tuple[float, int, int]:
    """Return this process's resident memory in MB, its open files, and its Python threads."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)  # glibc: give back what nobody holds
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    memory = int(status["VmRSS"].split()[0]) / 1024
    return memory, len(list(Path("/proc/self/fd").iterdir())), threading.active_count()


if __name__ == "__main__":
    sys.exit(main())
