"""One thread's part of an update of LeNet-5 with batch norm.

The threads meet before and after each layer that looks at the whole batch.
"""

from lenet.kernels.convolution import (
    add_lanes,
    add_lanes_of_weights,
    gradient_of_inputs,
    gradient_of_weights3,
    gradient_of_weights4,
    turn_weights,
)
from lenet.kernels.cross_entropy import cross_entropy
from lenet.kernels.dense import weigh, weigh_back
from lenet.kernels.descent import descend, follow
from lenet.kernels.lanes import LANES, entry
from lenet.kernels.layout import (
    ALIVE,
    C1,
    C1_BIAS,
    C1_BIAS_SUMS,
    C1_GAIN,
    C1_MEAN,
    C1_SHAPE,
    C1_SHIFT,
    C1_SUMS,
    C1_VARIANCE,
    C3,
    C3_BIAS,
    C3_BIAS_SUMS,
    C3_GAIN,
    C3_MEAN,
    C3_SHAPE,
    C3_SHIFT,
    C3_SUMS,
    C3_TURNED,
    C3_VARIANCE,
    C5,
    C5_BIAS,
    C5_GAIN,
    C5_MEAN,
    C5_SHAPE,
    C5_SHIFT,
    C5_STATES,
    C5_VARIANCE,
    CHANNEL_SUMS,
    CLASSES,
    D_C1,
    D_C3,
    D_C5,
    D_F6,
    D_LOGITS,
    D_S2_ALL,
    D_S4,
    F6,
    F6_BIAS,
    F6_GAIN,
    F6_MEAN,
    F6_SHAPE,
    F6_SHIFT,
    F6_STATES,
    F6_VARIANCE,
    FACTOR,
    GRADIENT_ROWS,
    INPUT_ROWS,
    LOGITS,
    NO_BIAS,
    OFFSET,
    OUTPUT,
    OUTPUT_BIAS,
    OUTPUT_SHAPE,
    PIXELS,
    ROW,
    S2,
    S2_TOPS,
    S2_VALUES,
    S2_WINNERS,
    S4,
    S4_TOPS,
    S4_WINNERS,
    SLOPE,
    SUMS,
    TRAINED,
    Z1,
    Z3,
    Z5,
    Z6,
    X,
)
from lenet.kernels.normalization import (
    CHANNELS,
    add_up_products,
    add_up_squares,
    coefficients,
    coefficients_back,
    convolve,
    count_live,
    mark_alive,
    normalize_back,
    normalize_relu,
    normalize_relu_pool,
    unpool_normalized,
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


def make_normalized_step(sources):
    """Return the compiled step; see `make_step`."""

    @entry
    def step(
        images, labels, shares, soft, smoothing,
        weights, gradients, velocity, average, memory, scratch, losses, errors,
        control, part, parts, count, rate, momentum, nesterov, decay, averaging, keep,
        statistics, moments, epsilon, forgetting,
    ):  # fmt: skip
        """One thread's part of an update with batch norm; see `FusedLeNet5.learn`.

        It is compiled apart from `step`, for one of the two is all that a run needs.
        """
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
        z1, s2_tops = states_of(memory, Z1, blocks), states_of(memory, S2_TOPS, blocks)
        z3, s4_tops = states_of(memory, Z3, blocks), states_of(memory, S4_TOPS, blocks)
        z5, z6 = states_of(memory, Z5, blocks), states_of(memory, Z6, blocks)
        slope, offset, factor = own_of(own, SLOPE), own_of(own, OFFSET), own_of(own, FACTOR)
        channel_sums, alive = own_of(own, CHANNEL_SUMS), own_of(own, ALIVE)
        zeros_of_bias = own_of(own, NO_BIAS)
        width = 2 * CHANNELS
        for layer in range(8):
            statistics[layer, part * width : (part + 1) * width] = 0

        convolve(
            x, weights_of(weights, C1), z1, channel_sums, statistics[0], sums,
            first, last, part, count, C1_SHAPE,
        )  # fmt: skip
        if not meet(control, parts, 1):
            return
        coefficients(
            statistics[0], parts, part, 6, count * 784, epsilon, forgetting,
            weights_of(weights, C1_GAIN), weights_of(weights, C1_SHIFT),
            weights_of(weights, C1_BIAS), weights_of(weights, C1_MEAN),
            weights_of(weights, C1_VARIANCE), slope, offset,
            moments[part, 0],
        )  # fmt: skip
        normalize_relu_pool(z1, slope, offset, s2, s2_winners, s2_tops, first, last, C1_SHAPE)
        convolve(
            s2, weights_of(weights, C3), z3, channel_sums, statistics[1], sums,
            first, last, part, count, C3_SHAPE,
        )  # fmt: skip
        if not meet(control, parts, 2):
            return
        coefficients(
            statistics[1], parts, part, 16, count * 100, epsilon, forgetting,
            weights_of(weights, C3_GAIN), weights_of(weights, C3_SHIFT),
            weights_of(weights, C3_BIAS), weights_of(weights, C3_MEAN),
            weights_of(weights, C3_VARIANCE), slope, offset,
            moments[part, 1],
        )  # fmt: skip
        normalize_relu_pool(z3, slope, offset, s4, s4_winners, s4_tops, first, last, C3_SHAPE)
        weigh(
            s4, weights_of(weights, C5), weights_of(weights, C5_BIAS), z5, sums,
            first, last, C5_SHAPE, False,
        )  # fmt: skip
        add_up_squares(z5, statistics[2], first, last, part, count, C5_SHAPE[1])
        if not meet(control, parts, 3):
            return
        coefficients(
            statistics[2], parts, part, C5_SHAPE[1], count, epsilon, forgetting,
            weights_of(weights, C5_GAIN), weights_of(weights, C5_SHIFT), zeros_of_bias,
            weights_of(weights, C5_MEAN), weights_of(weights, C5_VARIANCE), slope, offset,
            moments[part, 2],
        )  # fmt: skip
        normalize_relu(z5, slope, offset, c5, first, last, C5_SHAPE[1])
        weigh(
            c5, weights_of(weights, F6), weights_of(weights, F6_BIAS), z6, sums,
            first, last, F6_SHAPE, False,
        )  # fmt: skip
        add_up_squares(z6, statistics[3], first, last, part, count, F6_SHAPE[1])
        if not meet(control, parts, 4):
            return
        coefficients(
            statistics[3], parts, part, F6_SHAPE[1], count, epsilon, forgetting,
            weights_of(weights, F6_GAIN), weights_of(weights, F6_SHIFT), zeros_of_bias,
            weights_of(weights, F6_MEAN), weights_of(weights, F6_VARIANCE), slope, offset,
            moments[part, 3],
        )  # fmt: skip
        normalize_relu(z6, slope, offset, f6, first, last, F6_SHAPE[1])
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
        add_up_products(
            d_f6, z6, f6, channel_sums, statistics[7], first, last, part, count, F6_SHAPE[1], 1
        )
        if not meet(control, parts, 5):
            return
        coefficients_back(
            statistics[7], parts, part, F6_SHAPE[1], count, weights_of(weights, F6_GAIN),
            moments[part, 3],
            weights_of(gradient, F6_GAIN), weights_of(gradient, F6_SHIFT), slope, offset, factor,
        )  # fmt: skip
        normalize_back(d_f6, z6, slope, offset, factor, alive, first, last, count, F6_SHAPE[1])
        weigh_back(d_f6, weights_of(weights, F6), c5, d_c5, sums, first, last, F6_SHAPE)
        add_up_products(
            d_c5, z5, c5, channel_sums, statistics[6], first, last, part, count, C5_SHAPE[1], 1
        )
        if not meet(control, parts, 6):
            return
        coefficients_back(
            statistics[6], parts, part, C5_SHAPE[1], count, weights_of(weights, C5_GAIN),
            moments[part, 2],
            weights_of(gradient, C5_GAIN), weights_of(gradient, C5_SHIFT), slope, offset, factor,
        )  # fmt: skip
        normalize_back(d_c5, z5, slope, offset, factor, alive, first, last, count, C5_SHAPE[1])
        weigh_back(d_c5, weights_of(weights, C5), s4, d_s4, sums, first, last, C5_SHAPE)
        gradient_of_dense_layers(
            s4, c5, f6, d_c5, d_f6, d_logits, rows, d_rows, gradient, sums, first, last
        )

        turned, d_c1, d_c3 = own_of(own, C3_TURNED), own_of(own, D_C1), own_of(own, D_C3)
        d_s2 = states_of(memory, D_S2_ALL, blocks)
        turn_weights(weights_of(weights, C3), turned, C3_SHAPE)
        c1_sums, c1_bias_sums = own_of(own, C1_SUMS), own_of(own, C1_BIAS_SUMS)
        c3_sums, c3_bias_sums = own_of(own, C3_SUMS), own_of(own, C3_BIAS_SUMS)
        for array in (c1_sums, c1_bias_sums, c3_sums, c3_bias_sums):
            array[:] = 0
        add_up_products(
            d_s4, s4_tops, s4, channel_sums, statistics[5], first, last, part, count, 16, 25
        )
        if not meet(control, parts, 7):
            return
        coefficients_back(
            statistics[5], parts, part, 16, count * 100, weights_of(weights, C3_GAIN),
            moments[part, 1], weights_of(gradient, C3_GAIN), weights_of(gradient, C3_SHIFT),
            slope, offset, factor,
        )  # fmt: skip
        for n in range(first, last):
            mark_alive(alive, count_live(n, count))
            unpool_normalized(d_s4, s4_winners, z3, slope, offset, factor, alive, d_c3, n, C3_SHAPE)
            gradient_of_weights4(s2, d_c3, c3_sums, c3_bias_sums, n, C3_SHAPE)
            d_block = d_s2[n * S2_VALUES * LANES : (n + 1) * S2_VALUES * LANES]
            gradient_of_inputs(d_c3, turned, d_block, sums, C3_SHAPE)
        add_up_products(
            d_s2, s2_tops, s2, channel_sums, statistics[4], first, last, part, count, 6, 196
        )
        if not meet(control, parts, 8):
            return
        coefficients_back(
            statistics[4], parts, part, 6, count * 784, weights_of(weights, C1_GAIN),
            moments[part, 0], weights_of(gradient, C1_GAIN), weights_of(gradient, C1_SHIFT),
            slope, offset, factor,
        )  # fmt: skip
        for n in range(first, last):
            mark_alive(alive, count_live(n, count))
            unpool_normalized(d_s2, s2_winners, z1, slope, offset, factor, alive, d_c1, n, C1_SHAPE)
            gradient_of_weights3(x, d_c1, c1_sums, c1_bias_sums, n, C1_SHAPE)
        add_lanes_of_weights(c1_sums, weights_of(gradient, C1), C1_SHAPE)
        add_lanes_of_weights(c3_sums, weights_of(gradient, C3), C3_SHAPE)
        add_lanes(c1_bias_sums, weights_of(gradient, C1_BIAS))
        add_lanes(c3_bias_sums, weights_of(gradient, C3_BIAS))

        if not meet(control, parts, 9):
            return
        descend(
            weights, gradients, velocity, average, parts, part,
            rate, momentum, nesterov, decay, averaging, keep,
        )  # fmt: skip
        if averaging and part == 0:
            follow(weights, average, keep)

    return step
