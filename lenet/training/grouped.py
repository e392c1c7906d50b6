"""Several seeds in groups, one group after another: what a step touches stays in the cache."""

from collections.abc import Sequence
from itertools import accumulate

import torch
from torch import Tensor, nn

from lenet.training.learner import BatchStats, Learner, Sample


class GroupedLearner:
    """Lets groups of seeds learn a batch in turn, each by a learner of its own.

    Nothing changes but the time it takes: seeds have nothing to do with each other.

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
        tallies = [
            group.learn(inputs[indices], targets[indices])
            for group, indices in zip(self.groups, self.indices, strict=True)
        ]
        return BatchStats(
            torch.cat([tally.loss_sum for tally in tallies]),
            torch.cat([tally.errors for tally in tallies]),
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
