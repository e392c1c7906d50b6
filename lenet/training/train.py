"""The main job: train the networks of a config, one per seed, in one loop."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch

from lenet.config.schema import Config
from lenet.data.batches import ALL, Batches
from lenet.data.splits import Splits
from lenet.device import naming_memory, peak_memory, set_determinism, synchronize
from lenet.errors import RunError
from lenet.evaluation.classifier import Classifier, take_weights
from lenet.runs.files import check_layout
from lenet.runs.run import Position, Run
from lenet.training.build import Components, build
from lenet.training.distributed import World
from lenet.training.fused import compile_kernels, kernels_of
from lenet.training.learner import LOOK_EVERY, EpochMetrics, Learner
from lenet.training.progress import Progress
from lenet.training.tensorboard import Dashboard


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
    components: Components | None = None,
) -> list[dict[str, Any]] | None:
    """Train one network per run, and leave everything in the runs' folders.

    Runs that have checkpoints continue from them.

    Args:
        config: What to train; the runs' configs differ from it in the seed alone.
        runs: Where to, one per seed; trained together, they become what each becomes alone.
        splits: The images, on the device.
        device: Where to compute.
        stop: Asked after each step; True saves a checkpoint and ends the training.
        say: Takes a line after each epoch.
        progress: Show a bar on standard error.
        world: The processes among which each batch is divided; None: this one alone.
        components: What the config describes, where it was built before, for these seeds at least.
            Its networks are trained.

    Returns:
        The content of each run's ``result.json``, or None when stopped before the end.

    Raises:
        UsageError: The config describes something that cannot be built.
        RunError: A loss is not finite, the GPU's memory ran out, a file cannot be written, or the
            runs cannot be resumed. The checkpoints are whole.
    """
    # Everything random derives from (seed, purpose, epoch, step).
    set_determinism(config.deterministic, device)
    seeds = [run.seed for run in runs]
    components = components or build(config, seeds, device)

    kernels = kernels_of(runs, config, device, world.size if world else 1, say)
    if kernels == "fast":
        compile_kernels(config, say)

    # Data: the batch of each step.
    batches = components.batches(splits.train, seeds, world.share if world else ALL, kernels)

    # Model, loss, optimizer, schedule.
    classifiers = [replace(components.classifiers[seed], kernels=kernels) for seed in seeds]
    learner = components.learner(seeds, batches.steps_per_epoch, world, kernels)

    # Resume.
    metrics = EpochMetrics(seeds, device)
    position = _load(runs, learner, metrics, say)
    for run in runs:
        run.rewind(position)
    updates = (position.epoch - 1) * batches.steps_per_epoch + position.step
    dashboards = [Dashboard(run, position.epoch, updates, splits.dataset, say) for run in runs]
    saved_at = time.monotonic()
    done = (position.epoch - 1) * batches.images_per_epoch + position.step * batches.batch_size
    bar = Progress(config.train.epochs, batches.images_per_epoch, done, len(runs), progress)
    say = bar.above(say)

    try:
        # Each epoch: learn from its batches, saving now and then …
        for epoch in range(position.epoch, config.train.epochs + 1):
            # A seed that stopped early goes along unrecorded until all have: resuming stays exact.
            metrics.watched = [i for i, run in enumerate(runs) if not is_out_of_patience(run)]
            waiting = bool(metrics.watched)
            if not (world.follow_first(waiting) if world else waiting):
                break
            first_step = position.step if epoch == position.epoch else 0
            for step in _learn(
                config, epoch, first_step, batches, learner, metrics, dashboards, bar
            ):
                stopping = stop()
                if stopping or _is_due(config, step + 1, saved_at):
                    metrics.check(epoch, step)
                    metrics.stop_clock()
                    _save(runs, learner, metrics, Position(epoch, step + 1))
                    saved_at = time.monotonic()
                    if stopping:
                        return None
                    metrics.start_clock()
            synchronize(device)
            metrics.stop_clock()
            metrics.check(epoch, batches.steps_per_epoch - 1)

            # … then evaluate, log and save, once, here.
            bar.begin(epoch, "evaluating")
            for index in metrics.watched:
                run = runs[index]
                # What is evaluated may be a copy, or an average, of the weights that learn.
                classifiers[index] = replace(classifiers[index], model=learner.model(index))
                line = {"epoch": epoch, "learning_rate": learner.learning_rate}
                line |= metrics.numbers(index)
                _log(run, classifiers[index], dashboards[index], line, metrics.timing(), splits)
                say(_describe(run, line, config.train.epochs, metrics.seconds))
                if epoch < config.train.epochs and is_out_of_patience(run):
                    say(
                        f"seed {run.seed}: stops early, for {config.train.patience} epochs brought"
                        " no fewer validation errors; the best weights are kept"
                    )
            metrics.reset()
            _save(runs, learner, metrics, Position(epoch + 1, 0))
            saved_at = time.monotonic()

        # Finish: the errors of the weights that were kept.
        bar.close()
        say(f"evaluating on {len(splits.test):,} test images …")
        return [
            _finish(run, classifier, components.earlier[run.seed], splits, dashboard)
            for run, classifier, dashboard in zip(runs, classifiers, dashboards, strict=True)
        ]
    finally:
        bar.close()
        for dashboard in dashboards:
            dashboard.close()


def _learn(
    config: Config,
    epoch: int,
    first_step: int,
    batches: Batches,
    learner: Learner,
    metrics: EpochMetrics,
    dashboards: Sequence[Dashboard],
    bar: Progress,
) -> Iterator[int]:
    """Learn from the batches of an epoch from `first_step` on; yield the number of each step."""
    if first_step == 0:
        learner.begin_epoch(epoch, partial(batches.sample, epoch))
    metrics.start_clock()
    bar.begin(epoch)
    for step in range(first_step, batches.steps_per_epoch):
        rate = learner.learning_rate
        with naming_memory("train.batch_size", config.train.batch_size):
            inputs, targets = batches.batch(epoch, step)
            metrics.add(learner.learn(inputs, targets), batches.size(step))
        bar.advance(batches.size(step))
        updates = (epoch - 1) * batches.steps_per_epoch + step + 1
        if updates % LOOK_EVERY == 0:
            metrics.check(epoch, step)
            bar.show_error(metrics.error_rate)
            seen, memory = metrics.look(), peak_memory(metrics.device)
            for index in metrics.watched:
                line = {"step/learning_rate": rate} | seen[index] | memory
                dashboards[index].write_update(updates, line)
        yield step


def _log(
    run: Run,
    classifier: Classifier,
    dashboard: Dashboard,
    line: dict[str, Any],
    timing: dict[str, float],
    splits: Splits,
) -> None:
    """Evaluate a run after an epoch, write its numbers, and save its weights if they are to keep.

    Args:
        run: The run.
        classifier: Its network as it is now.
        dashboard: The run's.
        line: The epoch's numbers from training; those from evaluation are added.
        timing: What the epoch cost.
        splits: The images, on the device.
    """
    config, epoch = run.config, line["epoch"]
    counted = epoch == config.train.epochs or epoch % config.evaluate.every == 0
    if counted:
        line |= _count_splits(classifier, splits, config)
    run.append("metrics.jsonl", line)
    run.append("timing.jsonl", {"epoch": epoch} | timing)
    dashboard.write(line | timing)
    dashboard.show_weights(classifier.model, epoch)
    if _keeps(run, counted):
        run.save_weights(classifier.model.state_dict())


def _is_due(config: Config, steps: int, saved_at: float) -> bool:
    """Say whether to write a checkpoint after `steps` of an epoch."""
    every = config.train.checkpoint_steps
    late = time.monotonic() - saved_at > 60 * config.train.checkpoint_minutes
    return late or (every is not None and steps % every == 0)


def _save(runs: Sequence[Run], learner: Learner, metrics: EpochMetrics, position: Position) -> None:
    for index, run in enumerate(runs):
        run.save_state(learner.state(index) | metrics.state(index), position)


def _load(
    runs: Sequence[Run], learner: Learner, metrics: EpochMetrics, say: Callable[[str], None]
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
            counts = {name: value for name, value in state.items() if name.startswith("epoch.")}
            try:
                check_layout(counts, metrics.state(index))
                learner.load_state(index, {k: v for k, v in state.items() if k not in counts})
            except RunError as error:
                raise RunError(
                    f"the checkpoint of {run.folder} is another network's: {error}"
                ) from error
            metrics.load_state(index, counts)
        say(f"continuing in epoch {position.epoch} after {position.step} steps")
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
            for label, errors in zip(split.classes, result.errors_by_class, strict=True):
                metrics[f"class_errors/{name}/{label}"] = errors
    return metrics


def is_out_of_patience(run: Run) -> bool:
    """Say whether a run's validation errors have not fallen for as long as its config waits."""
    patience = run.config.train.patience
    history = run.lines("metrics.jsonl") if patience is not None else []
    counted = [line for line in history if "errors/validation" in line]
    if patience is None or not counted:
        return False
    best = min(counted, key=lambda line: line["errors/validation"])
    waited: int = counted[-1]["epoch"] - best["epoch"]
    return waited >= patience


def _keeps(run: Run, counted: bool) -> bool:
    """Say whether the weights after the epoch just logged are the ones to keep so far."""
    if run.config.train.kept == "last":
        return True
    history = [m["errors/validation"] for m in run.lines("metrics.jsonl") if "errors/test" in m]
    return counted and history[-1] < min(history[:-1], default=history[-1] + 1)


def _finish(
    run: Run,
    classifier: Classifier,
    earlier: Sequence[Classifier],
    splits: Splits,
    dashboard: Dashboard,
) -> dict[str, Any]:
    """Count the errors of the kept weights, also together with the earlier networks of boosting.

    Returns:
        What was written to ``result.json``.
    """
    take_weights(classifier.model, run)
    history = run.lines("metrics.jsonl")
    if [line["epoch"] for line in history] != [*range(1, len(history) + 1)] or not history:
        raise RunError(
            f"{run.folder / 'metrics.jsonl'} lacks epochs: files of the run were removed while it"
            " was trained; --overwrite begins anew"
        )
    kept = history[-1]
    if run.config.train.kept == "best-validation":
        kept = min((m for m in history if "errors/test" in m), key=lambda m: m["errors/validation"])
    result: dict[str, Any] = {
        "seed": run.seed,
        "dataset": splits.dataset,
        "epochs": len(history),
        "kept_epoch": kept["epoch"],
        "kept_by": run.config.train.kept,
        "errors/train": kept["errors/train"],
        "accuracy/train": kept["accuracy/train"],
    }
    evaluated = {"validation": splits.validation, "test": splits.test}
    outputs = {n: classifier.infer(split.images) for n, split in evaluated.items() if len(split)}
    for name, seen in outputs.items():
        images, labels = evaluated[name].images, evaluated[name].labels
        counted = classifier.count(seen, labels)
        result |= {
            f"errors/{name}": counted.errors,
            f"n/{name}": counted.n,
            f"accuracy/{name}": counted.accuracy,
            f"loss/{name}": counted.loss,
            f"confusion/{name}": counted.confusion.tolist(),
        }
        if earlier:
            added = seen + torch.stack([before.infer(images) for before in earlier]).sum(0)
            result[f"errors/{name}-together"] = classifier.count(added, labels).errors
    dashboard.conclude(result)
    run.write_json("result.json", result)
    return result


def _describe(run: Run, metrics: dict[str, Any], epochs: int, seconds: float) -> str:
    parts = [
        f"{part} {metrics[f'errors/{part}']:,} ({100 * metrics[f'accuracy/{part}']:.2f} %)"
        for part in ("train", "validation", "test")
        if f"errors/{part}" in metrics
    ]
    where = f"seed {run.seed}, epoch {metrics['epoch']}/{epochs}"
    return f"{where}: errors (accuracy) {' · '.join(parts)} ({seconds:.1f} s)"
