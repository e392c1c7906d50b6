"""The main job: train the networks of a config, one per seed, in one loop."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, cast

import torch
from tqdm import tqdm

from lenet.config.schema import SDLM, Config
from lenet.data.batches import ALL, Batches
from lenet.data.sources import SAMPLE
from lenet.data.splits import Splits
from lenet.device import naming_memory, set_determinism, synchronize
from lenet.errors import RunError
from lenet.evaluation.classifier import Classifier, build_classifier
from lenet.losses import CurvedLoss
from lenet.runs.files import check_layout
from lenet.runs.run import Position, Run
from lenet.training.boosting import load_earlier
from lenet.training.data_parallel import DataParallelLearner
from lenet.training.distributed import World
from lenet.training.gradient import GradientLearner
from lenet.training.grouped import GroupedLearner
from lenet.training.learner import EpochMetrics, Learner
from lenet.training.optimizers import OPTIMIZERS
from lenet.training.schedules import SCHEDULES
from lenet.training.sdlm import SDLMLearner, seeds_at_once
from lenet.training.stacked import StackedLearner, can_stack, pays_off
from lenet.training.tensorboard import Dashboard
from lenet.training.threaded import ThreadedLearner

CHECK_EVERY = 100
"""Steps between looks at the losses: each look makes a GPU wait."""

SAMPLE_NOTICE = (
    "TRAINED ON A SAMPLE OF MNIST: errors are out of 1,000 sample images"
    " and comparable with nothing."
)


def train(
    config: Config,
    runs: Sequence[Run],
    splits: Splits,
    device: torch.device,
    *,
    stop: Callable[[], bool] = lambda: False,
    say: Callable[[str], None] = lambda line: None,
    progress: bool = False,
    world: World | None = None,
) -> list[dict[str, Any]] | None:
    """Train one network per run, and leave everything in the runs' folders.

    Runs that have checkpoints go on from them.

    Args:
        config: What to train; the runs' configs differ from it in the seed alone.
        runs: Where to, one per seed; trained together, they become what each becomes alone.
        splits: The images, on the device.
        device: Where to compute.
        stop: Asked after each step; True saves a checkpoint and ends the training.
        say: Takes a line after each epoch.
        progress: Show a bar on standard error.
        world: The processes among which each batch is divided; None: this one alone.

    Returns:
        The content of each run's ``result.json``, or None when stopped before the end.

    Raises:
        RunError: A loss is not finite, the GPU's memory ran out, a file cannot be written, or the
            runs cannot be resumed. The checkpoints are whole.
    """
    # Everything random derives from (seed, purpose, epoch, step).
    set_determinism(config.deterministic, device)
    seeds = [run.seed for run in runs]

    # Data: what is presented at each step.
    classifiers = [build_classifier(config, seed) for seed in seeds]
    share = world.share if world else ALL
    batches = Batches.of(config, splits.train, seeds, classifiers[0].preprocess, share)

    # Model, loss, optimizer, schedule.
    learner = build_learner(config, classifiers, seeds, batches.steps_per_epoch, device, world)

    # Resume.
    tally = EpochMetrics(seeds, device)
    position = _load(runs, learner, tally, say)
    for run in runs:
        run.rewind(position)
    notice = SAMPLE_NOTICE if splits.dataset == SAMPLE else ""
    dashboards = [Dashboard(run, position.epoch, notice) for run in runs]
    saved_at = time.monotonic()

    try:
        # Each epoch: learn from its batches …
        for epoch in range(position.epoch, config.train.epochs + 1):
            first_step = position.step if epoch == position.epoch else 0
            if first_step == 0:
                learner.begin_epoch(epoch, partial(batches.sample, epoch))
            tally.start_clock()
            for step in tqdm(
                range(first_step, batches.steps_per_epoch),
                desc=f"epoch {epoch}/{config.train.epochs}",
                initial=first_step,
                total=batches.steps_per_epoch,
                disable=not progress,
                leave=False,
            ):
                with naming_memory("train.batch_size", config.train.batch_size):
                    inputs, targets = batches.batch(epoch, step)
                    tally.add(learner.learn(inputs, targets), batches.size(step))
                if (step + 1) % CHECK_EVERY == 0:
                    tally.check(epoch, step)
                stopping = stop()
                if stopping or _is_due(config, step + 1, saved_at):
                    tally.check(epoch, step)
                    tally.stop_clock()
                    _save(runs, learner, tally, Position(epoch, step + 1))
                    saved_at = time.monotonic()
                    if stopping:
                        return None
                    tally.start_clock()
            synchronize(device)
            tally.stop_clock()
            tally.check(epoch, batches.steps_per_epoch - 1)

            # … then evaluate, log and save, once, here.
            last = epoch == config.train.epochs
            counted = last or epoch % config.evaluate.every == 0
            # What is evaluated may be a copy, or an average, of the weights that learn.
            classifiers = [replace(n, model=learner.model(m)) for m, n in enumerate(classifiers)]
            for index, (run, dashboard) in enumerate(zip(runs, dashboards, strict=True)):
                metrics = {"epoch": epoch, "learning_rate": learner.learning_rate}
                metrics |= tally.metrics(index)
                if counted:
                    metrics |= _count_splits(classifiers[index], splits, config)
                run.append("metrics.jsonl", metrics)
                run.append("timing.jsonl", {"epoch": epoch} | tally.timing())
                dashboard.write(metrics | tally.timing())
                dashboard.show_kernels(classifiers[index].model, epoch)
                if _keeps(run, config, counted):
                    run.save_weights(classifiers[index].model.state_dict())
                say(_describe(run, metrics, config.train.epochs, tally.seconds))
            tally.reset()
            _save(runs, learner, tally, Position(epoch + 1, 0))
            saved_at = time.monotonic()

        # Finish: the errors of the weights that were kept.
        return [
            _finish(run, classifier, splits, dashboard)
            for run, classifier, dashboard in zip(runs, classifiers, dashboards, strict=True)
        ]
    finally:
        for dashboard in dashboards:
            dashboard.close()


def build_learner(
    config: Config,
    classifiers: Sequence[Classifier],
    seeds: Sequence[int],
    steps_per_epoch: int,
    device: torch.device,
    world: World | None = None,
) -> Learner:
    """Return the rule by which networks, one per seed, learn; they move to the device."""
    if isinstance(config.optimizer, SDLM):
        models = [classifier.model.to(device) for classifier in classifiers]
        loss = cast(CurvedLoss, classifiers[0].loss)
        size = (config.input.size, config.input.size)
        at_once = seeds_at_once(models[0], device)
        groups = [models[i : i + at_once] for i in range(0, len(models), at_once)]
        learners = [SDLMLearner(g, loss, size, **config.optimizer.options()) for g in groups]
        return GroupedLearner(learners, [len(g) for g in groups]) if learners[1:] else learners[0]
    rule: Callable[..., GradientLearner] = GradientLearner
    if world and world.size > 1:
        rule = partial(DataParallelLearner, world)
    elif len(classifiers) > 1 and can_stack(classifiers[0].model):
        rule = ThreadedLearner if device.type == "cpu" else StackedLearner
    return gradient_learner(rule, config, classifiers, seeds, steps_per_epoch, device)


def is_faster_together(config: Config, runs: Sequence[Run], splits: Splits) -> bool:
    """Say whether the seeds take less time at once than one after another; the clock decides."""
    if len(runs) == 1 or isinstance(config.optimizer, SDLM):
        return len(runs) > 1  # the 1998 rule knows how many to step at once
    seeds = [run.seed for run in runs]
    classifiers = [build_classifier(config, seed) for seed in seeds]
    if not can_stack(classifiers[0].model):
        return False
    inputs, targets = Batches.of(config, splits.train, seeds, classifiers[0].preprocess).batch(1, 0)
    alone, together = (
        build_learner(config, classifiers[:n], seeds[:n], 1, inputs.device) for n in (1, len(seeds))
    )
    return pays_off(alone, together, inputs, targets)


def gradient_learner(
    rule: Callable[..., GradientLearner],
    config: Config,
    classifiers: Sequence[Classifier],
    seeds: Sequence[int],
    steps_per_epoch: int,
    device: torch.device,
) -> GradientLearner:
    """Return a way of gradient descent as a config describes it; the networks move to the device.

    Args:
        rule: `GradientLearner` or one that takes the same arguments.
        config: What to learn, and how.
        classifiers: One per seed.
        seeds: Theirs.
        steps_per_epoch: Updates in an epoch.
        device: Where to compute.
    """
    optimizer, schedule = config.optimizer, config.schedule
    return rule(
        [classifier.model.to(device) for classifier in classifiers],
        seeds,
        loss=classifiers[0].loss,
        classify=classifiers[0].classify,
        optimizer=partial(OPTIMIZERS[optimizer.kind], **optimizer.options()),
        schedule=SCHEDULES[schedule.kind](config.train.epochs, **schedule.options()),
        steps_per_epoch=steps_per_epoch,
        ema=config.train.ema,
    )


def _is_due(config: Config, steps: int, saved_at: float) -> bool:
    """Say whether to write a checkpoint after `steps` of an epoch."""
    every = config.train.checkpoint_steps
    late = time.monotonic() - saved_at > 60 * config.train.checkpoint_minutes
    return late or (every is not None and steps % every == 0)


def _save(runs: Sequence[Run], learner: Learner, tally: EpochMetrics, position: Position) -> None:
    for index, run in enumerate(runs):
        run.save_state(learner.state(index) | tally.state(index), position)


def _load(
    runs: Sequence[Run], learner: Learner, tally: EpochMetrics, say: Callable[[str], None]
) -> Position:
    """Load the newest checkpoint that all runs have; where they have none, begin at the start.

    One may be a checkpoint ahead of another, when the training was killed between their saving.

    Raises:
        RunError: The runs have no checkpoint in common, or one is damaged or another network's.
    """
    states = [run.load_states(say) for run in runs]
    reachable = [set(s) if len(s) > 1 else {*s, Position()} for s in states]
    common = set.intersection(*reachable)
    if not common:
        raise RunError("these runs stopped at different places: resume them one by one")
    position = max(common)
    if position > Position():
        for index, run in enumerate(runs):
            state = states[index][position]
            kept = {name: value for name, value in state.items() if name.startswith("tally.")}
            try:
                check_layout(kept, tally.state(index))
                learner.load_state(index, {k: v for k, v in state.items() if k not in kept})
            except RunError as error:
                raise RunError(
                    f"the checkpoint of {run.folder} is another network's: {error}"
                ) from error
            tally.load_state(index, kept)
        say(f"going on in epoch {position.epoch} after {position.step} steps")
    return position


def _count_splits(classifier: Classifier, splits: Splits, config: Config) -> dict[str, int | float]:
    """Count errors on what a config says, as metrics."""
    metrics: dict[str, int | float] = {}
    counted = {"validation": splits.validation, "test": splits.test}
    if config.evaluate.train:
        counted["train-after"] = splits.train
    for name, split in counted.items():
        if len(split):
            result = classifier.evaluate(split)
            metrics[f"errors/{name}"] = result.errors
            metrics[f"accuracy/{name}"] = result.accuracy
            metrics[f"loss/{name}"] = result.loss
    return metrics


def _keeps(run: Run, config: Config, counted: bool) -> bool:
    """Say whether the weights after the epoch just logged are the ones to keep so far."""
    if config.train.keep == "last":
        return True
    history = [m["errors/validation"] for m in run.lines("metrics.jsonl") if "errors/test" in m]
    return counted and history[-1] < min(history[:-1], default=history[-1] + 1)


def _finish(
    run: Run, classifier: Classifier, splits: Splits, dashboard: Dashboard
) -> dict[str, Any]:
    """Count the errors of the kept weights and write ``result.json``."""
    classifier.model.load_state_dict(run.load_weights())
    history = run.lines("metrics.jsonl")
    kept = history[-1]
    if run.config.train.keep == "best-validation":
        kept = min((m for m in history if "errors/test" in m), key=lambda m: m["errors/validation"])
    result: dict[str, Any] = {
        "seed": run.seed,
        "dataset": splits.dataset,
        "epochs": len(history),
        "kept_epoch": kept["epoch"],
        "kept_by": run.config.train.keep,
        "errors/train": kept["errors/train"],
    }
    evaluated = {"validation": splits.validation, "test": splits.test}
    outputs = {n: classifier.infer(split.images) for n, split in evaluated.items() if len(split)}
    earlier = load_earlier(run.config, run.seed, splits.test.images.device)
    for name, seen in outputs.items():
        images, labels = evaluated[name].images, evaluated[name].labels
        counted = classifier.count(seen, labels)
        result |= {
            f"errors/{name}": counted.errors,
            f"n/{name}": counted.n,
            f"loss/{name}": counted.loss,
            f"confusion/{name}": counted.confusion.tolist(),
        }
        if earlier:
            added = seen + torch.stack([before.infer(images) for before in earlier]).sum(0)
            result[f"errors/{name}-together"] = classifier.count(added, labels).errors
    dashboard.conclude(result)
    run.write_json("result.json", result)
    if run.config.evaluate.pictures:
        dashboard.illustrate(classifier, splits.dataset, splits.test, outputs["test"])
    return result


def _describe(run: Run, metrics: dict[str, Any], epochs: int, seconds: float) -> str:
    parts = [
        f"{part} {metrics[f'errors/{part}']:,}"
        for part in ("train", "validation", "test")
        if f"errors/{part}" in metrics
    ]
    where = f"seed {run.seed}, epoch {metrics['epoch']}/{epochs}"
    return f"{where}: errors {' · '.join(parts)} ({seconds:.1f} s)"
