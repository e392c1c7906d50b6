"""Speed of the rule of 1998: one update per image, ours and by autograd."""

import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import torch

from lenet.bench.measurement import Row, rate_table, take_turns
from lenet.config.load import load_config
from lenet.evaluation.classifier import build_classifier
from lenet.tables import Table
from lenet.training.build import build_learner

CONFIG = "paper/lenet5"
UPDATES = 600
"""One-image updates of each network in one measurement."""
SEEDS = 5

AUTOGRAD = "autograd, one network"
ONE, TOGETHER, BESIDE = (
    "lenet train, one network",
    f"lenet train, {SEEDS} seeds at once",
    f"the same in two processes, {2 * SEEDS} seeds",
)


def measure(rounds: int, updates: int = UPDATES) -> list[Row]:
    """Return one-image updates/s of LeNet-5 of 1998 on a CPU, a thread per process.

    The images are noise, as their content does not change the time. Autograd does a bare step with
    one rate for all weights, which is less work than the rule.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with ProcessPoolExecutor(2, get_context("spawn")) as pool:

            def beside() -> float:
                halves = [pool.submit(learn, SEEDS, updates) for _ in range(2)]
                return sum(half.result() for half in halves)

            work = {
                AUTOGRAD: lambda: descend(updates),
                ONE: lambda: learn(1, updates),
                TOGETHER: lambda: learn(SEEDS, updates),
                BESIDE: beside,
            }
            return take_turns(work, rounds)
    finally:
        torch.set_num_threads(threads)


def table(rows: list[Row]) -> Table:
    """Return the measurements as a table; ratios are to autograd's."""
    return rate_table(rows, AUTOGRAD, "updates/s")


def learn(seeds: int, updates: int) -> float:
    """Return updates/s, all seeds' together, of the rule; its curvature is estimated before."""
    torch.set_num_threads(1)
    config = load_config(CONFIG, ["optimizer.curvature_images=20"]).config
    classifiers = [build_classifier(config, seed) for seed in range(seeds)]
    learner = build_learner(config, classifiers, range(seeds), 1, torch.device("cpu"))
    images, labels = _noise(seeds, updates)
    learner.begin_epoch(1, lambda n: (images[:, :n], labels[:, :n]))
    began = time.perf_counter()
    learner.learn(images, labels)
    return seeds * updates / (time.perf_counter() - began)


def descend(updates: int) -> float:
    """Return updates/s of one network by autograd, without oneDNN, which slows single images."""
    classifier = build_classifier(load_config(CONFIG).config)
    weights = [weight for weight in classifier.model.parameters() if weight.requires_grad]
    images, labels = _noise(1, updates)
    began = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about Intel's GPUs
        with torch.backends.mkldnn.flags(enabled=False):
            for number in range(updates):
                chosen = slice(number, number + 1)
                loss = classifier.loss(classifier.model(images[0, chosen]), labels[0, chosen])
                gradients = torch.autograd.grad(loss.sum(), weights)
                with torch.no_grad():
                    for weight, gradient in zip(weights, gradients, strict=True):
                        weight.sub_(gradient, alpha=1e-4)
    return updates / (time.perf_counter() - began)


def _noise(seeds: int, n: int) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(0)
    images = torch.rand(seeds, n, 1, 32, 32, generator=draw) * 1.275 - 0.1
    return images, torch.randint(10, (seeds, n), generator=draw)
