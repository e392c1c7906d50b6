"""Transforms by name: the tables, and pipelines built from a config's lists."""

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from torch import nn

from lenet import augment
from lenet.augment.arguments import refuse
from lenet.augment.containers import Compose, Container
from lenet.augment.foreign import (
    LIBRARIES,
    TORCHVISION,
    ForeignTransform,
    find_foreign,
    foreign_names,
)
from lenet.augment.mixing import MixingTransform
from lenet.augment.pipeline import Mixing, Pipeline
from lenet.augment.presets import ciresan_2010, paper_1998
from lenet.augment.transform import BatchTransform
from lenet.errors import UsageError, nearest

T = TypeVar("T")

Spec = Mapping[str, Mapping[str, Any] | None]
"""A transform's name and its arguments, if any: ``{"RandomErasing": {"p": 0.25}}``."""

_EXPORTED = {name: made for name, made in vars(augment).items() if isinstance(made, type)}

CONTAINERS: dict[str, type[Container]] = {
    name: made for name, made in _EXPORTED.items() if issubclass(made, Container)
}
"""Transforms made of others, which stand under ``transforms:``."""

AUGMENTATIONS: dict[str, type[BatchTransform]] = {
    name: made
    for name, made in _EXPORTED.items()
    if issubclass(made, BatchTransform) and made is not BatchTransform and name not in CONTAINERS
}
"""Transforms for ``augment:``, besides the tables here and `TORCHVISION`."""

PRESETS: dict[str, Callable[[], list[BatchTransform]]] = {
    "Paper1998": paper_1998,
    "Ciresan2010": ciresan_2010,
}
"""Named chains of transforms for ``augment:``."""

MIXINGS: dict[str, type[MixingTransform]] = {
    name: made for name, made in _EXPORTED.items() if issubclass(made, MixingTransform)
}
"""Transforms for ``mix:``."""


def describe_specs() -> dict[str, dict[str, Any]]:
    """Return JSON Schemas of an entry of ``augment:`` and of one of ``mix:``, by these words.

    Names are checked, and the names of the arguments of our own transforms; values are not.
    """
    several: dict[str, Any] = {"type": "array", "items": {"$ref": "#/$defs/augment"}}
    augmentations = {name: _describe(made) for name, made in (AUGMENTATIONS | PRESETS).items()}
    for name, container in CONTAINERS.items():
        augmentations[name] = _describe(container)
        augmentations[name]["properties"]["transforms"] = several
    others = {name: {"type": ["object", "null"]} for name in TORCHVISION}
    entry: dict[str, Any] = {"type": "object", "additionalProperties": False}
    entry |= {"minProperties": 1, "maxProperties": 1}
    libraries = rf"^({'|'.join(LIBRARIES)})\."
    return {
        "augment": entry
        | {"properties": augmentations | others, "patternProperties": {libraries: {}}},
        "mix": entry | {"properties": {name: _describe(made) for name, made in MIXINGS.items()}},
    }


def _describe(made: Callable[..., Any]) -> dict[str, Any]:
    """Return the JSON Schema of a transform's arguments."""
    return {
        "description": (made.__doc__ or "").partition("\n")[0],
        "type": ["object", "null"],
        "properties": {argument: {} for argument in inspect.signature(made).parameters},
        "additionalProperties": False,
    }


def build_pipeline(specs: Sequence[Spec], channels: int = 1) -> Pipeline:
    """Build the transforms that a config lists under ``augment:``.

    Args:
        specs: The transforms' names and arguments.
        channels: Of the images; those of other libraries are tried out on such.

    Raises:
        UsageError: A name is unknown or an argument illegal; its path is (index, name, argument).
    """
    transforms: list[BatchTransform] = []
    entries: list[int] = []
    for index, spec in enumerate(specs):
        made = _build(spec, index, _find_augmentation)
        several = made if isinstance(made, list) else [made]
        transforms += several
        entries += [index] * len(several)
    for module in nn.ModuleList(transforms).modules():  # those in containers, too
        if isinstance(module, ForeignTransform):
            module.channels = channels
    return Pipeline(transforms, entries)


def build_mixing(specs: Sequence[Spec], classes: int) -> Mixing:
    """Build the transforms that a config lists under ``mix:``.

    Args:
        specs: The transforms' names and arguments.
        classes: Number of classes of the dataset.

    Raises:
        UsageError: A name is unknown or an argument illegal; its path is (index, name, argument).
    """
    made = [_build(spec, i, _find_mixing) for i, spec in enumerate(specs)]
    for index, transform in enumerate(made):
        if transform.num_classes not in (None, classes):
            name = type(transform).__name__
            path = (index, name, "num_classes")
            raise UsageError(f"{name}: num_classes must be {classes}, as in the dataset", path)
    return Mixing(made, classes)


def _find_augmentation(name: str) -> Callable[..., BatchTransform | list[BatchTransform]]:
    if name in MIXINGS:
        raise UsageError(f"{name} mixes images and labels: it belongs under mix:")
    if name in CONTAINERS:
        return _container(CONTAINERS[name])
    found = AUGMENTATIONS.get(name) or PRESETS.get(name) or find_foreign(name)
    if found is None:
        library, _, short = name.rpartition(".")
        if library.lower() in LIBRARIES:
            raise _unknown(name, list(foreign_names(library.lower())), f"{library.lower()}.", short)
        raise _unknown(name, [*AUGMENTATIONS, *CONTAINERS, *PRESETS, *TORCHVISION])
    return found


def _container(made: type[Container]) -> Callable[..., BatchTransform]:
    """Return a function that makes a container from a config's arguments."""

    @functools.wraps(made, updated=())  # keeps its signature for the check of arguments
    def make(transforms: Any, **arguments: Any) -> BatchTransform:
        name = made.__name__
        path = (name, "transforms")
        if not isinstance(transforms, list):
            raise refuse(None, "transforms", transforms, "a list of transforms", name)
        members: list[BatchTransform] = []
        for index, spec in enumerate(transforms):
            if not isinstance(spec, Mapping):
                legal = "a transform, such as `RandomErasing: {p: 0.25}`"
                error = refuse(None, f"transforms[{index}]", spec, legal, name)
                raise UsageError(str(error), (*path, index))
            try:
                member = _build(spec, index, _find_augmentation)
            except UsageError as error:
                raise UsageError(str(error), (*path, *(error.path or ()))) from error
            members.append(Compose(member) if isinstance(member, list) else member)
        return made(members, **arguments)

    return make


def _find_mixing(name: str) -> Callable[..., MixingTransform]:
    if name in {*AUGMENTATIONS, *CONTAINERS, *PRESETS, *TORCHVISION}:
        raise UsageError(f"{name} changes images one by one: it belongs under augment:")
    if name not in MIXINGS:
        raise _unknown(name, list(MIXINGS))
    return MIXINGS[name]


def _unknown(
    name: str, known: Sequence[str], prefix: str = "", short: str | None = None
) -> UsageError:
    """Return the error for a name that is not `known`; `short` is what follows the prefix."""
    there = f"there are {', '.join(prefix + k for k in known)}"
    advice = nearest(short or name, known, there, prefix)
    return UsageError(f"unknown transform {name!r}; {advice}")


def _build(spec: Spec, index: int, find: Callable[[str], Callable[..., T]]) -> T:
    """Make the transform that one entry of a list describes.

    Raises:
        UsageError: The entry is wrong; the error's path begins with the index.
    """
    if len(spec) != 1:
        raise UsageError("expected one transform, such as `RandomErasing: {p: 0.25}`", (index,))
    name, given = next(iter(spec.items()))
    if not isinstance(name, str):
        raise UsageError(f"a transform's name must be a word, not {name!r}", (index,))
    arguments = {} if given is None else given
    if not isinstance(arguments, Mapping):
        raise UsageError(f"{name}: its arguments must be a mapping {{name: value}}", (index, name))
    try:
        make = find(name)
        _check_arguments(name, arguments, inspect.signature(make).parameters)
        return make(**arguments)
    except UsageError as error:
        raise UsageError(str(error), (index, *(error.path or (name,)))) from error


def _check_arguments(
    name: str, arguments: Mapping[str, Any], legal: Mapping[str, inspect.Parameter]
) -> None:
    """Check the arguments' names.

    Raises:
        UsageError: An argument is unknown or missing.
    """
    several = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    legal = {argument: p for argument, p in legal.items() if p.kind not in several}
    for argument in arguments:
        if not isinstance(argument, str):
            raise UsageError(
                f"{name}: an argument's name must be a word, not {argument!r}", (name,)
            )
        if argument not in legal:
            known = f"it has {', '.join(legal)}" if legal else "it has none"
            advice = nearest(argument, legal, otherwise=known)
            raise UsageError(f"{name} has no argument {argument!r}; {advice}", (name, argument))
    for argument, parameter in legal.items():
        if parameter.default is parameter.empty and argument not in arguments:
            raise UsageError(f"{name}: {argument} is missing", (name,))
