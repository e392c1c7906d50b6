"""Convolution, ReLU and max-pooling by 2, forward and back, for blocks of sixteen images.

Shapes of one block, each value a vector of sixteen images: inputs (C, H, H), weights (C, k, k, M),
outputs before pooling (M, O, O) with O = H - k + 1, after it (M, P, P) with P = O / 2. `shape` is
(C, M, H, k), where H is even and C and M are multiples of 4 or 6, or C is 1. Arrays are flat;
`first` and `last` bound the blocks.
"""

from numpy import float32

from lenet.kernels.lanes import (
    LANES,
    add,
    add_outer,
    inner,
    load,
    load_many,
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

LOST = 4
"""The winner among four positions where ReLU let none through."""

FORWARD, TURNED = 1, -1
"""Directions of the kernels."""


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


_correlate4, _correlate6 = _make_correlate(4), _make_correlate(6)


@inner
def correlate(
    tile, inputs, weight, sums, at, direction, row, area, channels, stride, first,
    kernel, top, bottom, left, right,
):  # fmt: skip
    """Sum over channels and the taps [top, bottom) × [left, right) → sums, tile × 4 vectors."""
    if tile == 6:
        _correlate6(
            inputs, weight, sums, at, direction, row, area, channels, stride, first,
            kernel, top, bottom, left, right,
        )  # fmt: skip
    else:
        _correlate4(
            inputs, weight, sums, at, direction, row, area, channels, stride, first,
            kernel, top, bottom, left, right,
        )  # fmt: skip


@inner
def convolve_relu_pool(
    inputs, weight, bias, pooled, winners, sums, first, last, shape
):  # fmt: skip
    """Convolve, ReLU and pool; `winners` (M, P, P) tells which position, 0 to 3 or `LOST`, won."""
    channels_in, channels_out, size, kernel = shape
    places = (size - kernel + 1) // 2
    tile = 4 if channels_out % 4 == 0 else 6
    lost = spread(float32(LOST))
    for n in range(first, last):
        for y in range(places):
            for x in range(places):
                at = (n * channels_in * size + 2 * y) * size + 2 * x
                for start in range(0, channels_out, tile):
                    correlate(
                        tile, inputs, weight, sums, at, FORWARD, size, size * size, channels_in,
                        channels_out, start, kernel, 0, kernel, 0, kernel,
                    )  # fmt: skip
                    for m in range(tile):
                        best, winner = load(sums, 4 * m), spread(float32(0))
                        for q in range(1, 4):
                            candidate = load(sums, 4 * m + q)
                            winner = wins(candidate, best, spread(float32(q)), winner)
                            best = wins(candidate, best, candidate, best)
                        best = add(best, spread(bias[start + m]))
                        out = ((n * channels_out + start + m) * places + y) * places + x
                        store(pooled, out, relu(best))
                        store(winners, out, where_positive(best, winner, lost))


@inner
def unpool(gradient, winners, out, n, block, shape):
    """Hand the gradients of block n's maxima to the positions that won them.

    Args:
        gradient: Of the pooled outputs, (blocks, M, P, P).
        winners: From `convolve_relu_pool`.
        out: Where to: one block (M, O + 2, O + 2), whose border of zeros is left alone.
        n: Which block of `winners`.
        block: Which block of `gradient`.
        shape: Of the convolution before.
    """
    _, channels, size, kernel = shape
    places = (size - kernel + 1) // 2
    row = 2 * places + 2
    for channel in range(channels):
        for y in range(places):
            for x in range(places):
                i = (channel * places + y) * places + x
                value = load(gradient, block * channels * places * places + i)
                winner = load(winners, n * channels * places * places + i)
                o = (channel * row + 2 * y + 1) * row + 2 * x + 1
                for q in range(4):
                    here = where_equal(winner, spread(float32(q)), value)
                    store(out, o + (q // 2) * row + q % 2, here)


@inner
def gradient_of_inputs(gradient, weight, out, sums, shape):
    """Correlate one block's gradient with the kernels turned round.

    Args:
        gradient: From `unpool`, (M, O + 2, O + 2).
        weight: As (M, k, k, C).
        out: (C, H, H).
        sums: Room for 24 vectors.
        shape: Of the convolution.
    """
    channels_in, channels_out, size, kernel = shape
    places = size - kernel + 1
    row = places + 2
    tile = 4 if channels_in % 4 == 0 else 6
    for y in range(0, size, 2):
        for x in range(0, size, 2):
            top, bottom = max(0, y - places + 1), min(y + 2, kernel)
            left, right = max(0, x - places + 1), min(x + 2, kernel)
            for start in range(0, channels_in, tile):
                correlate(
                    tile, gradient, weight, sums, (y + 1) * row + x + 1, TURNED, row, row * row,
                    channels_out, channels_in, start, kernel, top, bottom, left, right,
                )  # fmt: skip
                for c in range(tile):
                    o = ((start + c) * size + y) * size + x
                    for q in range(4):
                        store(out, o + (q // 2) * size + q % 2, load(sums, 4 * c + q))


def _make_gradient_of_weights(tile, kernel):
    size = tile * kernel

    @inner
    def gradient_of_weights(inputs, gradient, weight, bias, n, shape):
        """Add one block's gradients of the weights and biases, each lane for itself.

        Args:
            inputs: (blocks, C, H, H).
            gradient: From `unpool`, (M, O + 2, O + 2).
            weight: Sums as (C, k, M, k).
            bias: Sums (M,).
            n: Which block of the inputs.
            shape: Of the convolution.
        """
        channels_in, channels_out, height, _ = shape
        places = height - kernel + 1
        row = places + 2
        for m in range(channels_out):
            bias_sum = load(bias, m)
            for y in range(places):
                i = (m * row + y + 1) * row + 1
                for x in range(places):
                    bias_sum = add(bias_sum, load(gradient, i + x))
            store(bias, m, bias_sum)
        for start in range(0, channels_out, tile):
            for channel in range(channels_in):
                for tap in range(kernel):
                    o = ((channel * kernel + tap) * channels_out + start) * kernel
                    registers = load_many(weight, o, 1, size)
                    for y in range(places):
                        i = ((n * channels_in + channel) * height + y + tap) * height
                        j = (start * row + y + 1) * row + 1
                        for x in range(places):
                            registers = add_outer(
                                registers,
                                load_many(gradient, j + x, row * row, tile),
                                load_many(inputs, i + x, 1, kernel),
                            )
                    store_many(weight, o, registers)

    return gradient_of_weights


gradient_of_weights3 = _make_gradient_of_weights(3, 5)
"""Of 5×5 kernels, three outputs at a time."""
gradient_of_weights4 = _make_gradient_of_weights(4, 5)
"""Of 5×5 kernels, four outputs at a time."""


@inner
def add_lanes_of_weights(sums, out, shape):
    """Add the lanes of sums (C, k, M, k) → out (C, k, k, M)."""
    channels_in, channels_out, _, kernel = shape
    for i in range(channels_in * kernel):
        for m in range(channels_out):
            for x in range(kernel):
                value = total(load(sums, (i * channels_out + m) * kernel + x))
                out[(i * kernel + x) * channels_out + m] = value


@inner
def add_lanes(sums, out):
    """Add the lanes of vectors (n, 16) → out (n,)."""
    for i in range(len(sums) // LANES):
        out[i] = total(load(sums, i))


@inner
def turn_weights(weight, out, shape):
    """(C, k, k, M) → (M, k, k, C)."""
    channels_in, channels_out, _, kernel = shape
    area = kernel * kernel
    for channel in range(channels_in):
        for tap in range(area):
            for m in range(channels_out):
                value = weight[(channel * area + tap) * channels_out + m]
                out[(m * area + tap) * channels_in + channel] = value
