"""Several seeds in groups, one group after another: what a step touches stays in the cache."""

from collections.abc import Sequence
from itertools import accumulate

import torch
from torch import Tensor, nn

from lenet.training.learner import Learner, Sample, Tally


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
        self.members = [slice(end - size, end) for size, end in zip(sizes, ends, strict=True)]
        self.places = [
            (group, place)
            for group, size in zip(groups, sizes, strict=True)
            for place in range(size)
        ]

    @property
    def learning_rate(self) -> float:
        """The global learning rate of the next update."""
        return self.groups[0].learning_rate

    def begin_pass(self, pass_number: int, sample: Sample) -> None:
        """Prepare all groups for a pass; see `Learner.begin_pass`."""
        for group, members in zip(self.groups, self.members, strict=True):

            def own(n: int, members: slice = members) -> tuple[Tensor, Tensor]:
                inputs, targets = sample(n)
                return inputs[members], targets[members]

            group.begin_pass(pass_number, own)

    def learn(self, inputs: Tensor, targets: Tensor) -> Tally:
        """Learn from a batch, group by group; see `Learner.learn`."""
        tallies = [
            group.learn(inputs[members], targets[members])
            for group, members in zip(self.groups, self.members, strict=True)
        ]
        return Tally(
            torch.cat([tally.loss_sum for tally in tallies]),
            torch.cat([tally.errors for tally in tallies]),
        )

    def state(self, member: int) -> dict[str, Tensor]:
        """Return everything that the member's next update depends on."""
        group, place = self.places[member]
        return group.state(place)

    def load_state(self, member: int, state: dict[str, Tensor]) -> None:
        """Go back to where `state` was taken; see `Learner.load_state`."""
        group, place = self.places[member]
        group.load_state(place, state)

    def model(self, member: int) -> nn.Module:
        """Return the member's network as it is evaluated and saved."""
        group, place = self.places[member]
        return group.model(place)
