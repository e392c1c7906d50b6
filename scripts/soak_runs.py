#!/usr/bin/env python
"""Train many short runs in one process, and watch its memory and its open files (Linux).

scripts/soak_runs.py --runs 200
"""

import argparse
import gc
import shutil
import sys
import tempfile
import threading
from pathlib import Path

import torch

from lenet.batches import divide
from lenet.config import Config
from lenet.data import load_dataset
from lenet.runs import Run
from lenet.train import train

CPU = torch.device("cpu")
CONFIG = Config.model_validate(
    {
        "data": {"name": "mnist-sample", "train_size": 100, "validation": 20},
        "model": {"kind": "lenet5-modern", "dropout": 0.1},
        "loss": {"kind": "cross-entropy"},
        "optimizer": {"kind": "adamw"},
        "train": {"passes": 2, "batch_size": 20, "ema": 0.9, "checkpoint_steps": 3},
    }
)
ALLOWED_MB = 10.0
"""Growth after the first tenth that counts as none: the allocator's own noise."""


def main() -> int:
    """Train, watch, print; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=200)
    runs = parser.parse_args().runs
    parts = divide(load_dataset("mnist-sample"), CONFIG, CPU)
    readings: list[tuple[float, int, int]] = []
    with tempfile.TemporaryDirectory(prefix="lenet-soak-") as folder:
        for number in range(runs):
            run = Run.create(f"run-{number}", CONFIG, Path(folder))
            train(CONFIG, [run], parts, CPU)
            shutil.rmtree(run.folder)
            readings.append(read_process())
            if number in {0, runs // 10, runs // 2, runs - 1}:
                memory, files, threads = readings[-1]
                print(f"run {number + 1}: {memory:.1f} MB, {files} open files, {threads} threads")
    settled, last = readings[runs // 10], readings[-1]
    growth = last[0] - settled[0]
    steady = growth < ALLOWED_MB and last[1:] == settled[1:]
    verdict = "nothing grows" if steady else "SOMETHING GROWS"
    print(f"{verdict}: {growth:+.1f} MB from run {runs // 10 + 1} to run {runs}")
    return 0 if steady else 1


def read_process() -> tuple[float, int, int]:
    """Return this process's resident memory in MB, its open files, and its Python threads."""
    gc.collect()
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    memory = int(status["VmRSS"].split()[0]) / 1024
    return memory, len(list(Path("/proc/self/fd").iterdir())), threading.active_count()


if __name__ == "__main__":
    sys.exit(main())
