"""Stochastic gradient descent with momentum, and the average of the weights that it passes."""

from numpy import float32

from lenet.kernels.lanes import LANES, add, inner, load, multiply_add, spread, store
from lenet.kernels.layout import DECAYING, NOT_DECAYING, TRAINED


@inner
def _descend(
    weights, gradients, velocity, average, parts, part, section,
    rate, momentum, nesterov, decay, averaging, keep,
):  # fmt: skip
    """Make a thread's part of an update of one section."""
    vectors = TRAINED // LANES
    start = max(vectors * part // parts, section[0] // LANES)
    stop = min(vectors * (part + 1) // parts, section[1] // LANES)
    back, kept, moved = spread(float32(-rate)), spread(float32(momentum)), spread(float32(1 - keep))
    pull, minus = spread(float32(decay)), spread(float32(-1))
    for i in range(start, stop):
        weight, gradient = load(weights, i), load(gradients, i)
        for other in range(1, parts):
            gradient = add(gradient, load(gradients, other * vectors + i))
        gradient = multiply_add(pull, weight, gradient)
        speed = multiply_add(kept, load(velocity, i), gradient)
        store(velocity, i, speed)
        step = multiply_add(kept, speed, gradient) if nesterov else speed
        weight = multiply_add(back, step, weight)
        store(weights, i, weight)
        if averaging:
            past = load(average, i)
            store(average, i, multiply_add(moved, multiply_add(minus, past, weight), past))


@inner
def follow(values, average, keep):
    """Let an average move towards the running statistics, which do not descend."""
    moved, minus = spread(float32(1 - keep)), spread(float32(-1))
    for i in range(TRAINED // LANES, len(values) // LANES):
        past = load(average, i)
        store(average, i, multiply_add(moved, multiply_add(minus, past, load(values, i)), past))


@inner
def descend(
    weights, gradients, velocity, average, parts, part,
    rate, momentum, nesterov, decay, averaging, keep,
):  # fmt: skip
    """Make a thread's part of an update, as `torch.optim.SGD` does and then `WeightAverage`.

    Args:
        weights: All sections of `layout`.
        gradients: (parts, sections): the gradient is their sum.
        velocity: The momenta, as `weights`.
        average: As `weights`, or anything.
        parts: How many threads there are.
        part: Which one this is.
        rate: Learning rate.
        momentum: Share of the last step that is kept.
        nesterov: Whether to look ahead.
        decay: Pull towards zero of the sections that decay.
        averaging: Whether there is an average.
        keep: Share of the average that is kept.
    """
    for section in DECAYING:
        _descend(
            weights, gradients, velocity, average, parts, part, section,
            rate, momentum, nesterov, decay, averaging, keep,
        )  # fmt: skip
    none = decay * 0
    for section in NOT_DECAYING:
        _descend(
            weights, gradients, velocity, average, parts, part, section,
            rate, momentum, nesterov, none, averaging, keep,
        )  # fmt: skip
