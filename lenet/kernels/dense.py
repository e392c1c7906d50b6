"""Fully connected layers, forward and back, for pairs of blocks of images side by side.

States are (units, lanes) in the memory of each block, which has `stride` vectors; an argument that
names one is the number of its first vector there. Weights are (inputs, outputs), both multiples of
32; the idle ones stay zero. `first` and `last` bound the blocks, an even number.
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
    transpose,
    where_positive,
    zeros,
)

TILE = LANES // 2
"""Units at a time: their sums for two blocks fill the registers."""
TILE_SUMS = 2 * TILE


@inner
def weigh(
    memory, stride, inputs, weight, bias, out, sums, first, last, n_in, n_out, activated
):  # fmt: skip
    """Weighted sums plus bias, through ReLU if `activated`."""
    for n in range(first, last, 2):
        for start in range(0, n_out, TILE):
            registers = zeros(TILE_SUMS)
            for i in range(n_in):
                registers = add_outer(
                    registers,
                    spread_many(weight, i * n_out + start, 1, TILE),
                    load_many(memory, n * stride + inputs + i, stride, 2),
                )
            store_many(sums, 0, registers)
            for o in range(TILE):
                for b in range(2):
                    value = add(load(sums, 2 * o + b), spread(bias[start + o]))
                    if activated:
                        value = relu(value)
                    store(memory, (n + b) * stride + out + start + o, value)


@inner
def weigh_back(memory, stride, gradient, weight, states, out, sums, first, last, n_in, n_out):
    """The gradient of a layer's inputs where they, `states`, came through a ReLU; else 0."""
    zero = spread(float32(0))
    for n in range(first, last, 2):
        for start in range(0, n_in, TILE):
            registers = zeros(TILE_SUMS)
            for i in range(n_out):
                registers = add_outer(
                    registers,
                    spread_many(weight, start * n_out + i, n_out, TILE),
                    load_many(memory, n * stride + gradient + i, stride, 2),
                )
            store_many(sums, 0, registers)
            for o in range(TILE):
                for b in range(2):
                    i = (n + b) * stride + start + o
                    state = load(memory, states + i)
                    value = where_positive(state, load(sums, 2 * o + b), zero)
                    store(memory, out + i, value)


@inner
def gradient_of_weights(
    memory, stride, inputs, gradient, input_rows, gradient_rows, weight, bias, sums,
    first, last, n_in, n_out,
):  # fmt: skip
    """Write the gradients of weights (n_in, n_out) and biases (n_out,), summed over blocks.

    `input_rows` and `gradient_rows` are room of this thread for the two with one image a row.
    """
    vectors = n_out // LANES
    for n in range(first, last):
        row = (n - first) * n_in
        for i in range(0, n_in, LANES):
            transpose(
                memory, (n * stride + inputs + i) * LANES, LANES,
                input_rows, row + i // LANES, n_in // LANES,
            )  # fmt: skip
        row = (n - first) * n_out
        for i in range(0, n_out, LANES):
            transpose(
                memory, (n * stride + gradient + i) * LANES, LANES,
                gradient_rows, row + i // LANES, vectors,
            )  # fmt: skip
    for i in range(0, n_in, TILE):
        for v in range(0, vectors, 2):
            registers = zeros(TILE_SUMS)
            for image in range((last - first) * LANES):
                registers = add_outer(
                    registers,
                    spread_many(input_rows, image * n_in + i, 1, TILE),
                    load_many(gradient_rows, image * vectors + v, 1, 2),
                )
            store_many(sums, 0, registers)
            for k in range(TILE):
                for b in range(2):
                    store(weight, (i + k) * vectors + v + b, load(sums, 2 * k + b))
    for v in range(vectors):
        bias_sum = spread(float32(0))
        for image in range((last - first) * LANES):
            bias_sum = add(bias_sum, load(gradient_rows, image * vectors + v))
        store(bias, v, bias_sum)
