"""Learning from one part of every batch, while other processes learn from the others."""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel

from lenet.data.batches import Share
from lenet.training.distributed import World
from lenet.training.gradient import GradientLearner, count_errors


class DataParallelLearner(GradientLearner):
    """One update per batch, of which each process sees a part.

    The gradient is that of the mean loss over the whole batch, however unequal the parts, and the
    losses and errors are those of the whole batch.

    Args:
        world: The processes.
        arguments: Those of `GradientLearner`.
        options: Those of `GradientLearner`.
    """

    def __init__(self, world: World, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.world = world
        for model in self.models:
            _share_layers(model, world.share)
        self.parallel = [
            DistributedDataParallel(
                model,
                device_ids=[world.device] if world.device.type == "cuda" else None,
                gradient_as_bucket_view=True,
            )
            for model in self.models
        ]

    def descend(self, index: int, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Leave the gradient of the whole batch's mean loss; see `GradientLearner.descend`."""
        outputs = self.parallel[index](inputs)
        losses = self.loss(outputs, targets)
        errors = count_errors(self.classify, outputs, targets)
        counts = torch.stack(
            [losses.detach().double().sum(), errors.double(), torch.full_like(errors, len(inputs))]
        )
        counting = dist.all_reduce(counts, async_op=True)  # while the gradient is being computed
        losses.sum().backward()  # type: ignore[no-untyped-call]
        counting.wait()
        # The processes' gradients were averaged; what is wanted is their sum, per image.
        gradients = [w.grad for w in self.models[index].parameters() if w.grad is not None]
        torch._foreach_mul_(gradients, (self.world.size / counts[2]).to(gradients[0].dtype))
        return counts[0], counts[1].long()


class AddUp(torch.autograd.Function):
    """Add the processes' values; gradients flow back to all of them."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        """Return the sum over the processes, the same shape."""
        total = values.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        """Return the sum of the processes' gradients: each used the sum."""
        total = gradients[0].clone()
        dist.all_reduce(total)
        return total


def add_up(values: Tensor) -> Tensor:
    """Add the processes' values, so that gradients flow back to all of them."""
    total: Tensor = AddUp.apply(values)
    return total


class DividedBatchNorm(_BatchNorm):
    """Batch norm whose mean and variance are those of the whole batch.

    `torch.nn.SyncBatchNorm` does the same, but not on CPUs.

    Args:
        norm: What to take the place of; its weights and statistics become this one's.
    """

    def __init__(self, norm: _BatchNorm) -> None:
        super().__init__(norm.num_features, norm.eps, norm.momentum, norm.affine)
        self.weight, self.bias = norm.weight, norm.bias
        self.running_mean, self.running_var = norm.running_mean, norm.running_var
        self.num_batches_tracked = norm.num_batches_tracked

    def _check_input_dim(self, input: Tensor) -> None:
        """Take any shape."""

    def forward(self, input: Tensor) -> Tensor:
        """Normalize (B, channels, …)."""
        if not self.training:
            return super().forward(input)
        others = [d for d in range(input.dim()) if d != 1]
        shape = [1, -1] + [1] * (input.dim() - 2)
        n = input.new_tensor([input.numel() / self.num_features])
        sums = add_up(torch.cat([input.sum(others), n]))  # (channels + 1,)
        n, mean = sums[-1], sums[:-1] / sums[-1]
        deviations = input - mean.view(shape)
        variance = add_up(deviations.square().sum(others)) / n
        with torch.no_grad():
            assert self.running_mean is not None and self.running_var is not None
            assert self.num_batches_tracked is not None and self.momentum is not None
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * n / (n - 1), self.momentum)
            self.num_batches_tracked += 1
        normal = deviations * (variance + self.eps).rsqrt().view(shape)
        normed: Tensor = normal * self.weight.view(shape) + self.bias.view(shape)
        return normed


class DividedDropout(nn.Dropout):
    """Dropout that draws for the whole batch and uses its part of what was drawn.

    Args:
        p: Share of the units switched off.
        share: The part of each batch that comes by.
    """

    def __init__(self, p: float, share: Share) -> None:
        super().__init__(p)
        self.share = share

    def forward(self, input: Tensor) -> Tensor:
        """Switch units off in (B, …)."""
        if not self.training:
            return input
        n = torch.tensor(len(input), device=input.device)
        dist.all_reduce(n)
        batch = int(n)
        drawn = F.dropout(input.new_ones(batch, *input.shape[1:]), self.p)
        return input * drawn[self.share.part(batch)]


def _share_layers(model: nn.Module, share: Share) -> None:
    """Let the layers that look at the whole batch, or draw for it, do so in all processes alike."""
    for name, layer in list(model.named_children()):
        if isinstance(layer, _BatchNorm):
            setattr(model, name, DividedBatchNorm(layer))
        elif isinstance(layer, nn.Dropout):
            setattr(model, name, DividedDropout(layer.p, share))
        else:
            _share_layers(layer, share)
