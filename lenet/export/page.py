"""LeNet-5 as one HTML file: draw a digit and watch the states of every layer.

The page needs no server and no internet, which its content security policy forbids. Inference and
the preparation of the drawing are plain JavaScript: ``network.js`` and ``digitize.js``.

Source: LeCun's demonstrations of the 1990s, which showed all layers' states beside the input.
"""

import base64
import html
import json
from collections.abc import Callable
from importlib.resources import files
from string import Template
from typing import Any

import torch
from torch import Tensor, nn

from lenet.errors import UsageError
from lenet.evaluation.classifier import Classifier
from lenet.export.request import Request
from lenet.models.activations import ScaledTanh
from lenet.models.layers import RBF, PartialConvolution, Subsampling
from lenet.models.pooling import MaxPool2d
from lenet.reading import digitize
from lenet.runs.files import write_atomically

LIMIT = 1_000_000  # bytes
LAYERS = {
    "input": "the drawing as the network sees it",
    "c1": "6 channels",
    "s2": "6 channels",
    "c3": "16 channels",
    "s4": "16 channels",
    "c5": "120 units",
    "f6": "84 units, as a bitmap of 7 × 12",
}
"""The layers that the page draws, with captions; the outputs follow."""

PREPARATION = ("FIELD", "FIT", "CENTRE", "FINE", "THIN", "STROKE", "EDGE", "HAZE")
"""Constants of `lenet.reading.digitize` that ``digitize.js`` needs."""

Step = tuple[str, dict[str, Any]]  # its kind in network.js, and its numbers


def export_page(request: Request) -> str:
    """Write the page, which always includes the preprocessing.

    Raises:
        UsageError: The network is not a LeNet-5, or has a layer that the page cannot compute.
    """
    classifier, config = request.float_classifier, request.run.config
    if request.quantize:
        raise UsageError("the page computes in floating point: leave out --quantize")
    description, weights = describe_network(classifier)
    constants = ", ".join(f"{name} = {getattr(digitize, name)}" for name in PREPARATION)
    scripts = (_text(name) for name in ("network.js", "digitize.js", "page.js"))
    script = "\n".join((f"const {constants};", *scripts))
    penalties = classifier.outputs == "penalties"
    page = Template(_text("page.html")).substitute(
        title=html.escape(f"LeNet-5 reads your digit ({config.model.kind})"),
        about="LeNet-5 as of 1998." if penalties else "LeNet-5's shape with today's parts.",
        meaning="probabilities, beside the bitmaps that F6 is compared with"
        if penalties
        else "probabilities",
        sections="\n".join(
            f"    <section><h2>{name.upper() if name != 'input' else 'Input'} <small>{about}"
            f'</small></h2><canvas id="map-{name}" role="img" aria-label="states of {name}">'
            "</canvas></section>"
            for name, about in LAYERS.items()
        ),
        classifier=json.dumps(description, separators=(",", ":")),
        weights=base64.b64encode(weights.numpy().astype("<f4").tobytes()).decode(),
        script=script,
    )
    content = page.encode()
    if len(content) > LIMIT:
        raise UsageError(f"the page would have {len(content):,} bytes, more than {LIMIT:,}")
    write_atomically(request.path, content)
    return f"{len(content):,} bytes; open it in a browser"


def describe_network(classifier: Classifier) -> tuple[dict[str, Any], Tensor]:
    """Describe a LeNet-5 for ``network.js``.

    Returns:
        The layers in order, each with its steps, whose weights and biases are given as [start,
        length] of the second value: all numbers in a row, float32 (n,).

    Raises:
        UsageError: The network is not a LeNet-5, has a layer that ``network.js`` lacks, or
            normalises each digit's shape.
    """
    if classifier.preprocess.normalizes_shape:
        raise UsageError("the page cannot normalise slant or width, as this network needs")
    if classifier.data.channels != 1:
        raise UsageError("the page draws in grey, and this network sees colours")
    numbers: list[Tensor] = []
    layers: list[dict[str, Any]] = []
    start = 0
    for name, module in classifier.model.named_modules():
        if any(module.children()) or isinstance(module, nn.Flatten | nn.Dropout):
            continue
        if type(module) not in STEPS:
            raise UsageError(f"the page cannot compute {type(module).__name__} ({name})")
        kind, values = STEPS[type(module)](module)
        for key, value in values.items():
            if isinstance(value, Tensor):
                numbers.append(value.detach().float().flatten())
                values[key] = [start, value.numel()]
                start += value.numel()
        if isinstance(module, BEGINNINGS):
            layers.append({"name": name, "steps": []})
        layers[-1]["steps"].append({"kind": kind, **values})
    names = [layer["name"] for layer in layers]
    if names != [*list(LAYERS)[1:], "output"]:
        raise UsageError(f"the page draws LeNet-5's layers, not {', '.join(names)}")
    description = {
        "size": classifier.preprocess.size,
        "background": classifier.preprocess.background,
        "full": classifier.preprocess.full,
        "outputs": classifier.outputs,
        "layers": layers,
    }
    return description, torch.cat(numbers)


def _convolution(layer: Any) -> Step:
    weight = layer.dense_weight() if isinstance(layer, PartialConvolution) else layer.weight
    return "convolution", {
        "channels": layer.out_channels,
        "side": layer.kernel_size[0],
        "weight": weight,
        "bias": layer.bias,
    }


def _normalisation(layer: Any) -> Step:
    scale = layer.weight / (layer.running_var + layer.eps).sqrt()
    return "normalisation", {"weight": scale, "bias": layer.bias - layer.running_mean * scale}


STEPS: dict[type[nn.Module], Callable[[Any], Step]] = {
    nn.Conv2d: _convolution,
    PartialConvolution: _convolution,
    Subsampling: lambda layer: (
        "subsampling",
        {"weight": layer.coefficient, "bias": layer.bias},
    ),
    nn.AvgPool2d: lambda layer: ("average", {}),
    nn.MaxPool2d: lambda layer: ("maximum", {}),
    MaxPool2d: lambda layer: ("maximum", {}),
    nn.BatchNorm2d: _normalisation,
    nn.BatchNorm1d: _normalisation,
    nn.Linear: lambda layer: (
        "linear",
        {"channels": layer.out_features, "weight": layer.weight, "bias": layer.bias},
    ),
    RBF: lambda layer: ("distance", {"channels": len(layer.centres), "weight": layer.centres}),
    ScaledTanh: lambda layer: ("scaled_tanh", {}),
    nn.ReLU: lambda layer: ("relu", {}),
    nn.Tanh: lambda layer: ("tanh", {}),
    nn.SiLU: lambda layer: ("silu", {}),
}
"""How ``network.js`` computes each module."""

BEGINNINGS = (
    nn.Conv2d, PartialConvolution, Subsampling, nn.AvgPool2d, nn.MaxPool2d, nn.Linear, RBF,
)  # fmt: skip
"""A layer begins with one of these; activations and normalisations follow."""


def _text(name: str) -> str:
    return (files(__package__) / name).read_text(encoding="utf-8")
