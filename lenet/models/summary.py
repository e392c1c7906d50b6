"""A network layer by layer: sizes, weights, connections, work, and what each unit sees.

The real modules are watched while a blank picture goes through them, so that every network can be
summed up, whatever way it was written.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from lenet.models.arithmetic import Field, Step, TransposedStep
from lenet.models.layers import RBF, PartialConvolution, Subsampling, count_connections
from lenet.models.local import LocallyConnected
from lenet.tables import TOTAL, Table

Step1D = Step | TransposedStep

_CONSTANT_PADS = (
    nn.ZeroPad2d, nn.ConstantPad2d, nn.ReflectionPad2d, nn.ReplicationPad2d, nn.CircularPad2d,
)  # fmt: skip
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)


@dataclass(frozen=True)
class Row:
    """One layer."""

    name: str
    """Its path in the network, as in the weights file."""
    kind: str
    """Its class."""
    output: tuple[int, ...]
    """(channels, height, width) or (units,)."""
    size: int | None
    """Width of the filter in pixels, f; None for a layer that is not moved over the picture."""
    padding: int | None
    """Pixels added on each side (cut off, for a transposed convolution), p."""
    stride: int | None
    """Pixels from one place to the next, s."""
    parameters: int
    """Trainable weights and biases."""
    connections: int
    """One per weight or bias and use of it, as the 1998 paper counts."""
    multiply_adds: int
    """Multiplications whose products are added up, for one picture."""
    field: int
    """Width of the receptive field in pixels of the input, padding included."""
    jump: float
    """Pixels between the receptive fields of neighbouring units."""
    arithmetic: str
    """How the output's width follows from the input's; empty for a layer without a filter."""


@dataclass(frozen=True)
class Summary:
    """All layers of a network."""

    input: tuple[int, ...]
    """(channels, height, width)."""
    rows: Sequence[Row]
    parameters: int
    """Trainable weights and biases of the whole network."""
    fixed: int
    """Numbers that are saved but not trained, such as the RBF centres."""

    @property
    def connections(self) -> int:
        """Connections of all layers."""
        return sum(row.connections for row in self.rows)

    @property
    def multiply_adds(self) -> int:
        """Multiply-adds of all layers, for one picture."""
        return sum(row.multiply_adds for row in self.rows)

    def as_dict(self) -> dict[str, Any]:
        """Return the summary for JSON."""
        totals = {"connections": self.connections, "multiply_adds": self.multiply_adds}
        return asdict(self) | totals

    def table(self) -> Table:
        """Return the summary as a table."""
        head = ("layer", "kind", "output", "f", "p", "s", "parameters", "connections",
                "multiply-adds", "sees", "jump", "o = (n + 2p - f)/s + 1")  # fmt: skip
        lines = [("input", "", _shown(self.input), *[""] * 9)]
        for row in self.rows:
            filter_ = ("" if v is None else str(v) for v in (row.size, row.padding, row.stride))
            counts = (f"{v:,}" for v in (row.parameters, row.connections, row.multiply_adds))
            seen = (f"{row.field:g}", f"{row.jump:g}", row.arithmetic)
            lines.append((row.name, row.kind, _shown(row.output), *filter_, *counts, *seen))
        totals = (f"{v:,}" for v in (self.parameters, self.connections, self.multiply_adds))
        lines.append(("total", *[""] * 5, *totals, "", "", ""))
        return Table(
            head,
            lines,
            left=frozenset({0, 1, 2, 11}),
            optional=(11, 10, 9, 7, 8, 4),
            styles={len(lines) - 1: TOTAL},
            notes=[f"and {self.fixed:,} fixed numbers that are saved but not trained"]
            if self.fixed
            else [],
        )


@dataclass(frozen=True)
class _Seen:
    """What is known of a tensor on its way through the network."""

    field: Field
    extent: int
    """Places across that one unit of the tensor covers when it is taken as a whole."""


@torch.inference_mode()
def summarize_network(model: nn.Module, shape: tuple[int, int, int]) -> Summary:
    """Send a blank picture through a network and describe each layer that it meets.

    Layers that neither have weights nor change the size of channels, such as activations, are left
    out. Where a tensor comes from an operation that is no module (an addition, say), the widest
    receptive field so far is taken for its own.

    Args:
        model: Any network of (1, channels, height, width) pictures.
        shape: Channels, height and width of its input.
    """
    rows: list[Row] = []
    counted: set[nn.Module] = set()
    kept: list[Tensor] = []  # as long as tensors live, their addresses name them
    picture = torch.zeros(1, *shape, device=next(model.parameters(), torch.zeros(0)).device)
    seen = {picture.data_ptr(): _Seen(Field(), max(shape[1:]))}

    def watch(name: str, module: nn.Module, source: Tensor, output: Tensor) -> None:
        before = seen.get(source.data_ptr(), max(seen.values(), key=lambda s: s.field.size))
        step = _step(module, source, before)
        field = _field(before.field, step)
        extent = max(output.shape[2:]) if output.dim() == 4 else before.extent
        if isinstance(module, nn.Linear | RBF):
            extent = 1
        seen[output.data_ptr()] = _Seen(field, extent)
        kept.extend((source, output))
        weights = 0 if module in counted else _trainable(module)
        counted.add(module)
        if not _has_weights(module) and (source.shape == output.shape or output.dim() == 2):
            return
        moved = output.dim() == 4
        connections, multiply_adds = _count_work(module, source, output)
        rows.append(
            Row(
                name=name,
                kind=type(module).__name__,
                output=tuple(output.shape[1:]),
                size=step.size if step and moved else None,
                padding=_shown_padding(step) if step and moved else None,
                stride=step.stride if step and moved else None,
                parameters=weights,
                connections=connections,
                multiply_adds=multiply_adds,
                field=field.size,
                jump=field.jump,
                arithmetic=step.formula() if step and moved else "",
            )
        )

    was_training = model.training
    model.eval()
    with _watched(model, watch):
        model(picture)
    model.train(was_training)
    parameters = _trainable(model, recurse=True)
    fixed = sum(tensor.numel() for tensor in model.state_dict().values()) - parameters
    return Summary(shape, rows, parameters, fixed)


@contextmanager
def _watched(model: nn.Module, watch: Any) -> Iterator[None]:
    """Call `watch(name, module, input, output)` for each innermost module that is run."""
    handles = [
        module.register_forward_hook(
            lambda module, inputs, output, name=name: watch(name, module, inputs[0], output)
        )
        for name, module in model.named_modules()
        if _has_weights(module) or not list(module.children())
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _step(module: nn.Module, source: Tensor, before: _Seen) -> Step1D | None:
    """Return what a layer does to the width of its input; None if it takes each unit by itself."""
    n = source.shape[-1]
    if isinstance(module, nn.ConvTranspose2d):
        size, stride, padding, extra = (
            module.kernel_size[1], module.stride[1], module.padding[1], module.output_padding[1]
        )  # fmt: skip
        return TransposedStep(n, size, stride, int(padding), extra)
    if isinstance(module, nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d):
        size, stride, padding = (
            value if isinstance(value, int) else int(value[-1])
            for value in (module.kernel_size, module.stride, module.padding)
        )
        return Step(n, size, stride, padding, padding)
    if isinstance(module, PartialConvolution | LocallyConnected):
        stride = module.stride[1] if isinstance(module, LocallyConnected) else 1
        return Step(n, module.kernel_size[1], stride)
    if isinstance(module, Subsampling):
        return Step(n, 2, 2)
    if isinstance(module, _CONSTANT_PADS):
        return Step(n, 1, 1, int(module.padding[0]), int(module.padding[1]))
    if isinstance(module, nn.AdaptiveAvgPool2d):
        return Step(n, n)
    if isinstance(module, nn.Linear | RBF):
        return Step(before.extent, before.extent)  # each unit sees all places
    return None


def _field(before: Field, step: Step1D | None) -> Field:
    if isinstance(step, TransposedStep):
        return before.through_transposed(step.size, step.stride, step.padding)
    return before.through(step.size, step.stride, step.before) if step else before


def _shown_padding(step: Step1D) -> int:
    return step.padding if isinstance(step, TransposedStep) else step.before


def _count_work(module: nn.Module, source: Tensor, output: Tensor) -> tuple[int, int]:
    """Return a layer's connections and its multiply-adds for one picture.

    Connections to padding count, as those of any other pixel.
    """
    biases = output.numel() if getattr(module, "bias", None) is not None else 0
    if isinstance(module, LocallyConnected):
        products = module.weight.numel()
    elif isinstance(module, nn.ConvTranspose2d):
        products = source[0, 0].numel() * module.weight.numel()
    elif isinstance(module, _NORMS):
        products = output.numel()
    elif isinstance(module, Subsampling):  # four connections, but one product, per unit
        return count_connections(module, output), output.numel()
    else:
        connections = count_connections(module, output)
        return connections, connections - biases
    return products + biases, products


def _has_weights(module: nn.Module) -> bool:
    return any(True for _ in module.parameters(recurse=False)) or isinstance(module, RBF)


def _trainable(module: nn.Module, recurse: bool = False) -> int:
    return sum(p.numel() for p in module.parameters(recurse) if p.requires_grad)


def _shown(shape: tuple[int, ...]) -> str:
    if len(shape) == 1:
        return f"{shape[0]}"
    return f"{shape[0]}@{shape[1]}×{shape[2]}"
