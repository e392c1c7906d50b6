"""Weight sharing as an experiment: a convolution is a locally connected layer with tied copies.

The gradient of a shared weight is the sum of its copies' gradients. So a locally connected layer
that starts with equal filters everywhere, and sums its copies' gradients before each step, remains
a convolution, step for step.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lenet.models.local import LocallyConnected


@dataclass(frozen=True)
class Step:
    """One step of the two networks side by side."""

    shared_loss: float
    """Cross-entropy of the network with the convolution."""
    tied_loss: float
    """Cross-entropy of the network with the tied copies."""
    largest_difference: float
    """Between a weight of the convolution and any of its copies, after the step."""


def copy_filters(convolution: nn.Conv2d, local: LocallyConnected) -> None:
    """Copy the convolution's filters to every position of a locally connected layer."""
    with torch.no_grad():
        local.weight.copy_(spread(convolution.weight, local))
        if convolution.bias is not None:
            local.bias.copy_(convolution.bias[:, None].expand_as(local.bias))


def spread(weight: Tensor, local: LocallyConnected) -> Tensor:
    """Return a convolution's weight as copies, (filters, channels·k·k, positions)."""
    return weight.flatten(1)[:, :, None].expand_as(local.weight)


def tie_gradients(local: LocallyConnected) -> None:
    """Replace each copy's gradient by the sum of all copies' gradients."""
    for parameter in (local.weight, local.bias):
        if parameter.grad is not None:
            total = parameter.grad.sum(dim=-1, keepdim=True)
            parameter.grad = total.expand_as(parameter.grad).clone()


def train_side_by_side(
    images: Tensor, labels: Tensor, *, filters: int, size: int, steps: int, lr: float, seed: int
) -> Iterator[Step]:
    """Train a convolution and tied copies of its filters on the same images, from the same start.

    Each is followed by tanh and one linear layer, and trained by gradient descent on all images at
    once.

    Args:
        images: float32 (B, 1, H, W); float64 shows that what differs is rounding.
        labels: int64 (B,).
        filters: Number of filters.
        size: Their height and width in pixels.
        steps: Number of steps.
        lr: Learning rate.
        seed: Of the weights.
    """
    height, width = images.shape[2:]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        convolution = nn.Conv2d(images.shape[1], filters, size)
        local = LocallyConnected(images.shape[1], filters, size, (height, width))
        head = nn.Linear(local.bias.numel(), int(labels.max()) + 1)
    copy_filters(convolution, local)
    twin = nn.Linear(head.in_features, head.out_features)
    twin.load_state_dict(head.state_dict())
    shared = nn.Sequential(convolution, nn.Tanh(), nn.Flatten(), head).to(images.dtype)
    tied = nn.Sequential(local, nn.Tanh(), nn.Flatten(), twin).to(images.dtype)
    for _ in range(steps):
        losses = []
        for network in (shared, tied):
            network.zero_grad()
            loss = F.cross_entropy(network(images), labels)
            loss.backward()  # type: ignore[no-untyped-call]
            losses.append(loss.item())
        tie_gradients(local)
        with torch.no_grad():
            for parameter in (*shared.parameters(), *tied.parameters()):
                if parameter.grad is not None:
                    parameter.sub_(parameter.grad, alpha=lr)
            difference = (spread(convolution.weight, local) - local.weight).abs().max()
        yield Step(losses[0], losses[1], float(difference))


def pooling_gradients(square: Tensor) -> dict[str, Tensor]:
    """Return the gradients of a pooled 2×2 square's inputs when the output's gradient is 1.

    Max-pooling passes all of it to the largest input, average pooling a quarter to each.

    Args:
        square: float32 (2, 2).
    """
    passed = {}
    for name, pool in (("max", F.max_pool2d), ("average", F.avg_pool2d)):
        inputs = square.clone().requires_grad_()
        (passed[name],) = torch.autograd.grad(pool(inputs[None, None], 2).sum(), inputs)
    return passed
