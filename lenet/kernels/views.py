"""The parts of the flat arrays that a step works on, and what both kinds of steps do with them."""

from lenet.kernels.dense import gradient_of_weights
from lenet.kernels.lanes import LANES, inner, transpose
from lenet.kernels.layout import (
    C5,
    C5_BIAS,
    C5_SHAPE,
    F6,
    F6_BIAS,
    F6_SHAPE,
    OUTPUT,
    OUTPUT_BIAS,
    OUTPUT_SHAPE,
)


@inner
def weights_of(weights, section):
    """A section of the weights, or of their gradient."""
    return weights[section[0] : section[1]]


@inner
def states_of(memory, section, blocks):
    """The states of a layer, of all blocks; the threads share them."""
    scale = blocks * LANES
    return memory[section[0] * scale : section[1] * scale]


@inner
def own_of(scratch, section):
    """A section of a thread's own memory."""
    return scratch[section[0] * LANES : section[1] * LANES]


@inner
def lay_side_by_side(images, out, first, last, values, count):
    """(B, values) → (blocks, values, 16); images beyond B are zeros."""
    for n in range(first, last):
        there = min(LANES, count - LANES * n)
        if there == LANES:
            for v in range(0, values, LANES):
                transpose(images, n * LANES * values + v, values, out, n * values + v, 1)
        else:
            for v in range(values):
                for lane in range(LANES):
                    value = images[(n * LANES + lane) * values + v] if lane < there else 0
                    out[(n * values + v) * LANES + lane] = value


@inner
def share_of(blocks, part, parts):
    """The first and the last + 1 block of a part; blocks come in pairs."""
    pairs = blocks // 2
    return pairs * part // parts * 2, pairs * (part + 1) // parts * 2


@inner
def gradient_of_dense_layers(
    s4, c5, f6, d_c5, d_f6, d_logits, rows, d_rows, gradient, sums, first, last
):  # fmt: skip
    """Add what these blocks contribute to the gradient of the weights of C5, F6 and the output."""
    gradient_of_weights(
        f6, d_logits, rows, d_rows, weights_of(gradient, OUTPUT),
        weights_of(gradient, OUTPUT_BIAS), sums, first, last, OUTPUT_SHAPE,
    )  # fmt: skip
    gradient_of_weights(
        c5, d_f6, rows, d_rows, weights_of(gradient, F6), weights_of(gradient, F6_BIAS), sums,
        first, last, F6_SHAPE,
    )  # fmt: skip
    gradient_of_weights(
        s4, d_c5, rows, d_rows, weights_of(gradient, C5), weights_of(gradient, C5_BIAS), sums,
        first, last, C5_SHAPE,
    )  # fmt: skip
