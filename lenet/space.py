"""The space that a sweep searches: config keys and the values they may take."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from lenet.document import read_document
from lenet.errors import UsageError


class Range(BaseModel):
    """Numbers from low to high, both included; whole numbers where both are whole."""

    model_config = ConfigDict(extra="forbid", strict=True, use_attribute_docstrings=True)

    low: int | float
    """The smallest value."""
    high: int | float
    """The largest value."""
    log: bool = False
    """Search the logarithm, for values that span orders of magnitude."""
    step: Annotated[int | float, Field(gt=0)] | None = None
    """Distance between values; None: any."""


class Choices(BaseModel):
    """Some values."""

    model_config = ConfigDict(extra="forbid", strict=True, use_attribute_docstrings=True)

    choices: Annotated[list[bool | int | float | str | None], Field(min_length=1)]
    """The values."""


Space = dict[str, Range | Choices]
"""A config key, such as ``optimizer.lr``, and its values."""


def read_space(path: Path) -> Space:
    """Read a space from a YAML file such as ``optimizer.lr: {low: 0.01, high: 0.3, log: true}``.

    A list is short for ``{choices: [...]}``.

    Raises:
        UsageError: The file is missing, not YAML, or describes no space; the message gives places.
    """
    root = read_document(path)
    content: Any = root.plain()
    if not content:
        raise UsageError(f"{path}: names no key to search")
    space: Space = {}
    for key, values in content.items():
        place = root.nearest((key,)).place
        if isinstance(values, list):
            values = {"choices": values}
        if not isinstance(values, dict):
            raise UsageError(f"{place}: {key}: expected {{low: 1, high: 9}} or a list of choices")
        kind: type[Range | Choices] = Choices if "choices" in values else Range
        try:
            space[key] = TypeAdapter(kind).validate_python(values)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, (key, *first["loc"])))
            raise UsageError(f"{place}: {where}: {first['msg']}") from error
        found = space[key]
        if isinstance(found, Range):
            if found.low > found.high:
                raise UsageError(f"{place}: {key}: low is above high")
            if found.log and (found.low <= 0 or found.step is not None):
                raise UsageError(f"{place}: {key}: log needs low above 0 and no step")
    return space
