"""A network as one HTML file: draw, or drop a picture, and watch the states of every layer.

The page needs no server and no internet, which its content security policy forbids. Inference and
the preparation of the drawing are plain JavaScript: ``network.js`` and ``digitize.js``.

Source: LeCun's demonstrations of the 1990s, which showed all layers' states beside the input.
"""

import base64
import html
import json
from collections.abc import Callable, Sequence
from importlib.resources import files
from string import Template
from typing import Any

import torch
from torch import Tensor, nn

from lenet.data.sources import DIGITS
from lenet.errors import UsageError, count
from lenet.evaluation.classifier import Classifier
from lenet.export.request import Request
from lenet.models.activations import ScaledTanh
from lenet.models.layers import RBF, PartialConvolution, Subsampling
from lenet.models.pooling import MaxPool2d
from lenet.reading import digitize
from lenet.reading.digitize import FIELD
from lenet.reading.refusal import NO_DIGIT, OTHER, find_judge
from lenet.runs.files import write_atomically

LIMIT = 20_000_000  # bytes
BITMAP = 84
"""Units that form a bitmap of 7 × 12: LeNet-5's F6."""

PREPARATION = ("FIELD", "FIT", "CENTRE", "FINE", "THIN", "STROKE", "EDGE", "HAZE")
"""Constants of `lenet.reading.digitize` that ``digitize.js`` needs."""

Step = tuple[str, dict[str, Any]]  # its kind in network.js, and its numbers


def export_page(request: Request) -> str:
    """Write the page, which always includes the preprocessing.

    Networks of 28×28 pixels in grey get a pad to draw on; others, and those of picture folders,
    take a picture as it is.

    Raises:
        UsageError: The network has a layer, or prepares its images in a way, that the page cannot
            compute, or is too large.
    """
    classifier, config = request.float_classifier, request.run.config
    if request.quantize:
        raise UsageError("the page computes in floating point: leave out --quantize")
    description, weights = describe_network(classifier)
    judge = find_judge(classifier.data) if description["draws"] else None
    constants = ", ".join(f"{name} = {getattr(digitize, name)}" for name in PREPARATION)
    constants += f", NO_DIGIT = {NO_DIGIT}, OTHER = {json.dumps(OTHER)}"
    scripts = (_text(name) for name in ("network.js", "digitize.js", "page.js"))
    script = "\n".join((f"const {constants};", *scripts))
    penalties = classifier.outputs == "penalties"
    names, kind = classifier.data.classes, config.model.kind
    if kind in ("lenet5", "lenet5-modern") and names == DIGITS:
        title = f"LeNet-5 reads your digit ({kind})"
        about = "LeNet-5 as of 1998." if kind == "lenet5" else "LeNet-5's shape with today's parts."
    else:
        what = "digits" if names == DIGITS else f"{len(names)} classes"
        title = f"{request.run.folder.absolute().parent.name}: {what}"
        parameters = sum(weight.numel() for weight in classifier.model.parameters())
        about = f"A network of the kind {kind} with {parameters:,} parameters."
    layers = [("input", "as the network sees it")]
    layers += [(layer["name"], layer["about"]) for layer in description["layers"][:-1]]
    page = Template(_text("page.html")).substitute(
        title=html.escape(title),
        about=html.escape(about),
        way="draw" if description["draws"] else "drop",
        invitation="Draw a digit" if names == DIGITS else "Draw one",
        meaning="probabilities, beside the bitmaps that F6 is compared with"
        if penalties
        else "probabilities",
        sections="\n".join(
            f"    <section><h2>{html.escape(name.upper() if place else 'Input')}"
            f' <small>{html.escape(said)}</small></h2><canvas id="map-{place}" role="img"'
            f' aria-label="states of {html.escape(name)}"></canvas></section>'
            for place, (name, said) in enumerate(layers)
        ),
        network=_encode(description, weights),
        judge="null" if judge is None else _encode(*describe_network(judge)),
        script=script,
    )
    content = page.encode()
    if len(content) > LIMIT:
        raise UsageError(f"the page would have {len(content):,} bytes, more than {LIMIT:,}")
    write_atomically(request.path, content)
    return f"{len(content):,} bytes; open it in a browser"


def _encode(description: dict[str, Any], weights: Tensor) -> str:
    """Write a network as JSON within a script."""
    text = base64.b64encode(weights.numpy().astype("<f4").tobytes()).decode()
    content = json.dumps({**description, "weights": text}, separators=(",", ":"))
    return content.replace("<", "\\u003c")  # a class may be called </script>


def describe_network(classifier: Classifier) -> tuple[dict[str, Any], Tensor]:
    """Describe a network for ``network.js``.

    Returns:
        The layers in the order in which they run, each with its steps, whose weights and biases are
        given as [start, length] of the second value: all numbers in a row, float32 (n,).

    Raises:
        UsageError: The network has a layer that ``network.js`` lacks, or normalizes each digit's
            shape.
    """
    prepare, data = classifier.preprocess, classifier.data
    if prepare.normalizes_shape:
        raise UsageError("the page cannot normalize slant or width, as this network needs")
    numbers: list[Tensor] = []
    layers: list[dict[str, Any]] = []
    ahead: list[dict[str, Any]] = []  # steps that belong to the layer after them
    start = 0
    for name, module, shape in _run(classifier):
        if isinstance(module, nn.Flatten | nn.Dropout | nn.Identity):
            continue
        if type(module) not in STEPS:
            raise UsageError(f"the page cannot compute {type(module).__name__} ({name})")
        try:
            kind, values = STEPS[type(module)](module)
        except ValueError as error:
            raise UsageError(f"the page cannot compute {error} ({name})") from error
        for key, value in values.items():
            if isinstance(value, Tensor):
                numbers.append(value.detach().float().flatten().cpu())
                values[key] = [start, value.numel()]
                start += value.numel()
        step = {"kind": kind, **values}
        if isinstance(module, PADDING) or not (layers or isinstance(module, BEGINNINGS)):
            ahead.append(step)
            continue
        if isinstance(module, BEGINNINGS):
            if name.rpartition(".")[2].isdecimal():  # a model without names for its layers
                name = f"layer {len(layers) + 1}"
            layers.append({"name": name, "about": _size(shape), "steps": ahead})
            ahead = []
        layers[-1]["steps"].append(step)
    description = {
        "size": prepare.size,
        "image": {"channels": data.channels, "side": data.size},
        "shrink": prepare.scale,
        "places": None if prepare.places is None else prepare.places.tolist(),
        "levels": prepare.levels.tolist(),
        "outputs": classifier.outputs,
        "classes": list(data.classes),
        "draws": data.shape == (1, FIELD, FIELD) and not data.whole_pictures,
        "layers": layers,
    }
    return description, torch.cat(numbers)


@torch.inference_mode()
def _run(classifier: Classifier) -> list[tuple[str, nn.Module, torch.Size]]:
    """Return the modules without parts in the order in which they run, with their outputs' shapes.

    Shapes are those of one image.
    """
    ran: list[tuple[str, nn.Module, torch.Size]] = []

    def note(name: str) -> Callable[[nn.Module, Any, Tensor], None]:
        return lambda module, given, made: ran.append((name, module, made.shape[1:]))

    leaves = [(n, m) for n, m in classifier.model.named_modules() if not any(m.children())]
    hooks = [module.register_forward_hook(note(name)) for name, module in leaves]
    try:
        classifier(torch.zeros(1, *classifier.data.shape))
    finally:
        for hook in hooks:
            hook.remove()
    return ran


def _size(shape: Sequence[int]) -> str:
    """Return the caption of a layer of that shape, (C, H, W) or (units,)."""
    channels, side = shape[0], shape[-1] if len(shape) > 1 else 1
    if side > 1:
        return f"{count(channels, 'channel')} of {side}×{side}"
    return count(channels, "unit") + (", as a bitmap of 7 × 12" if channels == BITMAP else "")


def _convolution(layer: Any) -> Step:
    if isinstance(layer, PartialConvolution):
        weight, stride, padding = layer.dense_weight(), 1, 0
    else:
        weight, stride, padding = layer.weight, layer.stride[0], layer.padding[0]
        if layer.padding_mode != "zeros":
            raise ValueError(f"convolutions that pad by {layer.padding_mode}")
        if layer.groups > 1:  # the kernels that are not there are 0
            filters, own = layer.out_channels, layer.in_channels // layer.groups
            dense = weight.new_zeros(filters, layer.in_channels, *weight.shape[2:])
            for number in range(filters):
                first = number * layer.groups // filters * own
                dense[number, first : first + own] = weight[number]
            weight = dense
    return "convolution", {
        "channels": layer.out_channels,
        "side": layer.kernel_size[0],
        "stride": stride,
        "padding": padding,
        "weight": weight,
        "bias": layer.bias,
    }


def _pooling(kind: str) -> Callable[[Any], Step]:
    def describe(layer: Any) -> Step:
        size, stride, padding = layer.kernel_size, layer.stride, layer.padding
        return kind, {"window": size, "stride": stride, "padding": padding}

    return describe


def _average(layer: Any) -> Step:
    if layer.output_size not in (1, (1, 1)):
        raise ValueError(f"averages of {layer.output_size} places")
    return "mean", {}


def _padding(layer: Any) -> Step:
    left, right, top, bottom = layer.padding
    if (left, right) != (top, bottom):
        raise ValueError("padding that is not square")
    return "pad", {"before": left, "after": right, "value": getattr(layer, "value", 0.0)}


def _normalization(layer: Any) -> Step:
    scale = layer.weight / (layer.running_var + layer.eps).sqrt()
    return "normalization", {"weight": scale, "bias": layer.bias - layer.running_mean * scale}


STEPS: dict[type[nn.Module], Callable[[Any], Step]] = {
    nn.Conv2d: _convolution,
    PartialConvolution: _convolution,
    Subsampling: lambda layer: (
        "subsampling",
        {"weight": layer.coefficient, "bias": layer.bias, "copies": layer.copies},
    ),
    nn.AvgPool2d: _pooling("average"),
    nn.MaxPool2d: _pooling("maximum"),
    MaxPool2d: _pooling("maximum"),
    nn.AdaptiveAvgPool2d: _average,
    nn.ZeroPad2d: _padding,
    nn.ConstantPad2d: _padding,
    nn.BatchNorm2d: _normalization,
    nn.BatchNorm1d: _normalization,
    nn.Linear: lambda layer: (
        "linear",
        {"channels": layer.out_features, "weight": layer.weight, "bias": layer.bias},
    ),
    RBF: lambda layer: ("distance", {"channels": len(layer.centres), "weight": layer.centres}),
    ScaledTanh: lambda layer: ("scaled_tanh", {}),
    nn.ReLU: lambda layer: ("relu", {}),
    nn.Tanh: lambda layer: ("tanh", {}),
    nn.SiLU: lambda layer: ("silu", {}),
    nn.GELU: lambda layer: ("gelu", {}),
}
"""How ``network.js`` computes each module."""

BEGINNINGS = (
    nn.Conv2d, PartialConvolution, Subsampling, nn.AvgPool2d, nn.MaxPool2d, nn.AdaptiveAvgPool2d,
    nn.Linear, RBF,
)  # fmt: skip
"""A layer begins with one of these; activations and normalizations follow."""
PADDING = (nn.ZeroPad2d, nn.ConstantPad2d)
"""What belongs to the layer after it."""


def _text(name: str) -> str:
    return (files(__package__) / name).read_text(encoding="utf-8")
