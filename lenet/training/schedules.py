"""Learning-rate schedules: factors on the learning rate, by epochs done."""

import math
from collections.abc import Callable

Schedule = Callable[[float], float]
"""Epochs done so far (a fraction within an epoch) → factor on the learning rate."""


def constant(epochs: int, warmup: float = 0.0) -> Schedule:
    """Return the schedule 1, after a straight rise from 0 over `warmup` epochs."""
    return lambda done: _rise(done, warmup)


def steps(epochs: int, factors: dict[int, float], warmup: float = 0.0) -> Schedule:
    """Return the schedule that takes `factors[n]` from epoch n on; the first epoch is 1."""

    def factor(done: float) -> float:
        begun = [n for n in factors if n <= done + 1]
        return _rise(done, warmup) * (factors[max(begun)] if begun else 1.0)

    return factor


def cosine(epochs: int, warmup: float = 0.0, final: float = 0.0) -> Schedule:
    """Return half a cosine from 1 after `warmup` epochs to `final` at the end."""

    def factor(done: float) -> float:
        if done < warmup:
            return _rise(done, warmup)
        progress = min((done - warmup) / max(epochs - warmup, 1e-9), 1.0)
        return final + (1 - final) * (1 + math.cos(math.pi * progress)) / 2

    return factor


def one_cycle(epochs: int, warmup: float = 0.0, final: float = 0.0) -> Schedule:
    """Return a straight rise over `warmup` epochs (0: a quarter of all) and a straight fall."""
    top = warmup or epochs / 4

    def factor(done: float) -> float:
        if done < top:
            return _rise(done, top)
        return final + (1 - final) * max(epochs - done, 0.0) / max(epochs - top, 1e-9)

    return factor


SCHEDULES: dict[str, Callable[..., Schedule]] = {
    "constant": constant,
    "steps": steps,
    "cosine": cosine,
    "one-cycle": one_cycle,
}


def _rise(done: float, warmup: float) -> float:
    return min(done / warmup, 1.0) if warmup else 1.0
