"""A network written as a list of layers, whose sizes follow from one another.

A layer is a word (``relu``) or a word with options (``conv: {filters: 6, size: 5}``).
"""

from collections import OrderedDict
from collections.abc import Sequence
from math import prod
from typing import Any, Literal

from pydantic import ValidationError
from torch import nn

from lenet.errors import UsageError, nearest
from lenet.models.layers import RBF, draw_weights
from lenet.models.vocabulary import LAYERS, MAX_VALUES, Layer, Shape, describe


class LayerSequence(nn.Sequential):
    """Layers one after another.

    (B, in_channels, size, size) images become (B, classes) outputs.

    Args:
        layers: From the input to the output; see `lenet.models.vocabulary.LAYERS`.
        init: How the weights start: ``torch`` as each layer does by itself, or a key of
            `lenet.models.layers.INITIALS`.
        size: Width and height of the input in pixels.
        in_channels: Channels of the input.
        classes: Number of outputs.

    Raises:
        UsageError: A layer is unknown, an option is wrong, or the sizes do not fit; the path says
            which, e.g. ``("layers", 2, "conv", "size")``.
    """

    def __init__(
        self,
        layers: Sequence[str | dict[str, Any]],
        init: str = "torch",
        size: int = 28,
        in_channels: int = 1,
        classes: int = 10,
    ) -> None:
        modules: OrderedDict[str, nn.Module] = OrderedDict()
        shape: Shape = (in_channels, size, size)
        for index, spec in enumerate(layers):
            word, layer = read_layer(spec, index, classes)
            name = layer.name or f"{word}{index + 1}"
            try:
                built, shape = layer.build(word, shape)
            except UsageError as error:
                path = (*_path(index, spec), *(error.path or ()))
                raise UsageError(f"{error} (it gets {describe(shape)})", path) from error
            except (RuntimeError, MemoryError) as error:  # torch's word for too little memory
                raise UsageError(f"{word} is too large to be built", _path(index, spec)) from error
            if prod(shape) > MAX_VALUES:
                raise UsageError(
                    f"{word} puts out {describe(shape)} of each image, more than the"
                    f" {MAX_VALUES:,} values allowed",
                    _path(index, spec),
                )
            for suffix, module in built.items():
                if name + suffix in modules or hasattr(nn.Sequential, name):
                    raise UsageError(f"the name {name!r} is taken", _path(index, spec))
                modules[name + suffix] = module
        if shape != (classes,):
            raise UsageError(
                f"the last layer puts out {describe(shape)}, but there are {classes} classes;"
                " the word classes stands for their number",
                ("layers", max(len(layers) - 1, 0)),
            )
        super().__init__(modules)
        self.outputs: Literal["penalties", "logits"] = (
            "penalties" if isinstance(self[-1], RBF) else "logits"
        )
        if init != "torch":
            draw_weights(self, init)


def read_layer(spec: str | dict[str, Any], index: int, classes: int) -> tuple[str, Layer]:
    """Return a layer's word and options.

    Args:
        spec: A word, or a mapping from one word to its options.
        index: Which entry of the list it is, for messages.
        classes: For what the option ``classes`` stands.

    Raises:
        UsageError: The word or an option is unknown (the nearest right one is named), or an
            option has a wrong value.
    """
    entry: Any = {spec: {}} if isinstance(spec, str) else spec
    words = [*entry.items()] if isinstance(entry, dict) else []
    if len(words) != 1 or not isinstance(words[0][1], dict):
        raise UsageError(
            "a layer is a word (relu) or a word with options (conv: {filters: 6, size: 5})",
            ("layers", index),
        )
    word, options = words[0]
    if word not in LAYERS:
        raise UsageError(
            f"there is no layer {word!r}; {nearest(word, list(LAYERS))}", _path(index, spec)
        )
    kind = LAYERS[word]
    try:
        return word, kind.model_validate(options, context={"classes": classes})
    except ValidationError as error:
        # An unknown option explains why another one is missing, so it comes first.
        fault = min(error.errors(), key=lambda item: item["type"] != "extra_forbidden")
        option = str(fault["loc"][0]) if fault["loc"] else ""
        path = (*_path(index, spec), option)
        if fault["type"] == "extra_forbidden":
            advice = nearest(option, list(kind.model_fields))
            raise UsageError(f"{word} has no option {option!r}; {advice}", path) from error
        if fault["type"] == "missing":
            raise UsageError(f"{word} needs {option!r}", _path(index, spec)) from error
        given = options[option]
        reasons = dict.fromkeys(
            item["msg"][0].lower() + item["msg"][1:]
            for item in error.errors()
            if item["loc"][0] == option
        )
        raise UsageError(f"{' or '.join(reasons)}, not {given!r}", path) from error


def _path(index: int, spec: str | dict[str, Any]) -> tuple[str | int, ...]:
    return ("layers", index) if isinstance(spec, str) else ("layers", index, *spec)
