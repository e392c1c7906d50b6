"""A network's weights in the layout of the kernels; updates and inferences, one call a thread."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from lenet.kernels.lanes import LANES, SOURCES
from lenet.kernels.plan import Floats, Plan, round_up
from lenet.kernels.step import make_run
from lenet.kernels.threads import ABORTED

_run = make_run(SOURCES)

SPARE = 16
"""Vectors behind the last block, for tiles reach beyond the last row."""


class FastNetwork:
    """Weights of a network, and what the kernels do with them.

    A batch is divided among threads by pairs of blocks of images, always in the same way: results
    repeat to the bit for the same number of threads.

    Args:
        plan: Of the network.
        threads: How many threads share the work.
        levels: What pixels of 0 and 1 become, and the background around images smaller than the
            input.

    Attributes:
        weights: All values of the plan.
        velocity: The momentum of each weight.
        average: The average of the weights.
        gradients: Of the last update, one for each thread; their sum is the gradient.
    """

    def __init__(self, plan: Plan, threads: int, levels: tuple[float, float] = (0.0, 1.0)) -> None:
        self.plan, self.threads, self.levels = plan, threads, levels
        self.pool = ThreadPoolExecutor(threads - 1) if threads > 1 else None
        self.weights = np.zeros(plan.values, np.float32)
        self.velocity, self.average = np.zeros_like(self.weights), np.zeros_like(self.weights)
        self.gradients = np.zeros(threads * plan.trained, np.float32)
        self.memory = np.zeros(0, np.float32)
        self.rows = np.zeros((threads, 0), np.float32)
        self.scratch = np.zeros((threads, plan.scratch * LANES), np.float32)
        layers, widest = len(plan.rows), plan.widest
        self.coefficients = np.zeros((threads, layers, 5, widest), np.float32)
        self.moments = np.zeros((threads, layers, 2, widest))
        self.statistics = np.zeros((layers, 2, threads, 2, widest))
        self.losses, self.errors = np.zeros(threads), np.zeros(threads, np.int64)
        self.control = np.zeros(2, np.int64)
        self.parts = threads

    def learn(
        self,
        images: Tensor,
        targets: Tensor,
        *,
        rate: float,
        momentum: float = 0.0,
        nesterov: bool = False,
        decay: float = 0.0,
        smoothing: float = 0.0,
        keep: float | None = None,
    ) -> tuple[float, int]:
        """Make one update.

        Args:
            images: (B, C, H, H), uint8 or float32 in [0, 1], on the CPU; H is at most the input's
                size.
            targets: Labels, int64 (B,), or shares of each class, float32 (B, classes).
            rate: Learning rate.
            momentum: Share of the last step that is kept.
            nesterov: Whether to look ahead along the momentum.
            decay: Pull towards zero of all weights but the biases.
            smoothing: Label smoothing of the cross-entropy.
            keep: Share of the average of the weights that is kept; None: there is no average.

        Returns:
            The sum of the losses and the number of errors before the update.
        """
        self._run(
            images, targets, np.zeros(0, np.float32), True,
            float(rate), float(momentum), bool(nesterov), float(decay), float(smoothing),
            keep is not None, 0.0 if keep is None else float(keep),
        )  # fmt: skip
        return float(self.losses[: self.parts].sum()), int(self.errors[: self.parts].sum())

    def infer(self, images: Tensor) -> Tensor:
        """Return the logits of images, as those of `learn`, by the running statistics.

        Returns:
            float32 (B, classes).
        """
        outputs = torch.zeros(len(images), self.plan.classes)
        labels = torch.zeros(1, dtype=torch.int64)
        place = outputs.view(-1).numpy()
        if len(images):
            self._run(images, labels, place, False, 0.0, 0.0, False, 0.0, 0.0, False, 0.0)
        return outputs

    @property
    def gradient(self) -> Floats:
        """The gradient of the last update."""
        gradient: Floats = self.gradients.reshape(self.threads, -1)[: self.parts].sum(0)
        return gradient

    def _run(
        self, images: Tensor, targets: Tensor, outputs: Floats, training: bool,
        rate: float, momentum: float, nesterov: bool, decay: float, smoothing: float,
        averaging: bool, keep: float,
    ) -> None:  # fmt: skip
        plan, count = self.plan, len(images)
        if images.shape[-1] != images.shape[-2]:
            images = _make_square(images, plan.size)
        side = images.shape[-1]
        soft = targets.is_floating_point()
        pairs = -(-count // (2 * LANES))
        parts = self.parts = min(self.threads, pairs)
        if training:
            self._make_room(2 * pairs, 2 * -(-pairs // parts))
        else:
            self._make_room(2 * parts, 0)
        flat = images.contiguous().view(-1).numpy()
        no_floats, no_bytes = np.zeros(0, np.float32), np.zeros(0, np.uint8)
        pixels, floats = (flat, no_floats) if flat.dtype == np.uint8 else (no_bytes, flat)
        given = targets.contiguous().view(-1).numpy()
        labels = np.zeros(1, np.int64) if soft else given
        shares = given if soft else np.zeros(1, np.float32)
        low, full = (float(level) for level in self.levels)
        sizes = (
            plan.channels, plan.size, plan.padding, plan.classes, plan.decaying, plan.trained,
            plan.memory, plan.rows_in,
        )  # fmt: skip
        self.control[:] = 0

        def work(part: int) -> None:
            _run(
                plan.rows, sizes, pixels, floats, low, full, side, labels, shares, soft, smoothing,
                self.weights, self.gradients, self.velocity, self.average, self.memory,
                self.scratch, self.rows, self.coefficients, self.moments, self.statistics,
                self.losses, self.errors, outputs, self.control, part, parts, count,
                training, rate, momentum, nesterov, decay, averaging, keep,
            )  # fmt: skip

        try:
            others = [self.pool.submit(work, part) for part in range(1, parts)] if self.pool else []
            work(0)
        except BaseException:
            self.control[ABORTED] = 1  # or the others would wait for this thread for ever
            raise
        for other in others:
            other.result()

    def _make_room(self, blocks: int, blocks_of_a_part: int) -> None:
        """Let there be memory for so many blocks; borders in it are zeros, and stay so."""
        plan = self.plan
        size = (blocks * plan.memory + SPARE) * LANES
        if len(self.memory) < size:
            self.memory = np.zeros(size, np.float32)
        across = plan.size + 2 * plan.padding
        stage = LANES * round_up(plan.channels * across * across, LANES)
        dense = blocks_of_a_part * LANES * (plan.rows_in + plan.widest)
        if self.rows.shape[1] < max(stage, dense):
            self.rows = np.zeros((self.threads, max(stage, dense)), np.float32)


def _make_square(images: Tensor, size: int) -> Tensor:
    """Surround images with background up to the size of the input."""
    down, across = size - images.shape[-2], size - images.shape[-1]
    top, left = down // 2, across // 2
    return functional.pad(images, (left, across - left, top, down - top))
