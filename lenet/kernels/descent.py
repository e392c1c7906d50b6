"""Stochastic gradient descent with momentum, and the average of the weights that it passes."""

from numpy import float32

from lenet.kernels.lanes import LANES, add, inner, load, multiply_add, spread, store


@inner
def descend(
    weights, gradients, velocity, average, parts, part, start, stop, trained,
    rate, momentum, nesterov, decay, averaging, keep,
):  # fmt: skip
    """Make a thread's part of an update, as `torch.optim.SGD` does and then `WeightAverage`.

    Args:
        weights: All values of the plan.
        gradients: (parts, trained): the gradient is their sum.
        velocity: The momenta, as `weights`.
        average: As `weights`, or anything.
        parts: How many threads there are.
        part: Which one this is.
        start: The first value to update.
        stop: One after the last.
        trained: How many values learn.
        rate: Learning rate.
        momentum: Share of the last step that is kept.
        nesterov: Whether to look ahead.
        decay: Pull towards zero.
        averaging: Whether there is an average.
        keep: Share of the average that is kept.
    """
    vectors = trained // LANES
    low = max(vectors * part // parts, start // LANES)
    high = min(vectors * (part + 1) // parts, stop // LANES)
    back, kept, moved = spread(float32(-rate)), spread(float32(momentum)), spread(float32(1 - keep))
    pull, minus = spread(float32(decay)), spread(float32(-1))
    for i in range(low, high):
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
def follow(values, average, trained, keep):
    """Let an average move towards the running statistics, which do not descend."""
    moved, minus = spread(float32(1 - keep)), spread(float32(-1))
    for i in range(trained // LANES, len(values) // LANES):
        past = load(average, i)
        store(average, i, multiply_add(moved, multiply_add(minus, past, load(values, i)), past))
