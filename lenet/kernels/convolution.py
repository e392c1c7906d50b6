"""Convolution, ReLU and pooling, forward and back, for one block of images side by side.

Each value is a vector. Inputs are (C, S, S), padding included, weights (C, k, k, M), sums z
(M, O, O) with O = S - k + 1, what is handed on (M, side, side), padding included. The gradient of z
is (M, O + 2, O + 2) with a border of zeros. Convolutions compute 2×2 positions at a time; the last
ones overlap the ones before where O is odd. Arguments that name a state are the number of its first
vector in `memory`.
"""

from functools import cache

from numpy import float32

from lenet.kernels.lanes import (
    LANES,
    add,
    add_outer,
    inner,
    load,
    load_many,
    multiply,
    multiply_add,
    relu,
    spread,
    spread_many,
    store,
    store_many,
    total,
    where_equal,
    where_positive,
    wins,
    zeros,
)
from lenet.kernels.plan import AVERAGE, GLOBAL, MAX, NONE

LOST = 4
"""The winner among four positions where ReLU let none through."""

FORWARD, TURNED = 1, -1
"""Directions of the kernels."""

WIDE, NARROW = (6, 4) if LANES == 16 else (3, 2)
"""Channels in a tile: those whose sums, at four positions each, fill the registers."""


def _make_correlate(tile):
    """Let the sums of 2×2 positions × `tile` channels stay in registers."""
    size = 4 * tile

    @inner
    def correlate(
        inputs, weight, sums, at, direction, row, area, channels, stride, first,
        kernel, top, bottom, left, right,
    ):  # fmt: skip
        """Sum over channels and the taps [top, bottom) × [left, right) → sums, tile × 4 vectors."""
        registers = zeros(size)
        for channel in range(channels):
            for y in range(top, bottom):
                i = at + channel * area + direction * y * row
                j = (channel * kernel + y) * kernel * stride + first
                for x in range(left, right):
                    q = i + direction * x
                    registers = add_outer(
                        registers,
                        spread_many(weight, j + x * stride, 1, tile),
                        load_many(inputs, q, 1, 2) + load_many(inputs, q + row, 1, 2),
                    )
        store_many(sums, 0, registers)

    return correlate


_correlate_wide, _correlate_narrow = _make_correlate(WIDE), _make_correlate(NARROW)


@inner
def correlate(
    tile, inputs, weight, sums, at, direction, row, area, channels, stride, first,
    kernel, top, bottom, left, right,
):  # fmt: skip
    """Sum over channels and the taps [top, bottom) × [left, right) → sums, tile × 4 vectors."""
    if tile == WIDE:
        _correlate_wide(
            inputs, weight, sums, at, direction, row, area, channels, stride, first,
            kernel, top, bottom, left, right,
        )  # fmt: skip
    else:
        _correlate_narrow(
            inputs, weight, sums, at, direction, row, area, channels, stride, first,
            kernel, top, bottom, left, right,
        )  # fmt: skip


@inner
def convolve(memory, inputs, weight, z, sums, channels_in, channels_out, size, kernel):
    """Convolve without bias."""
    places = size - kernel + 1
    tile = WIDE if channels_out % WIDE == 0 else NARROW
    for row in range(0, places, 2):
        y = min(row, places - 2)
        for column in range(0, places, 2):
            x = min(column, places - 2)
            for start in range(0, channels_out, tile):
                correlate(
                    tile, memory, weight, sums, inputs + y * size + x, FORWARD, size, size * size,
                    channels_in, channels_out, start, kernel, 0, kernel, 0, kernel,
                )  # fmt: skip
                for m in range(tile):
                    o = z + ((start + m) * places + y) * places + x
                    for q in range(4):
                        store(memory, o + (q // 2) * places + q % 2, load(sums, 4 * m + q))


@inner
def activate(memory, z, out, winners, slope, offset, channels, places, pool, side, pad):
    """Let slope · z + offset of each channel through ReLU, and pool.

    `winners` (M, P, P) tells which position, 0 to 3 or `LOST`, was largest.
    """
    lost, zero = spread(float32(LOST)), spread(float32(0))
    pooled = side - 2 * pad
    for m in range(channels):
        a, b = spread(slope[m]), spread(offset[m])
        i = z + m * places * places
        if pool == GLOBAL:
            mean = zero
            for k in range(places * places):
                mean = add(mean, relu(multiply_add(load(memory, i + k), a, b)))
            store(memory, out + m, multiply(mean, spread(float32(1.0 / (places * places)))))
            continue
        for y in range(pooled):
            o = out + (m * side + y + pad) * side + pad
            if pool == MAX:
                w = winners + (m * pooled + y) * pooled
                for x in range(pooled):
                    j = i + 2 * y * places + 2 * x
                    best, winner = multiply_add(load(memory, j), a, b), zero
                    for q in range(1, 4):
                        value = load(memory, j + (q // 2) * places + q % 2)
                        candidate = multiply_add(value, a, b)
                        winner = wins(candidate, best, spread(float32(q)), winner)
                        best = wins(candidate, best, candidate, best)
                    store(memory, o + x, relu(best))
                    store(memory, w + x, where_positive(best, winner, lost))
            elif pool == AVERAGE:
                for x in range(pooled):
                    j = i + 2 * y * places + 2 * x
                    mean = zero
                    for q in range(4):
                        value = load(memory, j + (q // 2) * places + q % 2)
                        mean = add(mean, relu(multiply_add(value, a, b)))
                    store(memory, o + x, multiply(mean, spread(float32(0.25))))
            else:
                for x in range(pooled):
                    value = load(memory, i + y * places + x)
                    store(memory, o + x, relu(multiply_add(value, a, b)))


@inner
def activate_back(memory, d, z, winners, d_z, slope, offset, channels, places, pool):
    """Hand gradients `d` of what was pooled, (M, P, P), to the positions that they come from."""
    zero = spread(float32(0))
    row = places + 2
    pooled = places // 2
    for m in range(channels):
        a, b = spread(slope[m]), spread(offset[m])
        i, o = z + m * places * places, d_z + (m * row + 1) * row + 1
        if pool != NONE and pool != GLOBAL:
            if 2 * pooled < places:  # nobody looked at the last row and column
                for k in range(places):
                    store(memory, o + (places - 1) * row + k, zero)
                    store(memory, o + k * row + places - 1, zero)
            for y in range(pooled):
                for x in range(pooled):
                    k = (m * pooled + y) * pooled + x
                    value = load(memory, d + k)
                    if pool == MAX:
                        winner = load(memory, winners + k)
                        for q in range(4):
                            to = o + (2 * y + q // 2) * row + 2 * x + q % 2
                            store(memory, to, where_equal(winner, spread(float32(q)), value))
                    else:
                        value = multiply(value, spread(float32(0.25)))
                        for q in range(4):
                            v, h = 2 * y + q // 2, 2 * x + q % 2
                            state = multiply_add(load(memory, i + v * places + h), a, b)
                            store(memory, o + v * row + h, where_positive(state, value, zero))
        else:
            share = spread(float32(1.0 / (places * places)))
            for y in range(places):
                for x in range(places):
                    k = y * places + x
                    state = multiply_add(load(memory, i + k), a, b)
                    if pool == GLOBAL:
                        value = multiply(load(memory, d + m), share)
                    else:
                        value = load(memory, d + m * places * places + k)
                    store(memory, o + y * row + x, where_positive(state, value, zero))


@inner
def gradient_of_inputs(
    memory, d_z, weight, out, sums, channels_in, channels_out, size, kernel, padding
):  # fmt: skip
    """Correlate the gradient of z with the kernels turned round → out (C, H, H) without padding.

    `weight` is (M, k, k, C).
    """
    places = size - kernel + 1
    row, side = places + 2, size - 2 * padding
    tile = WIDE if channels_in % WIDE == 0 else NARROW
    for down in range(0, side, 2):
        y = min(down, side - 2)
        v = y + padding
        top, bottom = max(0, v - places + 1), min(v + 2, kernel)
        for across in range(0, side, 2):
            x = min(across, side - 2)
            h = x + padding
            left, right = max(0, h - places + 1), min(h + 2, kernel)
            for start in range(0, channels_in, tile):
                correlate(
                    tile, memory, weight, sums, d_z + (v + 1) * row + h + 1, TURNED, row,
                    row * row, channels_out, channels_in, start, kernel, top, bottom, left, right,
                )  # fmt: skip
                for c in range(tile):
                    o = out + ((start + c) * side + y) * side + x
                    for q in range(4):
                        store(memory, o + (q // 2) * side + q % 2, load(sums, 4 * c + q))


@cache  # one that is asked for twice is compiled once
def _make_gradient_of_weights(tile, kernel):
    size = tile * kernel

    @inner
    def gradient_of_weights(memory, inputs, d_z, weight, channels_in, channels_out, height):
        """Add the gradients of the weights, each lane for itself, to sums as (C, k, M, k)."""
        places = height - kernel + 1
        row = places + 2
        for start in range(0, channels_out, tile):
            for channel in range(channels_in):
                for tap in range(kernel):
                    o = ((channel * kernel + tap) * channels_out + start) * kernel
                    registers = load_many(weight, o, 1, size)
                    for y in range(places):
                        i = inputs + (channel * height + y + tap) * height
                        j = d_z + (start * row + y + 1) * row + 1
                        for x in range(places):
                            registers = add_outer(
                                registers,
                                load_many(memory, j + x, row * row, tile),
                                load_many(memory, i + x, 1, kernel),
                            )
                    store_many(weight, o, registers)

    return gradient_of_weights


TILES3 = (8, 6, 4) if LANES == 16 else (4, 3, 2)
TILES5 = (4, 3) if LANES == 16 else (2, 2)
"""Outputs at a time, the first that divides their number."""
_weights3a, _weights3b, _weights3c = (_make_gradient_of_weights(tile, 3) for tile in TILES3)
_weights5a, _weights5b = (_make_gradient_of_weights(tile, 5) for tile in TILES5)


@inner
def gradient_of_weights(memory, inputs, d_z, weight, channels_in, channels_out, height, kernel):
    """Add the gradients of the weights, each lane for itself, to sums as (C, k, M, k)."""
    if kernel == 3:
        if channels_out % TILES3[0] == 0:
            _weights3a(memory, inputs, d_z, weight, channels_in, channels_out, height)
        elif channels_out % TILES3[1] == 0:
            _weights3b(memory, inputs, d_z, weight, channels_in, channels_out, height)
        else:
            _weights3c(memory, inputs, d_z, weight, channels_in, channels_out, height)
    elif channels_out % TILES5[0] == 0:
        _weights5a(memory, inputs, d_z, weight, channels_in, channels_out, height)
    else:
        _weights5b(memory, inputs, d_z, weight, channels_in, channels_out, height)


@inner
def gradient_of_biases(memory, d_z, sums, channels, places):
    """Add the gradients of the biases, each lane for itself, to sums (M,)."""
    row = places + 2
    for m in range(channels):
        bias_sum = load(sums, m)
        for y in range(places):
            i = d_z + (m * row + y + 1) * row + 1
            for x in range(places):
                bias_sum = add(bias_sum, load(memory, i + x))
        store(sums, m, bias_sum)


@inner
def add_lanes_of_weights(sums, out, channels_in, channels_out, kernel):
    """Add the lanes of sums (C, k, M, k) → out (C, k, k, M)."""
    for i in range(channels_in * kernel):
        for m in range(channels_out):
            for x in range(kernel):
                value = total(load(sums, (i * channels_out + m) * kernel + x))
                out[(i * kernel + x) * channels_out + m] = value


@inner
def add_lanes(sums, out, n):
    """Add the lanes of n vectors → out (n,)."""
    for i in range(n):
        out[i] = total(load(sums, i))


@inner
def turn_weights(weight, out, channels_in, channels_out, kernel):
    """(C, k, k, M) → (M, k, k, C)."""
    area = kernel * kernel
    for channel in range(channels_in):
        for tap in range(area):
            for m in range(channels_out):
                value = weight[(channel * area + tap) * channels_out + m]
                out[(m * area + tap) * channels_in + channel] = value
