"""From a config to what it describes: everything is built once, here, and building is checking."""

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor

from lenet.config.schema import SDLM, SGD, Config
from lenet.data.batches import ALL, Batches, Share
from lenet.data.datasets import Split
from lenet.data.preprocessing import scale_pixels
from lenet.data.sources import describe_dataset
from lenet.data.splits import Splits
from lenet.data.strings import StringComposer
from lenet.device import total_memory
from lenet.errors import UsageError, blaming
from lenet.evaluation.classifier import Classifier, build_classifier
from lenet.kernels.plan import plan_network
from lenet.losses import CurvedLoss
from lenet.runs.files import compute_checksum
from lenet.training.backpropagation import write_rules
from lenet.training.boosting import choose_images, load_earlier
from lenet.training.data_parallel import DataParallelLearner
from lenet.training.distillation import Teacher
from lenet.training.distributed import World
from lenet.training.fused import FusedLearner, Kernels, choose_kernels
from lenet.training.gradient import GradientLearner
from lenet.training.learner import Learner
from lenet.training.optimizers import OPTIMIZERS
from lenet.training.parallel_seeds import (
    GroupedLearner,
    StackedLearner,
    ThreadedLearner,
    can_stack,
    pays_off,
)
from lenet.training.pretrained import FROM, Start, freeze, load_start
from lenet.training.schedules import SCHEDULES
from lenet.training.sdlm import SDLMLearner, seeds_at_once

if TYPE_CHECKING:
    from lenet.augment.pipeline import Mixing, Pipeline

AHEAD, AHEAD_VALUES = 8, 2**20
"""Batches that are augmented at once, and the values they may have: they stay in the cache."""


@dataclass(frozen=True)
class Components:
    """What a config describes, for one or several seeds."""

    config: Config
    device: torch.device
    """Where the networks are to learn; they move there with their learner."""
    augment: "Pipeline | None"
    """None if the config lists no transforms; so are `mix` and `distort`."""
    mix: "Mixing | None"
    distort: "Pipeline | None"
    """What the distorted copies in the training set are made by."""
    classifiers: dict[int, Classifier]
    """The untrained networks, by seed."""
    teacher: Teacher | None
    earlier: dict[int, list[Classifier]]
    """The networks that come before each seed's in boosting, by seed; none without boosting."""
    starts: dict[int, Start]
    """What each seed's network took over from a trained one; empty without ``train.from``."""

    def batches(
        self,
        split: Split,
        seeds: Sequence[int],
        share: Share = ALL,
        kernels: Kernels = "torch",
    ) -> Batches:
        """Return the batches of each step.

        Args:
            split: The training images, on the device.
            seeds: Those that learn together.
            share: The part of each batch that this process trains on.
            kernels: What computes the updates; the fast ones preprocess themselves if they can.

        Raises:
            UsageError: The earlier networks of boosting leave nothing to learn from.
        """
        train, pools, teacher = self.config.train, None, self.teacher
        if teacher and kernels == "fast":
            teacher = teacher.freeze()
        if self.config.data.boosting is not None:
            pools = [choose_images(split, self.earlier[seed], seed) for seed in seeds]
        preprocess = self.classifiers[seeds[0]].preprocess
        augment: Callable[..., Tensor] | None = self.augment
        raw, ahead = kernels == "fast" and preprocess.is_plain, 1
        if self.augment and kernels == "fast":
            from lenet.kernels.warp import Sampler

            augment = partial(self.augment, sampler=Sampler(torch.get_num_threads()))
            whole = share == ALL and not (self.mix or self.config.data.strings)
            if raw and whole and self.augment.divisible:
                values = train.batch_size * split.images.shape[1:].numel()
                ahead = max(1, min(AHEAD, AHEAD_VALUES // values))
        return Batches(
            split,
            seeds,
            preprocess,
            batch_size=train.batch_size,
            order=train.order,
            balance=self.config.data.balance,
            images_per_epoch=train.images_per_epoch,
            augment=augment,
            mix=self.mix,
            compose=StringComposer.of(self.config) if self.config.data.strings else None,
            last_augmented=train.epochs - train.no_augment_epochs,
            teach=teacher.teach if teacher else None,
            pools=pools,
            share=share,
            raw=raw,
            ahead=ahead,
        )

    def learner(
        self,
        seeds: Sequence[int],
        steps_per_epoch: int,
        world: World | None = None,
        kernels: Kernels = "torch",
    ) -> Learner:
        """Return the rule by which the seeds' networks learn; see `build_learner`."""
        classifiers = [self.classifiers[seed] for seed in seeds]
        return build_learner(
            self.config, classifiers, seeds, steps_per_epoch, self.device, world, kernels
        )

    def checksums(self, seed: int) -> dict[str, list[str]]:
        """Return the SHA-256 sums of the weights that a seed learns from.

        Returns:
            One for each network, by the config key that names them: ``train.from``,
            ``distil.teacher`` and ``data.boosting.earlier``; empty if the config has none.
        """
        start = {".".join(FROM): [self.starts[seed].checksum]} if seed in self.starts else {}
        learned_from = {
            "distil.teacher": self.teacher.ensemble.classifiers if self.teacher else [],
            "data.boosting.earlier": self.earlier[seed],
        }
        return start | {
            key: [
                compute_checksum({n: w.cpu() for n, w in c.model.state_dict().items()})
                for c in classifiers
            ]
            for key, classifiers in learned_from.items()
            if classifiers
        }


def build(config: Config, seeds: Sequence[int], device: torch.device | str = "cpu") -> Components:
    """Build what a config describes.

    Args:
        config: What to train.
        seeds: A network is built for each.
        device: Where it will compute.

    Raises:
        UsageError: It cannot be built; the error's path says which key is to blame.
        RunError: The weights of a network that it learns from are missing or damaged.
    """
    device, data = torch.device(device), describe_dataset(config.data)
    classifiers = {seed: build_classifier(config, seed) for seed in seeds}
    if config.augment or config.mix or config.data.distort:
        from lenet.augment.catalogue import build_mixing, build_pipeline  # need torchvision
    whole = (data.size, data.size)
    with blaming("augment"):
        augment = build_pipeline(config.augment, data.channels) if config.augment else None
        height, width = augment.output_size(whole) if augment else whole
        if max(height, width) > config.input.size:
            raise UsageError(
                f"images come out as {height}×{width} pixels,"
                f" more than input.size of {config.input.size}"
            )
    with blaming("mix"):
        mix = build_mixing(config.mix, len(data.classes)) if config.mix else None
    with blaming("data", "distort"):
        distort = (
            build_pipeline(config.data.distort, data.channels) if config.data.distort else None
        )
        height, width = distort.output_size(whole) if distort else whole
        if (height, width) != whole:
            raise UsageError(
                f"copies must be of {data.size}×{data.size} pixels, not {height}×{width}"
            )
    teacher = Teacher.of(config, device)
    earlier = {seed: load_earlier(config, seed, device) for seed in seeds}
    starts = {seed: load_start(config, seed, each) for seed, each in classifiers.items()}
    for classifier in classifiers.values():
        freeze(classifier.model, config.train.freeze)
    built = Components(
        config, device, augment, mix, distort, classifiers, teacher, earlier,
        {seed: start for seed, start in starts.items() if start is not None},
    )  # fmt: skip
    _check_rule(built)
    return built


def _check_rule(components: Components) -> None:
    """Refuse networks that the config's rule of training cannot train.

    Raises:
        UsageError: It cannot.
    """
    config = components.config
    if isinstance(config.optimizer, SDLM):
        model = next(iter(components.classifiers.values())).model
        write_rules([model], (config.input.size, config.input.size))
    choose_kernels(config, components.device)
    if config.train.batch_size == 1:
        check_last_batch(components, 1)


def check_images(components: Components, splits: Splits) -> None:
    """Refuse images on which the config cannot train.

    Raises:
        UsageError: See `check_last_batch` and `check_memory`.
    """
    check_last_batch(components, len(splits.train))
    check_memory(components, splits)


def check_last_batch(components: Components, images: int) -> None:
    """Refuse a last batch of one image if batch norm would see a single value of each channel.

    Args:
        components: What is to be trained.
        images: How many training images there are.

    Raises:
        UsageError: It would.
    """
    config = components.config
    size = config.train.batch_size
    if size > 1 and (config.train.images_per_epoch or images) % size != 1:
        return
    classifier = next(iter(components.classifiers.values()))
    shape = (classifier.data.channels, config.input.size, config.input.size)
    model = deepcopy(classifier.model)  # keeps its statistics
    try:
        model.train()(torch.zeros(1, *shape))
    except ValueError as error:
        raise UsageError(
            "the last batch of an epoch has one image, too few for batch norm: choose another size",
            ("train", "batch_size"),
        ) from error


def check_memory(components: Components, splits: Splits) -> None:
    """Refuse batches that do not fit into the machine's memory: it would be killed, not told.

    Args:
        components: What is to be trained.
        splits: What it is trained on.

    Raises:
        UsageError: A step, or an evaluation, would need more than there is.
    """
    config, memory = components.config, total_memory(components.device)
    if memory is None:
        return
    classifier = next(iter(components.classifiers.values()))
    values, model = [0], deepcopy(classifier.model).cpu().eval()
    for module in model.modules():
        if not any(module.children()):
            module.register_forward_hook(lambda m, i, output: values.append(output.numel()))
    with torch.inference_mode():
        # A test image, for lines of the training set are composed as they are needed.
        model(classifier.preprocess(scale_pixels(splits.test.images[:1].cpu())))
    _, channels, *size = splits.train.images.shape
    augmented = (
        [h * w for h, w in components.augment.sizes((size[0], size[1]))]
        if components.augment
        else [0]
    )
    # Each state is kept for its gradient; of augmented images, one size and the next.
    kept = 2 * sum(values) + 2 * max(augmented) * channels
    # Evaluation keeps no more than two neighbouring states.
    passed = max(before + after for before, after in pairwise(values))
    counted = [splits.test, splits.validation, *([splits.train] if config.evaluate.train else [])]
    trained = config.train.images_per_epoch or len(splits.train)
    if isinstance(config.optimizer, SDLM):
        trained = 1  # that rule takes one image at a time
    for section, asked, images, each in (
        ("train", config.train.batch_size, trained, 4 * kept),
        ("evaluate", config.evaluate.batch_size, max(map(len, counted)), 4 * passed),
    ):
        batch = min(asked, images)
        if batch * each > memory:
            raise UsageError(
                f"{'a step' if section == 'train' else 'evaluation'} with {batch:,} images takes"
                f" about {batch * each / 1e9:,.0f} GB of memory, more than the"
                f" {memory / 1e9:,.0f} GB here: at most {memory // each:,} images fit",
                (section, "batch_size"),
            )


def build_learner(
    config: Config,
    classifiers: Sequence[Classifier],
    seeds: Sequence[int],
    steps_per_epoch: int,
    device: torch.device,
    world: World | None = None,
    kernels: Kernels = "torch",
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
    elif kernels == "fast":
        first = classifiers[0]
        plan = plan_network(first.model, first.data.channels, config.input.size)
        sgd = cast(SGD, config.optimizer)
        rule = partial(FusedLearner, plan, first.preprocess.plain_levels, sgd)
    elif len(classifiers) > 1 and can_stack(classifiers[0].model, device):
        # One small network keeps no CPU core waiting; a GPU has room for all of them at once.
        rule = ThreadedLearner if device.type == "cpu" else StackedLearner
    return gradient_learner(rule, config, classifiers, seeds, steps_per_epoch, device)


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
        frozen=config.train.freeze,
    )


def is_faster_together(
    components: Components, seeds: Sequence[int], split: Split, kernels: Kernels = "torch"
) -> bool:
    """Say whether seeds take less time at once than one after another, as timed on a batch.

    Args:
        components: What is to be trained; its networks stay as they are.
        seeds: Some of those that it was built for.
        split: The training images, on the device.
        kernels: What computes the updates.
    """
    config = components.config
    if len(seeds) == 1 or isinstance(config.optimizer, SDLM):
        return len(seeds) > 1  # the 1998 rule knows how many to step at once
    classifiers = [components.classifiers[seed] for seed in seeds]
    if not can_stack(classifiers[0].model, components.device):
        return False
    inputs, targets = components.batches(split, seeds, kernels=kernels).batch(1, 0)
    copies = [replace(each, model=deepcopy(each.model)) for each in classifiers]
    alone, together = (
        build_learner(config, copies[:n], seeds[:n], 1, components.device, kernels=kernels)
        for n in (1, len(seeds))
    )
    return pays_off(alone, together, inputs, targets)
