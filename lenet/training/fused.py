"""Gradient descent by compiled kernels, where they cover network, loss, optimizer and machine."""

import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

import torch
from torch import Tensor, nn

from lenet.config.schema import SGD, Config, CrossEntropy, LeNet5Modern
from lenet.data.sources import describe_dataset
from lenet.errors import UsageError
from lenet.kernels.layout import C1_SHAPE, CLASSES
from lenet.kernels.support import missing
from lenet.runs.run import Run
from lenet.training.gradient import GradientLearner

Kernels = Literal["torch", "fast"]

PATIENCE_SECONDS = 1.0
"""How long kernels may take to load before it is said that they are being compiled."""


class FusedLearner(GradientLearner):
    """One update per batch and seed, each in one compiled step without PyTorch.

    With one seed all threads share a step; with several, as many seeds at a time as there are
    threads make theirs, each on one thread. To rounding, a seed becomes what PyTorch makes of it;
    the same number of threads gives the same bits.

    The kernels keep weights, momenta and averages in a layout of their own. The models, the
    optimizers and the averages of `GradientLearner` get them when somebody asks for a state or a
    model, so that states are the same, and either learner goes on from the other's.

    Args:
        models: Modern LeNet-5s that `why_not` has no objection to, on the CPU.
        arguments: The other arguments of `GradientLearner`: a cross-entropy, and SGD.
        options: The other arguments of `GradientLearner`.
    """

    def __init__(self, models: Sequence[nn.Module], *arguments: Any, **options: Any) -> None:
        from lenet.kernels.lenet5 import FusedLeNet5

        super().__init__(models, *arguments, **options)
        threads = torch.get_num_threads()
        batch_norm = any(isinstance(m, nn.BatchNorm2d) for m in self.models[0].modules())
        self.pool = ThreadPoolExecutor(threads) if len(self.models) > 1 else None
        self.fused = [FusedLeNet5(1 if self.pool else threads, batch_norm) for _ in self.models]
        for index in range(len(self.models)):
            self._pack(index)

    def each(
        self, learn: Callable[[int], tuple[Tensor, Tensor]], indices: Iterable[int]
    ) -> list[tuple[Tensor, Tensor]]:
        """Let seeds learn at the same time; see `GradientLearner.each`."""
        return list(self.pool.map(learn, indices)) if self.pool else super().each(learn, indices)

    def _learn(
        self, index: int, factor: float, inputs: Tensor, targets: Tensor
    ) -> tuple[Tensor, Tensor]:
        group, average = self.optimizers[index].param_groups[0], self.averages[index]
        loss_sum, errors = self.fused[index].learn(
            inputs,
            targets,
            rate=self.full_rates[index][0] * factor,
            momentum=group["momentum"],
            nesterov=group["nesterov"],
            decay=group["weight_decay"],
            smoothing=getattr(self.loss, "label_smoothing"),  # noqa: B009 - only cross-entropy's
            keep=average.advance() if average is not None else None,
        )
        return torch.tensor(loss_sum, dtype=torch.float64), torch.tensor(errors)

    def state(self, index: int) -> dict[str, Tensor]:
        """Return the seed's state, the same tensors as `GradientLearner.state`."""
        self._unpack(index)
        return super().state(index)

    def load_state(self, index: int, state: dict[str, Tensor]) -> None:
        """Go back to `state`; see `Learner.load_state`."""
        super().load_state(index, state)
        self._pack(index)

    def model(self, index: int) -> nn.Module:
        """Return the averaged network if there is one, else the network itself."""
        self._unpack(index)
        return super().model(index)

    def _pack(self, index: int) -> None:
        """Hand weights, momenta and average over to the kernels."""
        from lenet.kernels.layout import pack

        fused, average = self.fused[index], self.averages[index]
        pack(_values(self.models[index]), fused.weights)
        if average is not None:
            pack(_values(average.model), fused.average)
        pack(self._velocity(index), fused.velocity)

    def _unpack(self, index: int) -> None:
        """Take weights, momenta and average back from the kernels."""
        from lenet.kernels.layout import unpack

        fused, average = self.fused[index], self.averages[index]
        if self.updates and not self.optimizers[index].state:
            self.make_momenta(index)
        unpack(fused.weights, _values(self.models[index]))
        if average is not None:
            unpack(fused.average, _values(average.model))
        for model in [self.models[index]] + ([average.model] if average is not None else []):
            for buffer in model.buffers():
                if not buffer.is_floating_point():  # batch norm counts its batches
                    buffer.fill_(self.updates)
        unpack(fused.velocity, self._velocity(index))

    def _velocity(self, index: int) -> dict[str, Tensor]:
        """Return the optimizer's momenta by the names of the weights, as far as it has any."""
        state = self.optimizers[index].state
        return {
            name: state[weight]["momentum_buffer"]
            for name, weight in self.models[index].named_parameters()
            if state.get(weight, {}).get("momentum_buffer") is not None
        }


def _values(model: nn.Module) -> dict[str, Tensor]:
    """Return the weights of a model and its running statistics, as they are used, not copied."""
    return {name: value for name, value in model.state_dict().items() if value.is_floating_point()}


def why_not(config: Config, device: torch.device, processes: int = 1) -> str | None:
    """Return why the kernels cannot train a config here, or None if they can."""
    model, loss, optimizer = config.model, config.loss, config.optimizer
    if not isinstance(model, LeNet5Modern):
        return f"the fast kernels know lenet5-modern, not {model.kind}"
    data = describe_dataset(config.data)
    if (data.channels, len(data.classes)) != (C1_SHAPE[0], CLASSES):
        return f"the fast kernels know grey images of {CLASSES} classes, not {config.data.name}"
    if (model.activation, model.pooling, model.dropout) != ("relu", "max", 0.0):
        return "the fast kernels know lenet5-modern with relu and max-pooling, without dropout"
    if not isinstance(loss, CrossEntropy):
        return f"the fast kernels know cross-entropy, not {loss.kind}"
    if not isinstance(optimizer, SGD):
        return f"the fast kernels know sgd, not {optimizer.kind}"
    if config.train.freeze:
        return "the fast kernels train all layers"
    if device.type != "cpu":
        return f"the fast kernels are for the CPU, not for {device.type}"
    if processes > 1:
        return "the fast kernels do not divide a batch among processes"
    lack = missing()
    return f"the fast kernels need {lack}" if lack else None


def choose_kernels(config: Config, device: torch.device, processes: int = 1) -> Kernels:
    """Return what computes the steps of a new run.

    Raises:
        UsageError: The config asks for kernels that cannot train it here.
    """
    if config.kernels == "torch":
        return "torch"
    reason = why_not(config, device, processes)
    if reason and config.kernels == "fast":
        raise UsageError(reason, ("kernels",))
    return "torch" if reason else "fast"


def kernels_of(
    runs: Sequence[Run],
    config: Config,
    device: torch.device,
    processes: int = 1,
    say: Callable[[str], None] = lambda line: None,
) -> Kernels:
    """Return what computes the steps of runs: what they began with, if that can go on here."""
    if not runs[0].begun:
        return choose_kernels(config, device, processes)
    if runs[0].read_json("environment.json").get("kernels", "torch") == "torch":
        return "torch"
    reason = why_not(config, device, processes)
    if reason:
        say(f"warning: this began with the fast kernels and continues with PyTorch: {reason}")
    return "torch" if reason else "fast"


def compile_kernels(config: Config, say: Callable[[str], None] = lambda line: None) -> None:
    """Load a config's kernels, or compile them if this machine has not done so yet."""
    from lenet.kernels.lenet5 import FusedLeNet5

    notice = threading.Timer(
        PATIENCE_SECONDS, say, ["compiling kernels (once, takes some seconds)"]
    )
    notice.daemon = True
    notice.start()
    fused = FusedLeNet5(1, isinstance(config.model, LeNet5Modern) and config.model.batch_norm)
    fused.learn(torch.zeros(1, 1, 32, 32), torch.zeros(1, dtype=torch.int64), rate=0.0)
    notice.cancel()
