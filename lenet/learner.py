"""What the training loop drives: something that learns from batches, for several seeds at once.

Two learners fulfil this: `lenet.optim.GradientLearner` (one update per batch, by autograd) and
`lenet.sdlm.SDLMLearner` (the 1998 rule, one update per image). `lenet.grouped` makes one learner of
several. S is the number of seeds.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor, nn

from lenet.errors import RunError

Sample = Callable[[int], tuple[Tensor, Tensor]]
"""Draws n presented training images: inputs (S, n, 1, H, W) and targets (S, n)."""


@dataclass(frozen=True)
class Tally:
    """What a learner saw of some images, before it learnt from them."""

    loss_sum: Tensor
    """Sum of the losses, float64 (S,)."""
    errors: Tensor
    """Images whose prediction was wrong, int64 (S,)."""


class Learner(Protocol):
    """Networks, one per seed, and the rule by which they learn."""

    @property
    def learning_rate(self) -> float:
        """The global learning rate of the next update."""

    def begin_pass(self, pass_number: int, sample: Sample) -> None:
        """Prepare for a pass over the training set; the first is 1."""

    def learn(self, inputs: Tensor, targets: Tensor) -> Tally:
        """Learn from a batch.

        Args:
            inputs: Presented images, float32 (S, B, 1, H, W).
            targets: Labels, int64 (S, B), or shares of each class, float32 (S, B, 10).
        """

    def state(self, member: int) -> dict[str, Tensor]:
        """Return everything that the member's next update depends on."""

    def load_state(self, member: int, state: dict[str, Tensor]) -> None:
        """Go back to where `state` was taken; the next updates are the same to the bit.

        Raises:
            RunError: It is the state of another network or rule.
        """

    def model(self, member: int) -> nn.Module:
        """Return the member's network as it is evaluated and saved."""


def check_layout(found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    """Refuse tensors that are not the expected ones.

    Raises:
        RunError: A tensor is missing, unknown, or of another shape or type; the message names it.
    """
    for name in (*expected, *found):
        have, want = _describe(found.get(name)), _describe(expected.get(name))
        if have != want:
            raise RunError(f"{name} is {have}, expected {want}")


def _describe(tensor: Tensor | None) -> str:
    if tensor is None:
        return "missing"
    shape = "×".join(map(str, tensor.shape)) or "one"
    return f"{shape} of {str(tensor.dtype).removeprefix('torch.')}"
