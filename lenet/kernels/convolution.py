"""Convolution, ReLU and pooling, forward and back, for one block of images side by side.

Each value is a vector. Inputs are (C, S, S), padding included, weights (C, k, k, M), sums z
(M, O, O) with O = S - k + 1, what is handed on (M, side, side), padding included. The gradient of
z is (M, O, O + 2 · border), with zeros left and right of each row. Arguments that name a state are
the number of its first vector in `memory`, which has some more vectors behind the last block.
"""

from functools import cache

from numpy import float32

from lenet.kernels.lanes import (
    LANES,
    add,
    add_outer,
    add_taps,
    inner,
    load,
    load_many,
    multiply,
    multiply_add,
    relu,
    spread,
    store,
    store_many,
    store_rows,
    total,
    where_equal,
    where_positive,
    wins,
    zeros,
)
from lenet.kernels.plan import AVERAGE, GLOBAL, MAX, NONE

LOST = 4
"""The winner among four positions where ReLU let none through."""

ACROSS = 4 if LANES == 16 else 5
"""Positions at a time, side by side in a row."""
WIDE, NARROW = (6, 4) if LANES == 16 else (2, 2)
"""Channels in a tile: those whose sums, at so many positions, nearly fill the registers."""


@cache  # one that is asked for twice is compiled once
def _make_sum_tile(tile, kernel):
    size, step = tile * ACROSS, kernel * tile

    @inner
    def sum_tile(inputs, i, row, area, channels, weight, j, taps, out, plane):
        """Sum over channels and so many rows of taps → out, a row of each channel."""
        registers = zeros(size)
        for _ in range(channels):
            at, tap = i, j
            for _ in range(taps):
                registers = add_taps(registers, inputs, at, weight, tap, tile, ACROSS, kernel)
                at += row
                tap += step
            i += area
            j += kernel * step
        store_rows(inputs, out, plane, registers, ACROSS)

    return sum_tile


def _make_correlate(kernel):
    wide, narrow = _make_sum_tile(WIDE, kernel), _make_sum_tile(NARROW, kernel)

    @inner
    def correlate(
        memory, room, inputs, height, row, channels, weight, out, outputs, side, offset
    ):  # fmt: skip
        """Correlate (channels, height, row) with kernels → out (outputs, side, side).

        Args:
            memory: Of all blocks.
            room: For a tile.
            inputs: What to correlate.
            height: Rows of it; what is above and below them counts as zero.
            row: Width of it: side + kernel - 1, so that nothing beside it is looked up.
            channels: Channels of it.
            weight: As `tile_weights` or `turn_weights` lay them.
            out: The results.
            outputs: Channels of them.
            side: Width and height of them.
            offset: The row of the inputs at which the first row of results begins.
        """
        tile = WIDE if outputs % WIDE == 0 else NARROW
        area = height * row
        for y in range(side):
            top, bottom = max(0, -y - offset), min(kernel, height - y - offset)
            for x in range(0, side, ACROSS):
                i, taps = inputs + (y + offset + top) * row + x, bottom - top
                whole = x + ACROSS <= side
                for first in range(0, outputs, tile):
                    j = (first * channels * kernel + top * tile) * kernel
                    o = out + (first * side + y) * side + x
                    to, plane = (o, side * side) if whole else (room, ACROSS)
                    if tile == WIDE:
                        wide(memory, i, row, area, channels, weight, j, taps, to, plane)
                    else:
                        narrow(memory, i, row, area, channels, weight, j, taps, to, plane)
                    if not whole:
                        for m in range(tile):
                            for q in range(side - x):
                                value = load(memory, room + m * ACROSS + q)
                                store(memory, o + m * side * side + q, value)

    return correlate


_correlate3, _correlate5 = _make_correlate(3), _make_correlate(5)


@inner
def convolve(memory, room, inputs, weight, z, channels_in, channels_out, size, kernel):
    """Convolve without bias, by weights as `tile_weights` lays them."""
    side = size - kernel + 1
    if kernel == 3:
        _correlate3(memory, room, inputs, size, size, channels_in, weight, z, channels_out, side, 0)
    else:
        _correlate5(memory, room, inputs, size, size, channels_in, weight, z, channels_out, side, 0)


@inner
def gradient_of_inputs(
    memory, room, d_z, weight, out, channels_in, channels_out, size, kernel, border
):  # fmt: skip
    """Correlate the gradient of z with the kernels turned round → out (C, H, H) without padding.

    Weights are as `turn_weights` lays them.
    """
    places = size - kernel + 1
    row, side = places + 2 * border, places + 2 * border - kernel + 1
    if kernel == 3:
        _correlate3(
            memory, room, d_z, places, row, channels_out, weight, out, channels_in, side, -border
        )
    else:
        _correlate5(
            memory, room, d_z, places, row, channels_out, weight, out, channels_in, side, -border
        )


@inner
def tile_weights(weight, out, channels_in, channels_out, kernel):
    """(C, k, k, M) → (M / tile, C, k, k, tile)."""
    tile = WIDE if channels_out % WIDE == 0 else NARROW
    taps = channels_in * kernel * kernel
    for tap in range(taps):
        for m in range(channels_out):
            out[(m // tile * taps + tap) * tile + m % tile] = weight[tap * channels_out + m]


@inner
def turn_weights(weight, out, channels_in, channels_out, kernel):
    """(C, k, k, M) → (C / tile, M, k, k, tile), the kernels turned round."""
    tile = WIDE if channels_in % WIDE == 0 else NARROW
    area = kernel * kernel
    for channel in range(channels_in):
        to = channel // tile * channels_out * area * tile + channel % tile
        for tap in range(area):
            i = (channel * area + tap) * channels_out
            for m in range(channels_out):
                out[to + (m * area + area - 1 - tap) * tile] = weight[i + m]


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
def activate_back(memory, d, z, winners, d_z, slope, offset, channels, places, pool, border):
    """Hand gradients `d` of what was pooled, (M, P, P), to the positions that they come from."""
    zero = spread(float32(0))
    row = places + 2 * border
    pooled = places // 2
    for m in range(channels):
        a, b = spread(slope[m]), spread(offset[m])
        i, o = z + m * places * places, d_z + m * places * row + border
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


@cache  # one that is asked for twice is compiled once
def _make_gradient_of_weights(tile, kernel):
    size = tile * kernel

    @inner
    def gradient_of_weights(
        memory, inputs, d_z, weight, channels_in, channels_out, height, border
    ):  # fmt: skip
        """Add the gradients of the weights, each lane for itself, to sums as (C, k, M, k)."""
        places = height - kernel + 1
        row = places + 2 * border
        for start in range(0, channels_out, tile):
            for channel in range(channels_in):
                for tap in range(kernel):
                    o = ((channel * kernel + tap) * channels_out + start) * kernel
                    registers = load_many(weight, o, 1, size)
                    for y in range(places):
                        i = inputs + (channel * height + y + tap) * height
                        j = d_z + (start * places + y) * row + border
                        for x in range(places):
                            registers = add_outer(
                                registers,
                                load_many(memory, j + x, places * row, tile),
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
def gradient_of_weights(
    memory, inputs, d_z, weight, channels_in, channels_out, height, kernel, border
):  # fmt: skip
    """Add the gradients of the weights, each lane for itself, to sums as (C, k, M, k)."""
    if kernel == 3:
        if channels_out % TILES3[0] == 0:
            _weights3a(memory, inputs, d_z, weight, channels_in, channels_out, height, border)
        elif channels_out % TILES3[1] == 0:
            _weights3b(memory, inputs, d_z, weight, channels_in, channels_out, height, border)
        else:
            _weights3c(memory, inputs, d_z, weight, channels_in, channels_out, height, border)
    elif channels_out % TILES5[0] == 0:
        _weights5a(memory, inputs, d_z, weight, channels_in, channels_out, height, border)
    else:
        _weights5b(memory, inputs, d_z, weight, channels_in, channels_out, height, border)


@inner
def gradient_of_biases(memory, d_z, sums, channels, places, border):
    """Add the gradients of the biases, each lane for itself, to sums (M,)."""
    row = places + 2 * border
    for m in range(channels):
        bias_sum = load(sums, m)
        for y in range(places):
            i = d_z + (m * places + y) * row + border
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
