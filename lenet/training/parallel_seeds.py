"""Several seeds at a time: side by side on CPU cores, as one batched network, or in groups.

Seeds have nothing to do with each other, so that only the time changes: each becomes what it
becomes alone.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from functools import partial
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from lenet.device import synchronize
from lenet.models.pooling import MaxPool2d
from lenet.models.quantization import BOUNDS
from lenet.training.gradient import GradientLearner, Seen, count_errors, gradient_norm
from lenet.training.learner import BatchStats, Learner, Sample

TRIAL_STEPS = 4
"""Steps of each kind on which the choice between them is based."""


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

    def each(self, learn: Callable[[int], Seen], indices: Iterable[int]) -> list[Seen]:
        """Let seeds learn at the same time; see `GradientLearner.each`."""
        return list(self.pool.map(learn, indices))


class StackedLearner(GradientLearner):
    """One update per batch and seed, of all seeds at once.

    The seeds' weights lie one behind the other in one tensor per layer, (S, …), and the seeds'
    networks look into it. To rounding, each becomes what it becomes alone.

    Args:
        models: Networks of one shape, without dropout: it draws for each network apart.
        arguments: The other arguments of `GradientLearner`.
        options: The other arguments of `GradientLearner`.
    """

    def __init__(self, models: Sequence[nn.Module], *arguments: Any, **options: Any) -> None:
        super().__init__(models, *arguments, **options)
        self.weights, self.buffers = stack_module_state(self.models)
        self.shape = deepcopy(self.models[0]).to("meta").train()
        for module in self.shape.modules():
            if isinstance(module, MaxPool2d):
                module.one_dnn = False  # vmap does not know it
        # One optimizer, made for a single network so that it tells kernels from biases.
        self.optimizer = self.optimizers[0]
        stacks = {id(w): self.weights[name] for name, w in self.models[0].named_parameters()}
        for group in self.optimizer.param_groups:
            group["params"] = [stacks[id(weight)] for weight in group["params"]]
        for index, model in enumerate(self.models):
            for name, weight in model.named_parameters():
                weight.data = self.weights[name].data[index]
            for name, buffer in model.named_buffers():
                buffer.data = self.buffers[name].data[index]

    def learn(self, inputs: Tensor, targets: Tensor) -> BatchStats:
        """Make one update per seed; see `Learner.learn`."""
        factor = self.schedule(self.updates / self.steps_per_epoch)
        self.updates += 1
        for group in self.optimizer.param_groups:
            group["lr"] = self.full_rate * factor
        outputs = vmap(partial(functional_call, self.shape))(
            (self.weights, self.buffers), inputs
        )  # (S, B, classes)
        seeds, batch = inputs.shape[:2]
        losses = self.loss(outputs.flatten(0, 1), targets.flatten(0, 1)).view(seeds, batch)
        self.optimizer.zero_grad(set_to_none=True)
        # The seeds share no weight: the gradient of the sum is each seed's own.
        losses.mean(1).sum().backward()  # type: ignore[no-untyped-call]
        norms = None
        if self.looks:
            norms = gradient_norm((weight.grad for weight in self.weights.values()), dim=1)
        self.optimizer.step()
        for average, model in zip(self.averages, self.models, strict=True):
            if average is not None:
                average.update(model)
        errors = count_errors(self.classify, outputs, targets)
        return BatchStats(losses.detach().double().sum(1), errors, norms)

    def momenta(self, index: int) -> dict[str, Tensor]:
        """Return what the optimizer remembers for a seed; see `GradientLearner.momenta`."""
        # Counts of steps have no dimension: the seeds share them.
        return {
            name: value[index] if value.dim() else value
            for name, value in super().momenta(0).items()
        }

    def make_momenta(self, index: int) -> None:
        """Let there be momenta, once for all seeds."""
        if not self.optimizer.state:
            super().make_momenta(0)


class GroupedLearner:
    """Lets groups of seeds learn a batch in turn, each by a learner of its own.

    What a step of a small group touches stays in the cache.

    Args:
        groups: The learners of the groups, all by the same rule.
        sizes: How many seeds each has.
    """

    def __init__(self, groups: Sequence[Learner], sizes: Sequence[int]) -> None:
        self.groups = list(groups)
        ends = list(accumulate(sizes))
        self.indices = [slice(end - size, end) for size, end in zip(sizes, ends, strict=True)]
        self.places = [
            (group, place)
            for group, size in zip(groups, sizes, strict=True)
            for place in range(size)
        ]

    @property
    def learning_rate(self) -> float:
        """The global learning rate of the next update."""
        return self.groups[0].learning_rate

    def begin_epoch(self, epoch: int, sample: Sample) -> None:
        """Prepare all groups for an epoch; see `Learner.begin_epoch`."""
        for group, indices in zip(self.groups, self.indices, strict=True):

            def own(n: int, indices: slice = indices) -> tuple[Tensor, Tensor]:
                inputs, targets = sample(n)
                return inputs[indices], targets[indices]

            group.begin_epoch(epoch, own)

    def learn(self, inputs: Tensor, targets: Tensor) -> BatchStats:
        """Learn from a batch, group by group; see `Learner.learn`."""
        stats = [
            group.learn(inputs[indices], targets[indices])
            for group, indices in zip(self.groups, self.indices, strict=True)
        ]
        norms = [each.gradient_norm for each in stats if each.gradient_norm is not None]
        return BatchStats(
            torch.cat([each.loss_sum for each in stats]),
            torch.cat([each.errors for each in stats]),
            torch.cat(norms) if norms else None,
        )

    def state(self, index: int) -> dict[str, Tensor]:
        """Return everything that the seed's next update depends on."""
        group, place = self.places[index]
        return group.state(place)

    def load_state(self, index: int, state: dict[str, Tensor]) -> None:
        """Go back to where `state` was taken; see `Learner.load_state`."""
        group, place = self.places[index]
        group.load_state(place, state)

    def model(self, index: int) -> nn.Module:
        """Return the seed's network as it is evaluated and saved."""
        group, place = self.places[index]
        return group.model(place)


def can_stack(model: nn.Module, device: torch.device) -> bool:
    """Say whether networks such as this one can be stepped at once: those without dropout can.

    On a GPU, where they become one network, no layer may be frozen, and no states rounded.
    """
    frozen = not all(weight.requires_grad for weight in model.parameters())
    rounded = any(hasattr(layer, BOUNDS) for layer in model.modules())
    if (frozen or rounded) and device.type != "cpu":
        return False
    return not any(isinstance(layer, nn.Dropout) and layer.p for layer in model.modules())


def pays_off(alone: Learner, together: Learner, inputs: Tensor, targets: Tensor) -> bool:
    """Say whether stepping all seeds at once takes less time than stepping one, that often.

    Args:
        alone: Of the first seed; what it learns here is of no use.
        together: Of all seeds; likewise.
        inputs: A batch, (S, B, C, H, W).
        targets: Its targets, (S, B) or (S, B, classes).
    """

    def seconds(learner: Learner, seeds: int) -> float:
        times = []
        for _ in range(TRIAL_STEPS):
            began = time.perf_counter()
            learner.learn(inputs[:seeds], targets[:seeds])
            synchronize(inputs.device)
            times.append(time.perf_counter() - began)
        return min(times)

    return seconds(together, len(inputs)) < len(inputs) * seconds(alone, 1)
