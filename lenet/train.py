"""The main job: train the networks of a config, one per seed, in one loop."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor
from tqdm import tqdm

from lenet.batches import Batches, Parts
from lenet.config import SDLM, Config
from lenet.dashboard import Dashboard
from lenet.device import set_determinism, synchronize
from lenet.errors import RunError
from lenet.learner import Learner, Tally
from lenet.losses import CurvedLoss
from lenet.network import Network, build_network
from lenet.optim import OPTIMIZERS, SCHEDULES, GradientLearner
from lenet.runs import Position, Run
from lenet.sdlm import SDLMLearner
from lenet.sources import SAMPLE

CHECK_EVERY = 100
"""Steps between looks at the losses: each look makes a GPU wait."""

SAMPLE_NOTICE = (
    "TRAINED ON A SAMPLE OF MNIST: errors are out of 1,000 sample images"
    " and comparable with nothing."
)


def train(
    config: Config,
    runs: Sequence[Run],
    parts: Parts,
    device: torch.device,
    *,
    resume: bool = False,
    stop: Callable[[], bool] = lambda: False,
    say: Callable[[str], None] = lambda line: None,
    progress: bool = False,
) -> list[dict[str, Any]] | None:
    """Train one network per run and leave everything in the runs' folders.

    Args:
        config: What to train; the runs' configs differ from it in the seed alone.
        runs: Where to, one per seed; trained together, they become what each becomes alone.
        parts: The images, on the device.
        device: Where to compute.
        resume: Go on from the runs' last checkpoints.
        stop: Asked after each step; True saves a checkpoint and ends the training.
        say: Takes a line after each pass.
        progress: Show a bar on standard error.

    Returns:
        The content of each run's ``result.json``, or None when stopped before the end.

    Raises:
        RunError: A loss is not finite, or the runs cannot be resumed.
    """
    # Everything random derives from (seed, purpose, pass, step).
    set_determinism(config.deterministic, device)
    seeds = [run.seed for run in runs]

    # Data: what is presented at each step.
    networks = [build_network(config, seed) for seed in seeds]
    batches = Batches.of(config, parts.train, seeds, networks[0].present)

    # Model, loss, optimizer, schedule.
    learner = build_learner(config, networks, seeds, batches.steps_per_pass, device)

    # Resume.
    tally = RunningTally(seeds, device)
    position = _load(runs, learner, tally) if resume else Position()
    for run in runs:
        run.rewind(position)
    notice = SAMPLE_NOTICE if parts.dataset == SAMPLE else ""
    dashboards = [Dashboard(r.folder, r.config, position.pass_number, notice) for r in runs]
    saved_at = time.monotonic()

    try:
        # Each pass: learn from its batches …
        for pass_number in range(position.pass_number, config.train.passes + 1):
            first_step = position.step if pass_number == position.pass_number else 0
            if first_step == 0:
                learner.begin_pass(pass_number, partial(batches.sample, pass_number))
            tally.start_clock()
            for step in tqdm(
                range(first_step, batches.steps_per_pass),
                desc=f"pass {pass_number}/{config.train.passes}",
                initial=first_step,
                total=batches.steps_per_pass,
                disable=not progress,
                leave=False,
            ):
                inputs, targets = batches.batch(pass_number, step)
                tally.add(learner.learn(inputs, targets), targets.shape[1])
                if (step + 1) % CHECK_EVERY == 0:
                    tally.check(pass_number, step)
                due = time.monotonic() - saved_at > 60 * config.train.checkpoint_minutes
                if due or stop():
                    tally.check(pass_number, step)
                    tally.stop_clock()
                    _save(runs, learner, tally, Position(pass_number, step + 1))
                    saved_at = time.monotonic()
                    if stop():
                        return None
                    tally.start_clock()
            synchronize(device)
            tally.stop_clock()
            tally.check(pass_number, batches.steps_per_pass - 1)

            # … then evaluate, log and save, once, here.
            last = pass_number == config.train.passes
            counted = last or pass_number % config.evaluate.every == 0
            # What is evaluated may be a copy, or an average, of the weights that learn.
            networks = [replace(n, model=learner.model(m)) for m, n in enumerate(networks)]
            for member, (run, dashboard) in enumerate(zip(runs, dashboards, strict=True)):
                metrics = {"pass": pass_number, "learning_rate": learner.learning_rate}
                metrics |= tally.metrics(member)
                if counted:
                    metrics |= _count_parts(networks[member], parts, config)
                run.append("metrics.jsonl", metrics)
                run.append("timing.jsonl", {"pass": pass_number} | tally.timing())
                dashboard.write(metrics | tally.timing())
                if _keeps(run, config, counted):
                    run.save_weights(networks[member].model.state_dict())
                say(_describe(run, metrics, config.train.passes, tally.seconds))
            tally.reset()
            _save(runs, learner, tally, Position(pass_number + 1, 0))
            saved_at = time.monotonic()

        # Finish: the errors of the weights that were kept.
        return [_finish(run, network, parts) for run, network in zip(runs, networks, strict=True)]
    finally:
        for dashboard in dashboards:
            dashboard.close()


def build_learner(
    config: Config,
    networks: Sequence[Network],
    seeds: Sequence[int],
    steps_per_pass: int,
    device: torch.device,
) -> Learner:
    """Return the rule by which networks, one per seed, learn; they move to the device."""
    optimizer, schedule = config.optimizer, config.schedule
    models = [network.model.to(device) for network in networks]
    if isinstance(optimizer, SDLM):
        loss = cast(CurvedLoss, networks[0].loss)
        size = (config.input.size, config.input.size)
        return SDLMLearner(models, loss, size, **optimizer.options())
    return GradientLearner(
        models,
        seeds,
        loss=networks[0].loss,
        classify=networks[0].classify,
        optimizer=partial(OPTIMIZERS[optimizer.kind], **optimizer.options()),
        schedule=SCHEDULES[schedule.kind](config.train.passes, **schedule.options()),
        steps_per_pass=steps_per_pass,
        ema=config.train.ema,
    )


class RunningTally:
    """Losses and errors of the current pass, kept on the device until somebody asks.

    Args:
        seeds: One per member.
        device: Where the learner computes.
    """

    def __init__(self, seeds: Sequence[int], device: torch.device) -> None:
        self.seeds = list(seeds)
        self.device = device
        self.reset()

    def reset(self) -> None:
        """Begin a new pass."""
        self.loss_sum = torch.zeros(len(self.seeds), dtype=torch.float64, device=self.device)
        self.errors = torch.zeros(len(self.seeds), dtype=torch.int64, device=self.device)
        self.n = 0
        self.seconds = 0.0
        self.unchecked: list[Tensor] = []

    def start_clock(self) -> None:
        """Count the time from here on."""
        self.began = time.perf_counter()

    def stop_clock(self) -> None:
        """Add the time since `start_clock` to the pass's seconds."""
        self.seconds += time.perf_counter() - self.began

    def add(self, tally: Tally, n: int) -> None:
        """Add what was seen of `n` images."""
        self.loss_sum += tally.loss_sum
        self.errors += tally.errors
        self.n += n
        self.unchecked.append(tally.loss_sum)

    def check(self, pass_number: int, step: int) -> None:
        """Look whether all losses up to `step` were finite.

        Raises:
            RunError: One was not; the message says whose and at which step.
        """
        if not self.unchecked:
            return
        finite = torch.stack(self.unchecked).isfinite()
        if not finite.all():
            bad_step, member = (~finite).nonzero()[0].tolist()
            first = step - len(self.unchecked) + 1
            raise RunError(
                f"the loss of seed {self.seeds[member]} is not finite in pass {pass_number},"
                f" step {first + bad_step}: try a smaller optimizer.lr;"
                " the last checkpoint before it is kept"
            )
        self.unchecked.clear()

    def metrics(self, member: int) -> dict[str, Any]:
        """Return the member's errors, error rate and mean loss on the images as they came."""
        errors = int(self.errors[member])
        return {
            "errors/train": errors,
            "error_rate/train": errors / self.n,
            "loss/train": float(self.loss_sum[member]) / self.n,
        }

    def timing(self) -> dict[str, float]:
        """Return what the pass cost; images/s of all members together."""
        return {
            "seconds": round(self.seconds, 3),
            "images_per_second": round(self.n * len(self.seeds) / self.seconds, 1),
        }

    def state(self, member: int) -> dict[str, Tensor]:
        """Return the member's part as tensors."""
        return {
            "tally.loss_sum": self.loss_sum[member].cpu(),
            "tally.errors": self.errors[member].cpu(),
            "tally.n": torch.tensor(self.n),
            "tally.seconds": torch.tensor(self.seconds),
        }

    def load_state(self, member: int, state: dict[str, Tensor]) -> None:
        """Go back to where `state` was taken."""
        self.loss_sum[member] = state["tally.loss_sum"]
        self.errors[member] = state["tally.errors"]
        self.n = int(state["tally.n"])
        self.seconds = float(state["tally.seconds"])


def _save(runs: Sequence[Run], learner: Learner, tally: RunningTally, position: Position) -> None:
    for member, run in enumerate(runs):
        run.save_state(learner.state(member) | tally.state(member), position)


def _load(runs: Sequence[Run], learner: Learner, tally: RunningTally) -> Position:
    """Load all runs' checkpoints; they must have come equally far."""
    positions = set()
    for member, run in enumerate(runs):
        loaded = run.load_state()
        if loaded is None:
            positions.add(Position())
            continue
        state, position = loaded
        learner.load_state(member, state)
        tally.load_state(member, state)
        positions.add(position)
    if len(positions) > 1:
        raise RunError("these runs stopped at different places: resume them one by one")
    return positions.pop()


def _count_parts(network: Network, parts: Parts, config: Config) -> dict[str, int | float]:
    """Count errors on what a config says, as metrics."""
    metrics: dict[str, int | float] = {}
    splits = {"validation": parts.validation, "test": parts.test}
    if config.evaluate.train:
        splits["train-after"] = parts.train
    for name, split in splits.items():
        if len(split):
            result = network.evaluate(split)
            metrics[f"errors/{name}"] = result.errors
            metrics[f"error_rate/{name}"] = result.error_rate
            metrics[f"loss/{name}"] = result.loss
    return metrics


def _keeps(run: Run, config: Config, counted: bool) -> bool:
    """Say whether the weights after the pass just logged are the ones to keep so far."""
    if config.train.keep == "last":
        return True
    history = [m["errors/validation"] for m in run.lines("metrics.jsonl") if "errors/test" in m]
    return counted and history[-1] < min(history[:-1], default=history[-1] + 1)


def _finish(run: Run, network: Network, parts: Parts) -> dict[str, Any]:
    """Count the errors of the kept weights and write ``result.json``."""
    network.model.load_state_dict(run.load_weights())
    history = run.lines("metrics.jsonl")
    kept = history[-1]
    if run.config.train.keep == "best-validation":
        kept = min((m for m in history if "errors/test" in m), key=lambda m: m["errors/validation"])
    result: dict[str, Any] = {
        "seed": run.seed,
        "dataset": parts.dataset,
        "passes": len(history),
        "kept_pass": kept["pass"],
        "kept_by": run.config.train.keep,
        "errors/train": kept["errors/train"],
    }
    for name, split in (("validation", parts.validation), ("test", parts.test)):
        if len(split):
            counted = network.evaluate(split)
            result |= {
                f"errors/{name}": counted.errors,
                f"n/{name}": counted.n,
                f"loss/{name}": counted.loss,
                f"confusion/{name}": counted.confusion.tolist(),
            }
    run.write_json("result.json", result)
    return result


def _describe(run: Run, metrics: dict[str, Any], passes: int, seconds: float) -> str:
    parts = [
        f"{part} {metrics[f'errors/{part}']:,}"
        for part in ("train", "validation", "test")
        if f"errors/{part}" in metrics
    ]
    where = f"seed {run.seed}, pass {metrics['pass']}/{passes}"
    return f"{where}: errors {' · '.join(parts)} ({seconds:.1f} s)"
