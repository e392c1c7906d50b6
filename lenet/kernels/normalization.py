"""Batch norm before a ReLU, forward and back; means and variances are those of the whole batch.

Each thread adds up its own images in `statistics`, float64 (parts, 2, channels). When all have met,
each adds up all parts in the same order, so that all have the same coefficients, to the bit. `live`
in a block are the images that are there, `alive` a vector of ones for them and zeros for the
others.
"""

import numpy as np
from numpy import float32, float64

from lenet.kernels.lanes import (
    LANES,
    add,
    inner,
    load,
    multiply,
    multiply_add,
    relu,
    spread,
    store,
)


@inner
def count_live(n, count):
    """Return how many images block n has."""
    return max(0, min(LANES, count - n * LANES))


@inner
def mark_alive(alive, live):
    """Write ones for the first lanes and zeros for the others."""
    for lane in range(LANES):
        alive[lane] = 1 if lane < live else 0


@inner
def add_up(statistics, which, parts, channel):
    """Return the sum over all parts."""
    value = 0.0
    for part in range(parts):
        value += statistics[part, which, channel]
    return value


@inner
def _add_live(value, own, which, channel, live, lanes):
    """Add the live lanes of a vector to a part's statistics."""
    store(lanes, 0, value)
    for lane in range(live):
        own[which, channel] += lanes[lane]


@inner
def add_up_squares(memory, z, own, lanes, live, channels, area):
    """Add up z and z² of each channel; z is (channels, area).

    Of one position in double precision: of a few images, the variance may be far below the squares.
    """
    for channel in range(channels):
        i = z + channel * area
        if area == 1:
            for lane in range(live):
                value = float64(memory[i * LANES + lane])
                own[0, channel] += value
                own[1, channel] += value * value
        else:
            z_sum = square_sum = spread(float32(0))
            for k in range(i, i + area):
                value = load(memory, k)
                z_sum, square_sum = add(z_sum, value), multiply_add(value, value, square_sum)
            _add_live(z_sum, own, 0, channel, live, lanes)
            _add_live(square_sum, own, 1, channel, live, lanes)


@inner
def add_up_products(memory, d, z, own, lanes, live, channels, side, border):
    """Add up d and d · z of each channel; z is (channels, side, side), d wider by its borders."""
    row = side + 2 * border
    for channel in range(channels):
        d_sum = product_sum = spread(float32(0))
        for y in range(side):
            i = z + (channel * side + y) * side
            j = d + (channel * side + y) * row + border
            for x in range(side):
                value = load(memory, j + x)
                d_sum = add(d_sum, value)
                product_sum = multiply_add(value, load(memory, i + x), product_sum)
        _add_live(d_sum, own, 0, channel, live, lanes)
        _add_live(product_sum, own, 1, channel, live, lanes)


@inner
def coefficients(
    statistics, parts, part, channels, size, epsilon, momentum, gain, shift, bias,
    running_mean, running_variance, slope, offset, moments,
):  # fmt: skip
    """Find y = slope · z + offset from the sums of all parts, and let the first keep count of them.

    Args:
        statistics: Sums of z and z².
        parts: How many threads there are.
        part: Which one this is.
        channels: Channels or units.
        size: Values of each in the batch.
        epsilon: Added to the variance.
        momentum: Share of this batch in the running statistics.
        gain: The layer's weight.
        shift: The layer's bias.
        bias: The bias of a convolution, which z lacks; nothing for units.
        running_mean: Changed by part 0.
        running_variance: Changed by part 0.
        slope: Written, (channels,).
        offset: Written, (channels,).
        moments: Written: mean and 1 / √(variance + ε), float64 (2, channels).
    """
    for channel in range(channels):
        mean = add_up(statistics, 0, parts, channel) / size
        variance = max(add_up(statistics, 1, parts, channel) / size - mean * mean, 0.0)
        inverse = 1 / np.sqrt(variance + epsilon)
        moments[0, channel], moments[1, channel] = mean, inverse
        slope[channel] = gain[channel] * inverse
        offset[channel] = shift[channel] - mean * gain[channel] * inverse
        if part == 0:
            seen = mean + (float64(bias[channel]) if len(bias) else 0.0)
            spread_out = variance * size / max(size - 1, 1)
            running_mean[channel] += momentum * (seen - running_mean[channel])
            running_variance[channel] += momentum * (spread_out - running_variance[channel])


@inner
def coefficients_of_running(
    channels, epsilon, gain, shift, bias, running_mean, running_variance, slope, offset
):  # fmt: skip
    """Find y = slope · z + offset from the running statistics."""
    for channel in range(channels):
        factor = gain[channel] / np.sqrt(float64(running_variance[channel]) + epsilon)
        mean = float64(running_mean[channel])
        if len(bias):
            mean -= bias[channel]
        slope[channel], offset[channel] = factor, shift[channel] - mean * factor


@inner
def coefficients_back(
    statistics, parts, part, channels, size, gain, moments, d_gain, d_shift, slope, offset, factor
):  # fmt: skip
    """Find dz = slope · dy + offset + factor · z, and let the first part keep the gradients.

    Args:
        statistics: Sums of dy and dy · z.
        parts: How many threads there are.
        part: Which one this is.
        channels: Channels or units.
        size: Values of each in the batch.
        gain: The layer's weight.
        moments: From `coefficients`.
        d_gain: Written by part 0.
        d_shift: Written by part 0.
        slope: Written, (channels,).
        offset: Written, (channels,).
        factor: Written, (channels,).
    """
    for channel in range(channels):
        mean, inverse = moments[0, channel], moments[1, channel]
        total = add_up(statistics, 0, parts, channel)
        along = (add_up(statistics, 1, parts, channel) - mean * total) * inverse
        slope[channel] = gain[channel] * inverse
        pull = -gain[channel] * inverse * along * inverse / size
        factor[channel] = pull
        offset[channel] = -gain[channel] * inverse * total / size - pull * mean
        if part == 0:
            d_gain[channel], d_shift[channel] = along, total


@inner
def normalize_relu(memory, z, slope, offset, out, channels):
    """Normalize the units of a block, ReLU."""
    for channel in range(channels):
        value = multiply_add(
            load(memory, z + channel), spread(slope[channel]), spread(offset[channel])
        )
        store(memory, out + channel, relu(value))


@inner
def normalize_back(memory, d, z, slope, offset, factor, alive, live, channels, side, border):
    """Turn the gradient of normalized values into that of z, in place, as in `add_up_products`."""
    mark_alive(alive, live)
    there = load(alive, 0)
    row = side + 2 * border
    for channel in range(channels):
        a, b, c = spread(slope[channel]), spread(offset[channel]), spread(factor[channel])
        for y in range(side):
            i = z + (channel * side + y) * side
            j = d + (channel * side + y) * row + border
            for x in range(side):
                rest = multiply_add(load(memory, i + x), c, b)
                whole = multiply_add(load(memory, j + x), a, rest)
                store(memory, j + x, multiply(there, whole))
