"""Gradient descent: one update per batch, by autograd."""

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property

import torch
from torch import Tensor, nn

from lenet.errors import RunError
from lenet.losses import are_wrong
from lenet.rng import derive_seed
from lenet.runs.files import check_layout
from lenet.training.learner import LOOK_EVERY, BatchStats, Sample
from lenet.training.optimizers import WeightAverage
from lenet.training.pretrained import keep_statistics
from lenet.training.schedules import Schedule

Seen = tuple[Tensor, Tensor, Tensor]
"""The sum of the losses, float64, the errors, int64, and the norm of the gradient, float32."""

NO_NORM = torch.tensor(torch.nan)


class GradientLearner:
    """One update per batch, by autograd.

    Args:
        models: One network per seed, on the device.
        seeds: Theirs; dropout derives from them.
        loss: Outputs (B, classes) and targets → losses (B,).
        classify: Outputs (B, classes) → labels (B,).
        optimizer: Makes the optimizer of a network, with one learning rate for all weights.
        schedule: Epochs done → factor on the learning rate.
        steps_per_epoch: Updates in an epoch.
        ema: Decay of the weight average per update, in [0, 1); 0 for none.
        frozen: Names of layers that keep weights and batch statistics.
    """

    def __init__(
        self,
        models: Sequence[nn.Module],
        seeds: Sequence[int],
        loss: Callable[[Tensor, Tensor], Tensor],
        classify: Callable[[Tensor], Tensor],
        optimizer: Callable[[nn.Module], torch.optim.Optimizer],
        schedule: Schedule,
        steps_per_epoch: int,
        ema: float = 0.0,
        frozen: Sequence[str] = (),
    ) -> None:
        self.models = list(models)
        self.seeds = list(seeds)
        self.loss = loss
        self.classify = classify
        self.make_optimizer = optimizer
        self.schedule = schedule
        self.steps_per_epoch = steps_per_epoch
        self.averages = [WeightAverage(model, ema) if ema else None for model in models]
        self.frozen = frozen
        self.updates = 0
        self.drops = any(isinstance(m, nn.Dropout) and m.p > 0 for m in models[0].modules())

    @cached_property
    def optimizers(self) -> list[torch.optim.Optimizer]:
        """One per network, made when first used: PyTorch's first takes two seconds to import."""
        return [self.make_optimizer(model) for model in self.models]

    @property
    def full_rate(self) -> float:
        """The learning rate where the schedule's factor is 1."""
        return float(self.optimizers[0].defaults["lr"])

    @property
    def learning_rate(self) -> float:
        """The learning rate of the next update."""
        return float(self.full_rate * self.schedule(self.updates / self.steps_per_epoch))

    def begin_epoch(self, epoch: int, sample: Sample) -> None:
        """Nothing to prepare."""

    def learn(self, inputs: Tensor, targets: Tensor) -> BatchStats:
        """Make one update per seed; see `Learner.learn`."""
        # Rates are set before each update, never scaled in place: nothing drifts, nothing to save.
        factor = self.schedule(self.updates / self.steps_per_epoch)
        self.updates += 1
        stats = self.each(
            lambda index: self._learn(index, factor, inputs[index], targets[index]),
            range(len(self.models)),
        )
        losses, errors, norms = zip(*stats, strict=True)
        return BatchStats(
            torch.stack(losses), torch.stack(errors), torch.stack(norms) if self.looks else None
        )

    @property
    def looks(self) -> bool:
        """Whether the norm of the gradient of this update is wanted."""
        return self.updates % LOOK_EVERY == 0

    def each(self, learn: Callable[[int], Seen], indices: Iterable[int]) -> list[Seen]:
        """Let seeds learn, and return what each saw."""
        return [learn(index) for index in indices]

    def _learn(self, index: int, factor: float, inputs: Tensor, targets: Tensor) -> Seen:
        model, optimizer = self.models[index], self.optimizers[index]
        for group in optimizer.param_groups:
            group["lr"] = self.full_rate * factor
        if self.drops:  # so that a resumed step drops what the straight one dropped
            torch.manual_seed(derive_seed(self.seeds[index], "dropout", self.updates))
        model.train()
        keep_statistics(model, self.frozen)
        optimizer.zero_grad(set_to_none=True)
        losses, errors = self.descend(index, inputs, targets)
        norm = NO_NORM
        if self.looks:  # before the step, which may change gradients
            norm = gradient_norm(weight.grad for weight in model.parameters())
        optimizer.step()
        average = self.averages[index]
        if average is not None:
            average.update(model)
        return losses, errors, norm

    def descend(self, index: int, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Leave the gradient of the mean loss in a seed's weights.

        Args:
            index: Whose.
            inputs: (B, C, H, W).
            targets: (B,) or (B, classes).

        Returns:
            The sum of the losses, float64, and the number of errors, int64.
        """
        outputs = self.models[index](inputs)
        losses = self.loss(outputs, targets)
        losses.mean().backward()  # type: ignore[no-untyped-call]
        return losses.detach().double().sum(), count_errors(self.classify, outputs, targets)

    def state(self, index: int) -> dict[str, Tensor]:
        """Return weights, average, momenta and the count of updates; see `Learner.state`."""
        state = {"updates": torch.tensor(self.updates)}
        state |= _prefixed("model", self.models[index].state_dict().items())
        average = self.averages[index]
        if average is not None:
            state |= _prefixed("average", average.model.state_dict().items())
        state |= _prefixed("optimizer", self.momenta(index).items())
        return {name: value.detach().cpu().clone() for name, value in state.items()}

    def load_state(self, index: int, state: dict[str, Tensor]) -> None:
        """Go back to `state`; see `Learner.load_state`."""
        self.make_momenta(index)
        check_layout(state, self.state(index))
        kept = _section("optimizer", state)
        for name, value in {**kept, "updates": state["updates"]}.items():
            if value.dim() == 0 and not value >= 0:
                raise RunError(f"{name} is {value.item():g}, but updates are counted from 0")
        self.updates = int(state["updates"])
        self.models[index].load_state_dict(_section("model", state))
        average = self.averages[index]
        if average is not None:
            average.model.load_state_dict(_section("average", state))
            average.updates = self.updates
        for name, value in self.momenta(index).items():
            value.copy_(kept[name])

    def momenta(self, index: int) -> dict[str, Tensor]:
        """Return what the optimizer remembers for a seed, as it is used, not copied."""
        return {
            f"{index}.{name}": value
            for index, values in self.optimizers[index].state_dict()["state"].items()
            for name, value in values.items()
            if value is not None
        }

    def make_momenta(self, index: int) -> None:
        """Let there be momenta, by a step without gradients; the weights stay what they are."""
        optimizer = self.optimizers[index]
        weights = [weight for group in optimizer.param_groups for weight in group["params"]]
        before = [weight.detach().clone() for weight in weights]
        for weight in weights:
            weight.grad = torch.zeros_like(weight)
        optimizer.step()
        with torch.no_grad():  # weight decay has changed them
            for weight, value in zip(weights, before, strict=True):
                weight.copy_(value)

    def model(self, index: int) -> nn.Module:
        """Return the averaged network if there is one, else the network itself."""
        average = self.averages[index]
        return (average.model if average is not None else self.models[index]).eval()


def gradient_norm(gradients: Iterable[Tensor | None], dim: int = 0) -> Tensor:
    """Return the Euclidean norm of gradients taken together, float32.

    Args:
        gradients: Of each weight, as far as it has one.
        dim: The first dimension to go over; 1 if the first counts seeds, each with its own norm.
    """
    known = [each for each in gradients if each is not None]
    parts = [each.reshape(*each.shape[:dim], -1).norm(dim=-1) for each in known]
    total: Tensor = torch.stack(parts).norm(dim=0)
    return total


@torch.no_grad()
def count_errors(classify: Callable[[Tensor], Tensor], outputs: Tensor, targets: Tensor) -> Tensor:
    """Return how many predictions are wrong, int64 (...,).

    Args:
        classify: Outputs (..., B, classes) → labels (..., B).
        outputs: (..., B, classes).
        targets: Labels, int64 (..., B), or shares of each class, (..., B, classes).
    """
    labels = targets.argmax(-1) if targets.is_floating_point() else targets
    return are_wrong(classify(outputs), labels).sum(-1)


def _prefixed(prefix: str, items: Iterable[tuple[str, Tensor]]) -> dict[str, Tensor]:
    return {f"{prefix}.{name}": value for name, value in items}


def _section(prefix: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    start = prefix + "."
    return {k.removeprefix(start): v for k, v in state.items() if k.startswith(start)}
