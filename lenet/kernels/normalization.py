"""Batch norm before a ReLU, forward and back; means and variances are those of the whole batch.

Each thread adds up its own images in `statistics`, float64 (parts, 2, 128). When all have met, each
adds up all parts in the same order, so that all have the same coefficients, to the bit. `live` in a
block are the images that are there, `alive` a vector of ones for them and zeros for the others.
"""

import numpy as np
from numpy import float32, float64

from lenet.kernels.convolution import LOST, correlate
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
    where_equal,
    where_positive,
    wins,
)

CHANNELS = 128
"""Room for statistics of so many channels or units."""


@inner
def _add_live(sums, statistics, part, channels, live):
    """Add the live lanes of sums (2, channels, 16) to a part's statistics."""
    for which in range(2):
        for channel in range(channels):
            at = (which * channels + channel) * LANES
            value = 0.0
            for lane in range(live):
                value += sums[at + lane]
            statistics[(part * 2 + which) * CHANNELS + channel] += value


@inner
def count_live(n, count):
    """Return how many images block n has."""
    return max(0, min(LANES, count - n * LANES))


@inner
def add_up(statistics, which, parts, channel):
    """Return the sum over all parts."""
    value = 0.0
    for part in range(parts):
        value += statistics[(part * 2 + which) * CHANNELS + channel]
    return value


@inner
def convolve(inputs, weight, out, channel_sums, statistics, sums, first, last, part, count, shape):
    """Convolve without bias → out (M, P, P, 4), and add up z and z² of each channel."""
    channels_in, channels_out, size, kernel = shape
    places = (size - kernel + 1) // 2
    tile = 4 if channels_out % 4 == 0 else 6
    for n in range(first, last):
        channel_sums[: 2 * channels_out * LANES] = 0
        for y in range(places):
            for x in range(places):
                at = (n * channels_in * size + 2 * y) * size + 2 * x
                for start in range(0, channels_out, tile):
                    correlate(
                        tile, inputs, weight, sums, at, 1, size, size * size, channels_in,
                        channels_out, start, kernel, 0, kernel, 0, kernel,
                    )  # fmt: skip
                    for m in range(tile):
                        channel = start + m
                        z_sum = load(channel_sums, channel)
                        square_sum = load(channel_sums, channels_out + channel)
                        o = (((n * channels_out + channel) * places + y) * places + x) * 4
                        for q in range(4):
                            z = load(sums, 4 * m + q)
                            store(out, o + q, z)
                            z_sum, square_sum = add(z_sum, z), multiply_add(z, z, square_sum)
                        store(channel_sums, channel, z_sum)
                        store(channel_sums, channels_out + channel, square_sum)
        _add_live(channel_sums, statistics, part, channels_out, count_live(n, count))


@inner
def add_up_products(
    d, z, states, channel_sums, statistics, first, last, part, count, channels, area
):
    """Add up d and d · z of each channel; d, z and states are (blocks, channels, area, 16).

    Where the state is 0, ReLU was shut, and d does not count.
    """
    zero = spread(float32(0))
    for n in range(first, last):
        for channel in range(channels):
            d_sum, product_sum = zero, zero
            for i in range((n * channels + channel) * area, (n * channels + channel + 1) * area):
                value = where_positive(load(states, i), load(d, i), zero)
                d_sum = add(d_sum, value)
                product_sum = multiply_add(value, load(z, i), product_sum)
            store(channel_sums, channel, d_sum)
            store(channel_sums, channels + channel, product_sum)
        _add_live(channel_sums, statistics, part, channels, count_live(n, count))


@inner
def add_up_squares(z, statistics, first, last, part, count, channels):
    """Add up z and z² of each unit; z is (blocks, channels, 16).

    In double precision throughout: of a few images, the variance may be far below the squares.
    """
    for n in range(first, last):
        for channel in range(channels):
            at, z_sum, square_sum = (n * channels + channel) * LANES, 0.0, 0.0
            for lane in range(count_live(n, count)):
                value = float64(z[at + lane])
                z_sum += value
                square_sum += value * value
            statistics[part * 2 * CHANNELS + channel] += z_sum
            statistics[(part * 2 + 1) * CHANNELS + channel] += square_sum


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
        bias: What z lacks: the bias of a convolution, or zeros.
        running_mean: Changed by part 0.
        running_variance: Changed by part 0.
        slope: Written, (channels,).
        offset: Written, (channels,).
        moments: Written: mean and 1 / √(variance + ε), float64 (2, 128).
    """
    for channel in range(channels):
        mean = add_up(statistics, 0, parts, channel) / size
        variance = max(add_up(statistics, 1, parts, channel) / size - mean * mean, 0.0)
        inverse = 1 / np.sqrt(variance + epsilon)
        moments[channel], moments[CHANNELS + channel] = mean, inverse
        slope[channel] = gain[channel] * inverse
        offset[channel] = shift[channel] - mean * gain[channel] * inverse
        if part == 0:
            seen, spread_out = mean + bias[channel], variance * size / max(size - 1, 1)
            running_mean[channel] += momentum * (seen - running_mean[channel])
            running_variance[channel] += momentum * (spread_out - running_variance[channel])


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
        mean, inverse = moments[channel], moments[CHANNELS + channel]
        total = add_up(statistics, 0, parts, channel)
        along = (add_up(statistics, 1, parts, channel) - mean * total) * inverse
        slope[channel] = gain[channel] * inverse
        pull = -gain[channel] * inverse * along * inverse / size
        factor[channel] = pull
        offset[channel] = -gain[channel] * inverse * total / size - pull * mean
        if part == 0:
            d_gain[channel], d_shift[channel] = along, total


@inner
def normalize_relu_pool(z, slope, offset, pooled, winners, tops, first, last, shape):
    """Normalise z (M, P, P, 4), ReLU and pool; `tops` are the z that win."""
    _, channels, size, kernel = shape
    places = (size - kernel + 1) // 2
    area = places * places
    lost = spread(float32(LOST))
    for n in range(first, last):
        for channel in range(channels):
            a, b = spread(slope[channel]), spread(offset[channel])
            for i in range((n * channels + channel) * area, (n * channels + channel + 1) * area):
                top, winner = load(z, 4 * i), spread(float32(0))
                best = multiply_add(top, a, b)
                for q in range(1, 4):
                    value = load(z, 4 * i + q)
                    candidate = multiply_add(value, a, b)
                    winner = wins(candidate, best, spread(float32(q)), winner)
                    top = wins(candidate, best, value, top)
                    best = wins(candidate, best, candidate, best)
                store(pooled, i, relu(best))
                store(winners, i, where_positive(best, winner, lost))
                store(tops, i, top)


@inner
def unpool_normalized(d, winners, z, slope, offset, factor, alive, out, n, shape):
    """Block n's gradient of z → out (M, O + 2, O + 2), whose border of zeros is left alone."""
    _, channels, size, kernel = shape
    places = (size - kernel + 1) // 2
    row = 2 * places + 2
    there = load(alive, 0)
    for channel in range(channels):
        a, b, c = spread(slope[channel]), spread(offset[channel]), spread(factor[channel])
        for y in range(places):
            for x in range(places):
                i = ((n * channels + channel) * places + y) * places + x
                o = (channel * row + 2 * y + 1) * row + 2 * x + 1
                value, winner = multiply(load(d, i), a), load(winners, i)
                for q in range(4):
                    rest = multiply_add(load(z, 4 * i + q), c, b)
                    whole = add(where_equal(winner, spread(float32(q)), value), rest)
                    store(out, o + (q // 2) * row + q % 2, multiply(there, whole))


@inner
def normalize_relu(z, slope, offset, out, first, last, channels):
    """Normalise z (blocks, channels, 16), ReLU."""
    for n in range(first, last):
        for channel in range(channels):
            i = n * channels + channel
            value = multiply_add(load(z, i), spread(slope[channel]), spread(offset[channel]))
            store(out, i, relu(value))


@inner
def normalize_back(d, z, slope, offset, factor, alive, first, last, count, channels):
    """Turn the gradient of normalised units into that of z, in place."""
    for n in range(first, last):
        mark_alive(alive, count_live(n, count))
        there = load(alive, 0)
        for channel in range(channels):
            i = n * channels + channel
            rest = multiply_add(load(z, i), spread(factor[channel]), spread(offset[channel]))
            whole = multiply_add(load(d, i), spread(slope[channel]), rest)
            store(d, i, multiply(there, whole))


@inner
def mark_alive(alive, live):
    """Write ones for the first lanes and zeros for the others."""
    for lane in range(LANES):
        alive[lane] = 1 if lane < live else 0
