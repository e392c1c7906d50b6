"""A whole training step of modern LeNet-5: forward, back, update; one call a thread."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from torch import Tensor

from lenet.kernels.lanes import LANES, SOURCES
from lenet.kernels.layout import ALL, MEMORY, SCRATCH, TRAINED, Floats
from lenet.kernels.normalization import CHANNELS
from lenet.kernels.normalized_step import make_normalized_step
from lenet.kernels.step import make_step
from lenet.kernels.threads import ABORTED

EPSILON, FORGETTING = 1e-5, 0.1
"""What PyTorch adds to the variance, and the share of a batch in its running statistics."""


_step, _normalized_step = make_step(SOURCES), make_normalized_step(SOURCES)


class FusedLeNet5:
    """Weights of a modern LeNet-5, and steps on them.

    The batch is divided among threads by pairs of blocks of sixteen images, always in the same way:
    results repeat to the bit for the same number of threads.

    Args:
        threads: How many threads share a step.
        batch_norm: Whether the network has batch norm.

    Attributes:
        weights: All sections of `layout`.
        velocity: The momentum of each weight.
        average: The average of the weights.
        gradients: Of the last step, one for each thread; their sum is the gradient.
    """

    def __init__(self, threads: int, batch_norm: bool = False) -> None:
        self.threads = threads
        self.batch_norm = batch_norm
        self.pool = ThreadPoolExecutor(threads - 1) if threads > 1 else None
        self.weights = np.zeros(ALL, np.float32)
        self.velocity, self.average = np.zeros_like(self.weights), np.zeros_like(self.weights)
        self.gradients = np.zeros(threads * TRAINED, np.float32)
        self.memory = np.zeros(0, np.float32)
        self.scratch = np.zeros((threads, SCRATCH * LANES), np.float32)
        self.losses, self.errors = np.zeros(threads), np.zeros(threads, np.int64)
        self.control = np.zeros(2, np.int64)
        self.parts = threads
        self.statistics = np.zeros((8, threads * 2 * CHANNELS))
        self.moments = np.zeros((threads, 4, 2 * CHANNELS))

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
            images: Inputs, float32 (B, 1, 32, 32), on the CPU.
            targets: Labels, int64 (B,), or shares of each class, float32 (B, 10).
            rate: Learning rate.
            momentum: Share of the last step that is kept.
            nesterov: Whether to look ahead along the momentum.
            decay: Pull towards zero of all weights but the biases.
            smoothing: Label smoothing of the cross-entropy.
            keep: Share of the average of the weights that is kept; None: there is no average.

        Returns:
            The sum of the losses and the number of errors before the update.
        """
        count, soft = len(images), targets.is_floating_point()
        pairs = -(-count // (2 * LANES))
        parts = self.parts = min(self.threads, pairs)
        size = MEMORY * 2 * pairs * LANES
        if len(self.memory) < size:
            self.memory = np.zeros(size, np.float32)
        given = targets.contiguous().view(-1).numpy()
        labels = np.zeros(1, np.int64) if soft else given
        shares = given if soft else np.zeros(1, np.float32)
        self.control[:] = 0

        def work(part: int) -> None:
            common = (
                images.contiguous().view(-1).numpy(), labels, shares, soft, float(smoothing),
                self.weights, self.gradients, self.velocity, self.average, self.memory,
                self.scratch, self.losses, self.errors, self.control, part, parts, count,
                float(rate), float(momentum), nesterov, float(decay), keep is not None,
                0.0 if keep is None else float(keep),
            )  # fmt: skip
            if self.batch_norm:
                _normalized_step(*common, self.statistics, self.moments, EPSILON, FORGETTING)
            else:
                _step(*common)

        try:
            others = [self.pool.submit(work, part) for part in range(1, parts)] if self.pool else []
            work(0)
        except BaseException:
            self.control[ABORTED] = 1  # or the others would wait for this thread for ever
            raise
        for other in others:
            other.result()
        return float(self.losses[:parts].sum()), int(self.errors[:parts].sum())

    @property
    def gradient(self) -> Floats:
        """The gradient of the last step."""
        gradient: Floats = self.gradients.reshape(self.threads, -1)[: self.parts].sum(0)
        return gradient
