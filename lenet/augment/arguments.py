"""Checks of transforms' arguments; each failure names transform, argument, value and interval."""

from collections.abc import Sequence
from enum import Enum
from numbers import Integral, Real

from lenet.errors import UsageError

MOST = 1000
"""Upper bound of sizes in pixels and of counts where an argument has no bound of its own: larger
values make no sense, and some would use up all memory."""


def refuse(
    owner: object, argument: str, value: object, legal: str, name: str | None = None
) -> UsageError:
    """Return the error that says what is legal for an argument.

    Args:
        owner: The transform whose argument it is.
        argument: The argument's name.
        value: The value given.
        legal: The legal values, worded to follow "must be".
        name: The transform's name, if it is not its class's.
    """
    name = name or type(owner).__name__
    return UsageError(f"{name}: {argument} must be {legal}, not {value!r}", (name, argument))


def number(
    owner: object,
    argument: str,
    value: object,
    low: float,
    high: float,
    *,
    above: bool = False,
    name: str | None = None,
) -> float:
    """Return a number in [low, high], or in (low, high] if it must lie `above` low.

    Raises:
        UsageError: The value is not such a number.
    """
    if not _is_number(value, low, high, above):
        raise refuse(owner, argument, value, f"a number in {_interval(low, high, above)}", name)
    return float(value)  # type: ignore[arg-type]


def integer(owner: object, argument: str, value: object, low: int, high: float = MOST) -> int:
    """Return a whole number in [low, high].

    Raises:
        UsageError: The value is not such a number.
    """
    if not isinstance(value, Integral) or not _is_number(value, low, high, False):
        raise refuse(owner, argument, value, f"a whole number in {_interval(low, high, False)}")
    return int(value)


def interval(
    owner: object, argument: str, value: object, low: float, high: float, *, above: bool = False
) -> tuple[float, float]:
    """Return a pair (min, max) with both ends in [low, high], or in (low, high] if `above`.

    Raises:
        UsageError: The value is not such a pair.
    """
    if not _is_interval(value, low, high, above):
        bounds = _interval(low, high, above)
        raise refuse(owner, argument, value, f"a pair [min, max], min ≤ max, with both in {bounds}")
    return float(value[0]), float(value[1])  # type: ignore[index]


def spread(
    owner: object, argument: str, value: object, low: float, high: float, *, centre: float = 0.0
) -> tuple[float, float]:
    """Return the interval that a number or a pair stands for: r is [centre - r, centre + r].

    A number's interval begins at `low` at the earliest, as with torchvision's brightness.

    Raises:
        UsageError: The value is neither a number ≥ 0 nor a pair within [low, high].
    """
    if _is_number(value, 0, high - centre, False):
        reach = float(value)  # type: ignore[arg-type]
        return max(centre - reach, low), centre + reach
    if not _is_interval(value, low, high, False):
        one, both = _interval(0, high - centre, False), _interval(low, high, False)
        raise refuse(
            owner, argument, value, f"a number in {one} or a pair [min, max] with both in {both}"
        )
    return float(value[0]), float(value[1])  # type: ignore[index]


def numbers(
    owner: object,
    argument: str,
    value: object,
    count: int,
    low: float,
    high: float,
    *,
    above: bool = False,
) -> tuple[float, ...]:
    """Return `count` numbers in [low, high], in any order.

    Raises:
        UsageError: The value is something else.
    """
    if not is_sequence(value, count) or not all(_is_number(v, low, high, above) for v in value):  # type: ignore[attr-defined]
        bounds = _interval(low, high, above)
        raise refuse(owner, argument, value, f"a list of {count} numbers in {bounds}")
    return tuple(float(v) for v in value)  # type: ignore[attr-defined]


def choice(owner: object, argument: str, value: object, choices: Sequence[str]) -> str:
    """Return one of several words, given as a string or as an enumeration's member.

    Raises:
        UsageError: The value is none of them.
    """
    value = value.value if isinstance(value, Enum) else value
    if not isinstance(value, str) or value not in choices:
        raise refuse(owner, argument, value, " or ".join(map(repr, choices)))
    return value


def is_sequence(value: object, count: int) -> bool:
    """Say whether a value is a list or tuple of `count` things."""
    return isinstance(value, list | tuple) and len(value) == count


def _is_number(value: object, low: float, high: float, above: bool) -> bool:
    if isinstance(value, bool) or not isinstance(value, Real):
        return False
    return bool(low <= value <= high) and not (above and value == low)  # type: ignore[operator]


def _is_interval(value: object, low: float, high: float, above: bool) -> bool:
    if not isinstance(value, list | tuple) or len(value) != 2:
        return False
    first, last = value
    return all(_is_number(v, low, high, above) for v in value) and bool(first <= last)


def _interval(low: float, high: float, above: bool) -> str:
    return f"{'(' if above else '['}{low:g}, {high:g}]"
