"""The batch of each step: it depends on seed, epoch and step alone."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from math import ceil
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from lenet.data.datasets import Split
from lenet.data.preprocessing import scale_pixels
from lenet.device import torch_threads
from lenet.rng import generator


@dataclass(frozen=True)
class Share:
    """Which part of every batch is here, when several processes divide the batches."""

    index: int = 0
    """From 0 on."""
    of: int = 1
    """In how many parts the batches are divided; their sizes differ by one image at most."""

    def part(self, n: int) -> slice:
        """Return the part of a batch of n images; it is empty where there are more parts."""
        return slice(n * self.index // self.of, n * (self.index + 1) // self.of)


ALL = Share()


class Batches:
    """Hands out the training images, batch by batch, for S seeds at once.

    Args:
        split: The training images, on the device.
        seeds: Those that are trained together.
        preprocess: Images (B, C, H, W) → inputs.
        batch_size: Images per batch; the last batch of an epoch may be smaller.
        order: ``shuffled`` anew in each epoch, or ``constant``.
        balance: Draw each class equally often; see `draw_balanced`. The order is shuffled.
        images_per_epoch: Images in an epoch; a constant order continues where the last epoch ended.
        augment: Images, labels (B,), generator, part → images of the part. Where `ahead` is above
            1, several generators, each with its number of images, take the place of one.
        mix: Images, labels (B,), generator → images, targets (B, classes).
        compose: Images, labels (B,), generator → lines (B, C, H', W'), labels (B, L).
        last_augmented: The last epoch that is augmented and mixed.
        teach: Augmented images, labels (B,) or targets (B, classes) → targets (B, classes).
        pools: Indices of the images that each seed trains on; None: all.
        share: The part of each batch to yield; its images are those of the whole batch.
        raw: Leave preprocessing to a learner on the CPU: instead of inputs, yield images
            (S, B, C, H, W), uint8 unless something changed them.
        ahead: Batches that are augmented at once, each by its own draw, as one batch of small
            images is too little work for several threads. Above 1 it needs `raw` and whole
            batches, and rules out `mix` and `compose`.
    """

    def __init__(
        self,
        split: Split,
        seeds: Sequence[int],
        preprocess: nn.Module,
        *,
        batch_size: int,
        order: Literal["shuffled", "constant"] = "shuffled",
        balance: bool = False,
        images_per_epoch: int | None = None,
        augment: Callable[[Tensor, Tensor, Any, slice], Tensor] | None = None,
        mix: Callable[[Tensor, Tensor, torch.Generator], tuple[Tensor, Tensor]] | None = None,
        compose: Callable[[Tensor, Tensor, torch.Generator], tuple[Tensor, Tensor]] | None = None,
        last_augmented: int,
        teach: Callable[[Tensor, Tensor], Tensor] | None = None,
        pools: Sequence[Tensor] | None = None,
        share: Share = ALL,
        raw: bool = False,
        ahead: int = 1,
    ) -> None:
        self.split = split
        self.seeds = list(seeds)
        self.preprocess = preprocess
        self.batch_size = batch_size
        self.order = order
        self.balance = balance
        everything = torch.arange(len(split), device=split.labels.device)
        self.pools = dict(zip(seeds, pools or [everything] * len(seeds), strict=True))
        self.images_per_epoch = images_per_epoch or len(split)
        self.augment = augment
        self.mix = mix
        self.compose = compose
        self.last_augmented = last_augmented
        self.teach = teach
        self.share = share
        self.raw = raw
        self.ahead = ahead
        self._orders: tuple[int, list[Tensor]] = (0, [])
        self._augmented: dict[int, tuple[tuple[int, int], list[Tensor]]] = {}

    @property
    def steps_per_epoch(self) -> int:
        """Batches in an epoch."""
        return ceil(self.images_per_epoch / self.batch_size)

    def size(self, step: int) -> int:
        """Return the number of images in a batch, all shares together."""
        return min(self.batch_size, self.images_per_epoch - step * self.batch_size)

    def batch(self, epoch: int, step: int) -> tuple[Tensor, Tensor]:
        """Return inputs (S, B, C, size, size) and targets (S, B) or (S, B, classes), for
        lines labels (S, B, L).

        Args:
            epoch: The first is 1.
            step: 0 to `steps_per_epoch` - 1.
        """
        prepared = [
            self._prepare(seed, order, epoch, step)
            for seed, order in zip(self.seeds, self._orders_of(epoch), strict=True)
        ]
        if len(prepared) == 1:  # saves a copy of the batch
            inputs, targets = prepared[0]
            return inputs[None], targets[None]
        with self._alone():
            return torch.stack([p[0] for p in prepared]), torch.stack([p[1] for p in prepared])

    def sample(self, epoch: int, n: int) -> tuple[Tensor, Tensor]:
        """Return n random training images, unaugmented: inputs (S, n, …) and labels (S, n).

        They are fewer where a seed has fewer.
        """
        n = min(n, *map(len, self.pools.values()))
        inputs, labels = [], []
        for seed in self.seeds:
            draw = generator(seed, "sample", epoch)
            pool = self.pools[seed]
            chosen = torch.randperm(len(pool), generator=draw)[:n]
            part = self.split.take(pool[chosen.to(pool.device)])
            inputs.append(self.preprocess(scale_pixels(part.images)))
            labels.append(part.labels)
        return torch.stack(inputs), torch.stack(labels)

    def _prepare(self, seed: int, order: Tensor, epoch: int, step: int) -> tuple[Tensor, Tensor]:
        indices = order[step * self.batch_size :][: self.size(step)]
        part = self.share.part(len(indices))
        changes = self.augment is not None or self.mix is not None
        distorted = changes and epoch <= self.last_augmented
        if not distorted and self.compose is None:
            indices, part = indices[part], slice(None)
        targets = self.split.labels[indices]
        if self.raw:
            # torch would wake its threads, which then are in the way of the learner's: so NumPy
            # gathers, and torch augments and mixes by one thread.
            if distorted and self.ahead > 1:
                images = self._augment_ahead(seed, order, epoch, step)
                return images, self.teach(images, targets) if self.teach else targets
            pixels = self.split.images.numpy()[indices.numpy()]
            if not distorted and self.compose is None and self.teach is None:
                return torch.from_numpy(pixels), targets
            images = torch.from_numpy(pixels / np.float32(255))
        else:
            images = scale_pixels(self.split.images[indices])
        if distorted:
            # Mixing and composing need the whole batch, whatever part of it is here.
            whole = self.mix is not None or self.compose is not None
            early = slice(None) if whole else part
            with self._alone():
                if self.augment is not None:
                    draw = generator(seed, "augment", epoch, step)
                    images, targets = self.augment(images, targets, draw, early), targets[early]
                if self.mix is not None:
                    draw = generator(seed, "mix", epoch, step)
                    images, targets = self.mix(images, targets, draw)
                    images, targets = images[part], targets[part]
        if self.compose is not None:
            draw = generator(seed, "compose", epoch, step)
            images, targets = self.compose(images, targets, draw)
            images, targets = images[part], targets[part]
        if self.teach is not None:
            targets = self.teach(images, targets)
        return images if self.raw else self.preprocess(images), targets

    def _alone(self) -> AbstractContextManager[None]:
        """Let torch compute by one thread where its others would be in the learner's way."""
        return torch_threads(1) if self.raw else nullcontext()

    def _augment_ahead(self, seed: int, order: Tensor, epoch: int, step: int) -> Tensor:
        """Return the augmented images of a step, made with those of its neighbours."""
        assert self.augment is not None
        first = step - step % self.ahead  # the same neighbours wherever an epoch is resumed
        made, images = self._augmented.get(seed, ((0, 0), []))
        if made != (epoch, first):
            steps = range(first, min(first + self.ahead, self.steps_per_epoch))
            sizes = [self.size(each) for each in steps]
            indices = order[first * self.batch_size :][: sum(sizes)]
            pixels = self.split.images.numpy()[indices.numpy()] / np.float32(255)
            draws = [
                (generator(seed, "augment", epoch, each), size)
                for each, size in zip(steps, sizes, strict=True)
            ]
            labels = self.split.labels[indices]
            with self._alone():
                changed = self.augment(torch.from_numpy(pixels), labels, draws, slice(None))
            images = list(torch.split(changed, sizes))
            self._augmented[seed] = (epoch, first), images
        return images[step - first]

    def _orders_of(self, epoch: int) -> list[Tensor]:
        """Return the images' indices in the order of an epoch, for each seed."""
        if self._orders[0] != epoch:
            orders = [self._order(seed, epoch) for seed in self.seeds]
            self._orders = (epoch, orders)
        return self._orders[1]

    def _order(self, seed: int, epoch: int) -> Tensor:
        pool = self.pools[seed]
        n = len(pool)
        if self.balance:
            draw = generator(seed, "order", epoch)
            places = draw_balanced(self.split.labels[pool].cpu(), self.images_per_epoch, draw)
            return pool[places.to(pool.device)]
        if self.order == "shuffled":
            order = torch.randperm(n, generator=generator(seed, "order", epoch))
            places = torch.arange(self.images_per_epoch)
        else:
            order = torch.randperm(n, generator=generator(seed, "order"))
            places = torch.arange(self.images_per_epoch) + (epoch - 1) * self.images_per_epoch
        return pool[order[places % n].to(pool.device)]


def draw_balanced(labels: Tensor, n: int, draw: torch.Generator) -> Tensor:
    """Draw images so that each class comes equally often, to one image.

    Within a class no image comes twice before all have come once: sampling with weights, but
    without the luck that leaves images of a small class out.

    Args:
        labels: int64 (N,), on the CPU. Classes without images are passed over.
        n: How many to draw.
        draw: Decides which images, their order, and which classes get one more.

    Returns:
        Their indices, int64 (n,), shuffled.
    """
    classes = torch.where(labels.bincount())[0]
    quotas = torch.full_like(classes, n // len(classes))
    quotas[torch.randperm(len(classes), generator=draw)[: n % len(classes)]] += 1
    drawn = []
    for label, quota in zip(classes, quotas.tolist(), strict=True):
        members = torch.where(labels == label)[0]
        rounds = ceil(quota / len(members))
        orders = [torch.randperm(len(members), generator=draw) for _ in range(max(rounds, 1))]
        drawn.append(members[torch.cat(orders)[:quota]])
    return torch.cat(drawn)[torch.randperm(n, generator=draw)]
