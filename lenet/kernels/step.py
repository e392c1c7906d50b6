"""One thread's part of an update of LeNet-5 without batch norm."""

from lenet.kernels.convolution import (
    add_lanes,
    add_lanes_of_weights,
    convolve_relu_pool,
    gradient_of_inputs,
    gradient_of_weights3,
    gradient_of_weights4,
    turn_weights,
    unpool,
)
from lenet.kernels.cross_entropy import cross_entropy
from lenet.kernels.dense import weigh, weigh_back
from lenet.kernels.descent import descend
from lenet.kernels.lanes import LANES, entry
from lenet.kernels.layout import (
    C1,
    C1_BIAS,
    C1_BIAS_SUMS,
    C1_SHAPE,
    C1_SUMS,
    C3,
    C3_BIAS,
    C3_BIAS_SUMS,
    C3_SHAPE,
    C3_SUMS,
    C3_TURNED,
    C5,
    C5_BIAS,
    C5_SHAPE,
    C5_STATES,
    CLASSES,
    D_C1,
    D_C3,
    D_C5,
    D_F6,
    D_LOGITS,
    D_S2,
    D_S4,
    F6,
    F6_BIAS,
    F6_SHAPE,
    F6_STATES,
    GRADIENT_ROWS,
    INPUT_ROWS,
    LOGITS,
    OUTPUT,
    OUTPUT_BIAS,
    OUTPUT_SHAPE,
    PIXELS,
    ROW,
    S2,
    S2_WINNERS,
    S4,
    S4_WINNERS,
    SUMS,
    TRAINED,
    X,
)
from lenet.kernels.threads import meet
from lenet.kernels.views import (
    gradient_of_dense_layers,
    lay_side_by_side,
    own_of,
    share_of,
    states_of,
    weights_of,
)


def make_step(sources):
    """Return the compiled step; `sources` is `lanes.SOURCES`, a part of its cache's key."""

    @entry
    def step(
        images, labels, shares, soft, smoothing,
        weights, gradients, velocity, average, memory, scratch, losses, errors,
        control, part, parts, count, rate, momentum, nesterov, decay, averaging, keep,
    ):  # fmt: skip
        """One thread's part of an update; see `FusedLeNet5.learn`."""
        _ = sources
        blocks = (count + 2 * LANES - 1) // (2 * LANES) * 2
        first, last = share_of(blocks, part, parts)
        own, gradient = scratch[part], gradients[part * TRAINED : (part + 1) * TRAINED]
        sums = own_of(own, SUMS)

        x = states_of(memory, X, blocks)
        s2, s2_winners = states_of(memory, S2, blocks), states_of(memory, S2_WINNERS, blocks)
        s4, s4_winners = states_of(memory, S4, blocks), states_of(memory, S4_WINNERS, blocks)
        c5, f6 = states_of(memory, C5_STATES, blocks), states_of(memory, F6_STATES, blocks)
        logits = states_of(memory, LOGITS, blocks)
        lay_side_by_side(images, x, first, last, PIXELS, count)
        convolve_relu_pool(
            x, weights_of(weights, C1), weights_of(weights, C1_BIAS), s2, s2_winners, sums,
            first, last, C1_SHAPE,
        )  # fmt: skip
        convolve_relu_pool(
            s2, weights_of(weights, C3), weights_of(weights, C3_BIAS), s4, s4_winners, sums,
            first, last, C3_SHAPE,
        )  # fmt: skip
        weigh(
            s4, weights_of(weights, C5), weights_of(weights, C5_BIAS), c5, sums,
            first, last, C5_SHAPE, True,
        )  # fmt: skip
        weigh(
            c5, weights_of(weights, F6), weights_of(weights, F6_BIAS), f6, sums,
            first, last, F6_SHAPE, True,
        )  # fmt: skip
        weigh(
            f6, weights_of(weights, OUTPUT), weights_of(weights, OUTPUT_BIAS), logits, sums,
            first, last, OUTPUT_SHAPE, False,
        )  # fmt: skip

        d_logits, d_f6 = states_of(memory, D_LOGITS, blocks), states_of(memory, D_F6, blocks)
        d_c5, d_s4 = states_of(memory, D_C5, blocks), states_of(memory, D_S4, blocks)
        # One image a row takes more room in some layers than in others: each thread has its own.
        rows = states_of(memory, INPUT_ROWS, blocks)[first * C5_SHAPE[0] * LANES :]
        d_rows = states_of(memory, GRADIENT_ROWS, blocks)[first * C5_SHAPE[1] * LANES :]
        losses[part], errors[part] = cross_entropy(
            logits, labels, shares, soft, smoothing, d_logits, own_of(own, ROW),
            first, last, count, CLASSES, OUTPUT_SHAPE,
        )  # fmt: skip
        weigh_back(d_logits, weights_of(weights, OUTPUT), f6, d_f6, sums, first, last, OUTPUT_SHAPE)
        weigh_back(d_f6, weights_of(weights, F6), c5, d_c5, sums, first, last, F6_SHAPE)
        weigh_back(d_c5, weights_of(weights, C5), s4, d_s4, sums, first, last, C5_SHAPE)
        gradient_of_dense_layers(
            s4, c5, f6, d_c5, d_f6, d_logits, rows, d_rows, gradient, sums, first, last
        )

        # Block by block, so that what one layer hands to the next stays in the cache.
        turned, d_c1, d_c3, d_s2 = (
            own_of(own, C3_TURNED), own_of(own, D_C1), own_of(own, D_C3), own_of(own, D_S2),
        )  # fmt: skip
        turn_weights(weights_of(weights, C3), turned, C3_SHAPE)
        c1_sums, c1_bias_sums = own_of(own, C1_SUMS), own_of(own, C1_BIAS_SUMS)
        c3_sums, c3_bias_sums = own_of(own, C3_SUMS), own_of(own, C3_BIAS_SUMS)
        for array in (c1_sums, c1_bias_sums, c3_sums, c3_bias_sums):
            array[:] = 0
        for n in range(first, last):
            unpool(d_s4, s4_winners, d_c3, n, n, C3_SHAPE)
            gradient_of_weights4(s2, d_c3, c3_sums, c3_bias_sums, n, C3_SHAPE)
            gradient_of_inputs(d_c3, turned, d_s2, sums, C3_SHAPE)
            unpool(d_s2, s2_winners, d_c1, n, 0, C1_SHAPE)
            gradient_of_weights3(x, d_c1, c1_sums, c1_bias_sums, n, C1_SHAPE)
        add_lanes_of_weights(c1_sums, weights_of(gradient, C1), C1_SHAPE)
        add_lanes_of_weights(c3_sums, weights_of(gradient, C3), C3_SHAPE)
        add_lanes(c1_bias_sums, weights_of(gradient, C1_BIAS))
        add_lanes(c3_bias_sums, weights_of(gradient, C3_BIAS))

        if meet(control, parts, 1):
            descend(
                weights, gradients, velocity, average, parts, part,
                rate, momentum, nesterov, decay, averaging, keep,
            )  # fmt: skip

    return step
