"""Gradient descent by compiled kernels, where they cover network, loss, optimizer and machine."""

import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import Any, Literal

import torch
from torch import Tensor, nn

from lenet.config.schema import SGD, Compact, Config, CrossEntropy, LeNet5Modern
from lenet.data.sources import describe_dataset
from lenet.errors import UsageError
from lenet.kernels.plan import NotCoveredError, Plan, plan_network, values_of
from lenet.kernels.support import missing
from lenet.models import build_model
from lenet.runs.run import Run
from lenet.training.gradient import NO_NORM, GradientLearner, Seen
from lenet.training.optimizers import decay_groups

Kernels = Literal["torch", "fast"]

MOST_CHANNELS = 64
"""Channels of ``compact`` up to which the kernels were measured to be faster than PyTorch."""
PATIENCE_SECONDS = 1.0
"""How long kernels may take to load before it is said that they are being compiled."""


class FusedLearner(GradientLearner):
    """One update per batch and seed, each in one compiled step without PyTorch.

    With one seed all threads share a step; with several, as many seeds at a time as there are
    threads make theirs, each on one thread. To rounding, a seed becomes what PyTorch makes of it;
    the same number of threads gives the same bits.

    The kernels keep weights, momenta and averages in a layout of their own. The models, momenta
    and averages here get them when somebody asks for a state or a model, so that states are those
    of `GradientLearner`, and either learner goes on from the other's.

    Args:
        plan: Of the networks.
        levels: What pixels of 0 and 1 become; batches are images, or inputs if this is (0, 1).
        sgd: The optimizer; PyTorch's own is never made.
        models: Networks that `why_not` has no objection to, on the CPU.
        arguments: The other arguments of `GradientLearner`: a cross-entropy, and SGD.
        options: The other arguments of `GradientLearner`.
    """

    def __init__(
        self,
        plan: Plan,
        levels: tuple[float, float],
        sgd: SGD,
        models: Sequence[nn.Module],
        *arguments: Any,
        **options: Any,
    ) -> None:
        from lenet.kernels.network import FastNetwork

        super().__init__(models, *arguments, **options)
        self.plan, self.sgd = plan, sgd
        self.velocities: list[dict[str, Tensor]] = [{} for _ in self.models]
        threads = torch.get_num_threads()
        self.pool = ThreadPoolExecutor(threads) if len(self.models) > 1 else None
        self.fused = [FastNetwork(plan, 1 if self.pool else threads, levels) for _ in self.models]
        for index in range(len(self.models)):
            self._pack(index)

    def each(self, learn: Callable[[int], Seen], indices: Iterable[int]) -> list[Seen]:
        """Let seeds learn at the same time; see `GradientLearner.each`."""
        return list(self.pool.map(learn, indices)) if self.pool else super().each(learn, indices)

    def _learn(self, index: int, factor: float, inputs: Tensor, targets: Tensor) -> Seen:
        sgd, average = self.sgd, self.averages[index]
        loss_sum, errors = self.fused[index].learn(
            inputs,
            targets,
            rate=self.full_rate * factor,
            momentum=sgd.momentum,
            nesterov=sgd.nesterov,
            decay=sgd.weight_decay,
            smoothing=getattr(self.loss, "label_smoothing"),  # noqa: B009 - only cross-entropy's
            keep=average.advance() if average is not None else None,
        )
        norm = torch.from_numpy(self.fused[index].gradient).norm() if self.looks else NO_NORM
        return torch.tensor(loss_sum, dtype=torch.float64), torch.tensor(errors), norm

    @property
    def full_rate(self) -> float:
        """The learning rate where the schedule's factor is 1."""
        return self.sgd.lr

    def state(self, index: int) -> dict[str, Tensor]:
        """Return the seed's state, the same tensors as `GradientLearner.state`."""
        self._unpack(index)
        return super().state(index)

    def load_state(self, index: int, state: dict[str, Tensor]) -> None:
        """Go back to `state`; see `Learner.load_state`."""
        super().load_state(index, state)
        self._pack(index)

    def momenta(self, index: int) -> dict[str, Tensor]:
        """Return the momenta of a seed, named as PyTorch's SGD numbers them."""
        values = self.velocities[index].values()
        return {f"{number}.momentum_buffer": value for number, value in enumerate(values)}

    def make_momenta(self, index: int) -> None:
        """Let there be momenta, if the optimizer has any."""
        if self.sgd.momentum:
            names = {weight: name for name, weight in self.models[index].named_parameters()}
            weights = chain.from_iterable(g["params"] for g in decay_groups(self.models[index], 0))
            self.velocities[index] = {names[w]: torch.zeros_like(w) for w in weights}

    def model(self, index: int) -> nn.Module:
        """Return the averaged network if there is one, else the network itself."""
        self._unpack(index)
        return super().model(index)

    def _pack(self, index: int) -> None:
        """Hand weights, momenta and average over to the kernels."""
        fused, average = self.fused[index], self.averages[index]
        self.plan.pack(values_of(self.models[index]), fused.weights)
        if average is not None:
            self.plan.pack(values_of(average.model), fused.average)
        self.plan.pack(self.velocities[index], fused.velocity)

    def _unpack(self, index: int) -> None:
        """Take weights, momenta and average back from the kernels."""
        fused, average = self.fused[index], self.averages[index]
        if self.updates and not self.velocities[index]:
            self.make_momenta(index)
        self.plan.unpack(fused.weights, values_of(self.models[index]))
        if average is not None:
            self.plan.unpack(fused.average, values_of(average.model))
        for model in [self.models[index]] + ([average.model] if average is not None else []):
            for buffer in model.buffers():
                if not buffer.is_floating_point():  # batch norm counts its batches
                    buffer.fill_(self.updates)
        self.plan.unpack(fused.velocity, self.velocities[index])


def plan_of(config: Config) -> Plan:
    """Return the plan of a config's network.

    Raises:
        NotCoveredError: The kernels do not cover it.
    """
    model, data = config.model, describe_dataset(config.data)
    if not isinstance(model, LeNet5Modern | Compact):
        raise NotCoveredError(f"the network {model.kind}")
    if isinstance(model, LeNet5Modern) and model.dropout:
        raise NotCoveredError("dropout")
    size, classes = config.input.size, len(data.classes)
    with torch.device("meta"):  # shapes without memory
        network = build_model(
            model.kind, size, in_channels=data.channels, classes=classes, **model.options()
        )
    return plan_network(network, data.channels, size)


def why_not(config: Config, device: torch.device, processes: int = 1) -> str | None:
    """Return why the kernels cannot train a config here, or None if they can."""
    loss, optimizer = config.loss, config.optimizer
    if not isinstance(loss, CrossEntropy):
        return f"the fast kernels know cross-entropy, not {loss.kind}"
    if not isinstance(optimizer, SGD):
        return f"the fast kernels know sgd, not {optimizer.kind}"
    if config.quantize is not None:
        return "the fast kernels do not round weights and states"
    if config.train.freeze:
        return "the fast kernels train all layers"
    if device.type != "cpu":
        return f"the fast kernels are for the CPU, not for {device.type}"
    if processes > 1:
        return "the fast kernels do not divide a batch among processes"
    try:
        plan_of(config)
    except NotCoveredError as error:
        return f"the fast kernels do not know {error}"
    return _what_is_missing()


def _what_is_missing() -> str | None:
    lack = missing()
    return f"the fast kernels need {lack}" if lack else None


def choose_kernels(
    config: Config,
    device: torch.device,
    processes: int = 1,
    say: Callable[[str], None] = lambda line: None,
) -> Kernels:
    """Return what computes the steps of a new run; say if only the machine stands in the way.

    Raises:
        UsageError: The config asks for kernels that cannot train it here.
    """
    if config.kernels == "torch":
        return "torch"
    reason = why_not(config, device, processes)
    if reason and config.kernels == "fast":
        raise UsageError(reason, ("kernels",))
    if config.kernels == "auto" and not _pays_off(config):
        return "torch"
    if reason and reason == _what_is_missing():
        say(f"note: trains by PyTorch: {reason}")
    return "torch" if reason else "fast"


def _pays_off(config: Config) -> bool:
    """Say whether the kernels are faster than PyTorch, whose blocks many channels fill."""
    return not isinstance(config.model, Compact) or max(config.model.channels) <= MOST_CHANNELS


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
    notice = threading.Timer(
        PATIENCE_SECONDS,
        say,
        ["loading kernels (compiling them, the first time, takes 10 to 20 s) …"],
    )
    notice.daemon = True
    notice.start()
    try:
        from lenet.kernels.network import FastNetwork

        plan = plan_of(config)
        image = torch.zeros(1, plan.channels, plan.size, plan.size)
        FastNetwork(plan, 1).learn(image, torch.zeros(1, dtype=torch.int64), rate=0.0)
        if config.augment:
            from lenet.kernels.warp import Sampler

            Sampler(1).look_up(image[:0], (1, 1), torch.zeros(1, 2, 1), torch.eye(3)[None])
    finally:
        notice.cancel()
