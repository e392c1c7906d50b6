"""The search space of a sweep: config keys and their values."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from lenet.config.document import read_document
from lenet.errors import UsageError

FIXED = (
    "seed",
    "data.name",
    "data.path",
    "data.root",
    "data.test_share",
    "data.classes",
    "data.validation",
    "data.validation_split",
    "data.split_seed",
    "data.strings",
)
"""Keys, and sections, that a sweep cannot search: all trials are judged by the same images."""


class Range(BaseModel):
    """Numbers from low to high, both included; integers if both are integers."""

    model_config = ConfigDict(extra="forbid", strict=True, use_attribute_docstrings=True)

    low: int | FiniteFloat
    """The smallest value."""
    high: int | FiniteFloat
    """The largest value."""
    log: bool = False
    """Sample on a logarithmic scale."""
    step: Annotated[int | FiniteFloat, Field(gt=0)] | None = None
    """Distance between values; None: continuous."""

    @property
    def whole(self) -> bool:
        """Whether only integers are meant."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    @property
    def ends(self) -> list[Any]:
        """The smallest and the largest value."""
        return [self.low, self.high]

    @model_validator(mode="after")
    def _check(self) -> "Range":
        if self.low > self.high:
            raise ValueError("low is above high")
        if self.log and (self.low <= 0 or self.step is not None):
            raise ValueError("log needs low above 0 and no step")
        if self.whole and not isinstance(self.step, int | None):
            raise ValueError("a step between whole numbers is a whole number")
        return self


class Choices(BaseModel):
    """A list of values."""

    model_config = ConfigDict(extra="forbid", strict=True, use_attribute_docstrings=True)

    choices: Annotated[list[bool | int | FiniteFloat | str | None], Field(min_length=1)]
    """The values."""

    @property
    def ends(self) -> list[Any]:
        """All values."""
        return list(self.choices)


Space = dict[str, Range | Choices]
"""A config key, such as ``optimizer.lr``, and its values."""


def read_space(path: Path, try_out: Callable[[dict[str, Any]], object]) -> Space:
    """Read a space from a YAML file such as ``optimizer.lr: {low: 0.01, high: 0.3, log: true}``.

    A list is short for ``{choices: [...]}``.

    Args:
        path: The file.
        try_out: Builds the config of a trial with the given value of a key, and raises if it is
            illegal: each key's extremes are tried before any trial begins.

    Raises:
        UsageError: The file is missing, not YAML, or describes no space; a key is unknown, or fixed
            in a sweep; a value is illegal. The message gives the place.
    """
    root = read_document(path)
    content: Any = root.plain()
    if not content:
        raise UsageError(f"{path}: names no key to search")
    space: Space = {}
    for key, values in content.items():
        where = f"{root.nearest((key,)).place}: {key}"
        if any(f"{key}.".startswith(f"{fixed}.") for fixed in FIXED):
            raise UsageError(f"{where}: cannot be searched, as trials could not be compared")
        space[key] = _read_values(where, values)
        for value in space[key].ends:
            try:
                try_out({key: value})
            except UsageError as error:
                # Built as if it had been given by --set, which the user has not used.
                message = str(error).removeprefix(f"--set {key}={json.dumps(value)}: ")
                raise UsageError(f"{where}: {message}") from error
    return space


def _read_values(where: str, values: Any) -> Range | Choices:
    if isinstance(values, list):
        values = {"choices": values}
    if not isinstance(values, dict):
        raise UsageError(f"{where}: expected {{low: 1, high: 9}} or a list of choices")
    kind: type[Range | Choices] = Choices if "choices" in values else Range
    try:
        return TypeAdapter(kind).validate_python(values)
    except ValidationError as error:
        last = error.errors()[-1]  # of the last of the types that it might have had
        field = f".{last['loc'][0]}" if last["loc"] else ""
        message = last["msg"].removeprefix("Value error, ")
        raise UsageError(f"{where}{field}: {message[0].lower()}{message[1:]}") from error
