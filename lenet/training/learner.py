"""What the training loop drives: something that learns from batches, for several seeds at once.

Two learners fulfil this: `GradientLearner` (one update per batch, by autograd) and `SDLMLearner`
(the 1998 rule, one update per image). S is the number of seeds.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from lenet.errors import DivergedError

Sample = Callable[[int], tuple[Tensor, Tensor]]
"""Draws n preprocessed training images: inputs (S, n, C, H, W) and targets (S, n)."""


LOOK_EVERY = 50
"""Updates between looks at losses and gradients: each look makes a GPU wait."""


@dataclass(frozen=True)
class BatchStats:
    """What a learner saw of some images, before it learned from them."""

    loss_sum: Tensor
    """Sum of the losses, float64 (S,)."""
    errors: Tensor
    """Images whose prediction was wrong, int64 (S,)."""
    gradient_norm: Tensor | None = None
    """Euclidean norm of the gradient, float32 (S,), at every `LOOK_EVERY`-th update of rules with
    one gradient per batch."""


class Learner(Protocol):
    """Networks, one per seed, and the rule by which they learn."""

    @property
    def learning_rate(self) -> float:
        """The global learning rate of the next update."""

    def begin_epoch(self, epoch: int, sample: Sample) -> None:
        """Prepare for an epoch over the training set; the first is 1."""

    def learn(self, inputs: Tensor, targets: Tensor) -> BatchStats:
        """Learn from a batch.

        Args:
            inputs: Preprocessed images, float32 (S, B, C, H, W).
            targets: Labels, int64 (S, B), or shares of each class, float32 (S, B, classes).
        """

    def state(self, index: int) -> dict[str, Tensor]:
        """Return everything that the seed's next update depends on."""

    def load_state(self, index: int, state: dict[str, Tensor]) -> None:
        """Go back to where `state` was taken; the next updates are the same to the bit.

        Raises:
            RunError: It is the state of another network or rule.
        """

    def model(self, index: int) -> nn.Module:
        """Return the seed's network as it is evaluated and saved."""


class EpochMetrics:
    """Losses and errors of the current epoch, kept on the device until somebody asks.

    Args:
        seeds: One per seed.
        device: Where the learner computes.
    """

    def __init__(self, seeds: Sequence[int], device: torch.device) -> None:
        self.seeds = list(seeds)
        self.device = device
        self.watched = list(range(len(self.seeds)))
        """Indices of the seeds whose losses matter: those that have not stopped early."""
        self.reset()

    def reset(self) -> None:
        """Begin a new epoch."""
        self.loss_sum = torch.zeros(len(self.seeds), dtype=torch.float64, device=self.device)
        self.errors = torch.zeros(len(self.seeds), dtype=torch.int64, device=self.device)
        self.n = 0
        self.seconds = 0.0
        self.unchecked: list[Tensor] = []
        self.looked = (0, 0.0)

    def start_clock(self) -> None:
        """Count the time from here on."""
        self.began = time.perf_counter()

    def stop_clock(self) -> None:
        """Add the time since `start_clock` to the epoch's seconds."""
        self.seconds += time.perf_counter() - self.began

    def add(self, stats: BatchStats, n: int) -> None:
        """Add what was seen of `n` images."""
        self.latest = (stats, n)
        self.loss_sum += stats.loss_sum
        self.errors += stats.errors
        self.n += n
        self.unchecked.append(stats.loss_sum)

    def check(self, epoch: int, step: int) -> None:
        """Look whether all losses up to `step` were finite, those of the `watched` seeds.

        Raises:
            DivergedError: One was not; the message says whose and at which step.
        """
        if not self.unchecked:
            return
        finite = torch.stack(self.unchecked)[:, self.watched].isfinite()
        if not finite.all():
            bad_step, index = (~finite).nonzero()[0].tolist()
            first, seed = step - len(self.unchecked) + 1, self.seeds[self.watched[index]]
            raise DivergedError(
                f"the loss of seed {seed} is not finite in epoch {epoch},"
                f" step {first + bad_step}: try a smaller optimizer.lr;"
                " the last checkpoint before it is kept"
            )
        self.unchecked.clear()

    def look(self) -> list[dict[str, float]]:
        """Return each seed's numbers of the latest batch, and all seeds' images/s since the last
        look or the beginning of the epoch."""
        (before, then), seconds = self.looked, self.seconds + time.perf_counter() - self.began
        speed = (self.n - before) * len(self.seeds) / (seconds - then)
        self.looked = (self.n, seconds)
        stats, n = self.latest
        numbers = [{"step/loss": loss / n} for loss in stats.loss_sum.tolist()]
        if stats.gradient_norm is not None:
            for line, norm in zip(numbers, stats.gradient_norm.tolist(), strict=True):
                line["step/gradient_norm"] = norm
        return [line | {"step/images_per_second": speed} for line in numbers]

    @property
    def error_rate(self) -> float:
        """Share of the images so far whose prediction was wrong, all seeds' together, 0 to 1."""
        return int(self.errors.sum()) / (self.n * len(self.seeds))

    def numbers(self, index: int) -> dict[str, Any]:
        """Return the seed's errors, accuracy and mean loss on the images as they came."""
        errors = int(self.errors[index])
        return {
            "errors/train": errors,
            "accuracy/train": (self.n - errors) / self.n,
            "loss/train": float(self.loss_sum[index]) / self.n,
        }

    def timing(self) -> dict[str, float]:
        """Return what the epoch cost; images/s of all seeds together."""
        return {
            "seconds": round(self.seconds, 3),
            "images_per_second": round(self.n * len(self.seeds) / self.seconds, 1),
        }

    def state(self, index: int) -> dict[str, Tensor]:
        """Return the seed's part as tensors."""
        return {
            "epoch.loss_sum": self.loss_sum[index].cpu(),
            "epoch.errors": self.errors[index].cpu(),
            "epoch.n": torch.tensor(self.n),
            "epoch.seconds": torch.tensor(self.seconds),
        }

    def load_state(self, index: int, state: dict[str, Tensor]) -> None:
        """Go back to where `state` was taken."""
        self.loss_sum[index] = state["epoch.loss_sum"]
        self.errors[index] = state["epoch.errors"]
        self.n = int(state["epoch.n"])
        self.seconds = float(state["epoch.seconds"])
        self.looked = (self.n, self.seconds)
