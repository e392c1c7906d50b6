"""Several seeds side by side: each core of the processor steps a network of its own."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from torch import Tensor, nn

from lenet.training.gradient import GradientLearner


class ThreadedLearner(GradientLearner):
    """One update per batch and seed, as many seeds at a time as there are cores.

    A batch of one small network is too little work to divide among cores; whole networks are not.
    Each becomes what it becomes alone with one thread, to the bit.

    Args:
        models: Networks without dropout: its draws are not told apart between threads.
        arguments: The other arguments of `GradientLearner`.
        options: The other arguments of `GradientLearner`.
    """

    def __init__(self, models: Sequence[nn.Module], *arguments: Any, **options: Any) -> None:
        super().__init__(models, *arguments, **options)
        # The number of threads is each thread's own: the others keep theirs.
        self.pool = ThreadPoolExecutor(
            torch.get_num_threads(), initializer=torch.set_num_threads, initargs=(1,)
        )

    def each(
        self, learn: Callable[[int], tuple[Tensor, Tensor]], indices: Iterable[int]
    ) -> list[tuple[Tensor, Tensor]]:
        """Let seeds learn at the same time; see `GradientLearner.each`."""
        return list(self.pool.map(learn, indices))
