"""Fully connected layers, forward and back, for pairs of blocks of sixteen images.

States are (blocks, units, 16), weights (inputs, outputs). Units come in multiples of 16, outputs of
layers whose weights learn in multiples of 32; the idle ones stay zero. `shape` is (inputs,
outputs); `first` and `last` bound the blocks, an even number.
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


@inner
def weigh(inputs, weight, bias, out, sums, first, last, shape, activated):
    """Weighted sums plus bias, through ReLU if `activated`."""
    n_in, n_out = shape
    for n in range(first, last, 2):
        for start in range(0, n_out, 8):
            registers = zeros(16)
            for i in range(n_in):
                registers = add_outer(
                    registers,
                    spread_many(weight, i * n_out + start, 1, 8),
                    load_many(inputs, n * n_in + i, n_in, 2),
                )
            store_many(sums, 0, registers)
            for o in range(8):
                for b in range(2):
                    value = add(load(sums, 2 * o + b), spread(bias[start + o]))
                    if activated:
                        value = relu(value)
                    store(out, (n + b) * n_out + start + o, value)


@inner
def weigh_back(gradient, weight, states, out, sums, first, last, shape):
    """The gradient of a layer's inputs where they, `states`, came through a ReLU; else 0.

    Args:
        gradient: Of the outputs, (blocks, n_out, 16).
        weight: (n_in, n_out).
        states: The inputs, (blocks, n_in, 16).
        out: As `states`.
        sums: Room for 16 vectors.
        first: The first block.
        last: One after the last; an even number more.
        shape: (n_in, n_out), multiples of 8.
    """
    n_in, n_out = shape
    zero = spread(float32(0))
    for n in range(first, last, 2):
        for start in range(0, n_in, 8):
            registers = zeros(16)
            for i in range(n_out):
                registers = add_outer(
                    registers,
                    spread_many(weight, start * n_out + i, n_out, 8),
                    load_many(gradient, n * n_out + i, n_out, 2),
                )
            store_many(sums, 0, registers)
            for o in range(8):
                for b in range(2):
                    i = (n + b) * n_in + start + o
                    store(out, i, where_positive(load(states, i), load(sums, 2 * o + b), zero))


@inner
def gradient_of_weights(
    inputs, gradient, input_rows, gradient_rows, weight, bias, sums, first, last, shape
):  # fmt: skip
    """Write the gradients of weights (n_in, n_out) and biases (n_out,), summed over blocks.

    `input_rows` and `gradient_rows` are room of this thread for the two with one image a row.
    """
    n_in, n_out = shape
    vectors = n_out // LANES
    for n in range(first, last):
        for i in range(0, n_in, LANES):
            transpose(
                inputs, (n * n_in + i) * LANES, LANES,
                input_rows, (n - first) * n_in + i // LANES, n_in // LANES,
            )  # fmt: skip
        for i in range(0, n_out, LANES):
            transpose(
                gradient, (n * n_out + i) * LANES, LANES,
                gradient_rows, (n - first) * n_out + i // LANES, vectors,
            )  # fmt: skip
    for i in range(0, n_in, 8):
        for v in range(0, vectors, 2):
            registers = zeros(16)
            for image in range((last - first) * LANES):
                registers = add_outer(
                    registers,
                    spread_many(input_rows, image * n_in + i, 1, 8),
                    load_many(gradient_rows, image * vectors + v, 1, 2),
                )
            store_many(sums, 0, registers)
            for k in range(8):
                for b in range(2):
                    store(weight, (i + k) * vectors + v + b, load(sums, 2 * k + b))
    for v in range(vectors):
        bias_sum = spread(float32(0))
        for image in range((last - first) * LANES):
            bias_sum = add(bias_sum, load(gradient_rows, image * vectors + v))
        store(bias, v, bias_sum)
