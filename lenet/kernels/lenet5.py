"""A whole training step of modern LeNet-5: forward, back, update; one call a thread.

With batch norm the threads meet before and after each layer that looks at the whole batch.
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from torch import Tensor

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
from lenet.kernels.dense import gradient_of_weights, weigh, weigh_back
from lenet.kernels.descent import descend, follow
from lenet.kernels.lanes import LANES, SOURCES, entry, inner, transpose
from lenet.kernels.layout import (
    ALIVE,
    ALL,
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
    D_S2,
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
    MEMORY,
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
    SCRATCH,
    SLOPE,
    SUMS,
    TRAINED,
    Z1,
    Z3,
    Z5,
    Z6,
    Floats,
    X,
)  # fmt: skip
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
from lenet.kernels.threads import ABORTED, meet

EPSILON, FORGETTING = 1e-5, 0.1
"""What PyTorch adds to the variance, and the share of a batch in its running statistics."""


@inner
def _weights(weights, section):
    return weights[section[0] : section[1]]


@inner
def _states(memory, section, blocks):
    scale = blocks * LANES
    return memory[section[0] * scale : section[1] * scale]


@inner
def _own(scratch, section):
    return scratch[section[0] * LANES : section[1] * LANES]


@inner
def _lay_side_by_side(images, out, first, last, values, count):
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
def _share(blocks, part, parts):
    """The first and the last + 1 block of a part; blocks come in pairs."""
    pairs = blocks // 2
    return pairs * part // parts * 2, pairs * (part + 1) // parts * 2


def _make_step(sources):
    @entry
    def step(
        images, labels, shares, soft, smoothing,
        weights, gradients, velocity, average, memory, scratch, losses, errors,
        control, part, parts, count, rate, momentum, nesterov, decay, averaging, keep,
    ):  # fmt: skip
        """One thread's part of an update; see `FusedLeNet5.learn`."""
        _ = sources
        blocks = (count + 2 * LANES - 1) // (2 * LANES) * 2
        first, last = _share(blocks, part, parts)
        own, gradient = scratch[part], gradients[part * TRAINED : (part + 1) * TRAINED]
        sums = _own(own, SUMS)

        x = _states(memory, X, blocks)
        s2, s2_winners = _states(memory, S2, blocks), _states(memory, S2_WINNERS, blocks)
        s4, s4_winners = _states(memory, S4, blocks), _states(memory, S4_WINNERS, blocks)
        c5, f6 = _states(memory, C5_STATES, blocks), _states(memory, F6_STATES, blocks)
        logits = _states(memory, LOGITS, blocks)
        _lay_side_by_side(images, x, first, last, PIXELS, count)
        convolve_relu_pool(
            x, _weights(weights, C1), _weights(weights, C1_BIAS), s2, s2_winners, sums,
            first, last, C1_SHAPE,
        )  # fmt: skip
        convolve_relu_pool(
            s2, _weights(weights, C3), _weights(weights, C3_BIAS), s4, s4_winners, sums,
            first, last, C3_SHAPE,
        )  # fmt: skip
        weigh(
            s4, _weights(weights, C5), _weights(weights, C5_BIAS), c5, sums,
            first, last, C5_SHAPE, True,
        )  # fmt: skip
        weigh(
            c5, _weights(weights, F6), _weights(weights, F6_BIAS), f6, sums,
            first, last, F6_SHAPE, True,
        )  # fmt: skip
        weigh(
            f6, _weights(weights, OUTPUT), _weights(weights, OUTPUT_BIAS), logits, sums,
            first, last, OUTPUT_SHAPE, False,
        )  # fmt: skip

        d_logits, d_f6 = _states(memory, D_LOGITS, blocks), _states(memory, D_F6, blocks)
        d_c5, d_s4 = _states(memory, D_C5, blocks), _states(memory, D_S4, blocks)
        # One image a row takes more room in some layers than in others: each thread has its own.
        rows = _states(memory, INPUT_ROWS, blocks)[first * C5_SHAPE[0] * LANES :]
        d_rows = _states(memory, GRADIENT_ROWS, blocks)[first * C5_SHAPE[1] * LANES :]
        losses[part], errors[part] = cross_entropy(
            logits, labels, shares, soft, smoothing, d_logits, _own(own, ROW),
            first, last, count, CLASSES, OUTPUT_SHAPE,
        )  # fmt: skip
        weigh_back(d_logits, _weights(weights, OUTPUT), f6, d_f6, sums, first, last, OUTPUT_SHAPE)
        weigh_back(d_f6, _weights(weights, F6), c5, d_c5, sums, first, last, F6_SHAPE)
        weigh_back(d_c5, _weights(weights, C5), s4, d_s4, sums, first, last, C5_SHAPE)
        gradient_of_weights(
            f6, d_logits, rows, d_rows, _weights(gradient, OUTPUT),
            _weights(gradient, OUTPUT_BIAS), sums, first, last, OUTPUT_SHAPE,
        )  # fmt: skip
        gradient_of_weights(
            c5, d_f6, rows, d_rows, _weights(gradient, F6), _weights(gradient, F6_BIAS), sums,
            first, last, F6_SHAPE,
        )  # fmt: skip
        gradient_of_weights(
            s4, d_c5, rows, d_rows, _weights(gradient, C5), _weights(gradient, C5_BIAS), sums,
            first, last, C5_SHAPE,
        )  # fmt: skip

        # Block by block, so that what one layer hands to the next stays in the cache.
        turned, d_c1, d_c3, d_s2 = (
            _own(own, C3_TURNED), _own(own, D_C1), _own(own, D_C3), _own(own, D_S2),
        )  # fmt: skip
        turn_weights(_weights(weights, C3), turned, C3_SHAPE)
        c1_sums, c1_bias_sums = _own(own, C1_SUMS), _own(own, C1_BIAS_SUMS)
        c3_sums, c3_bias_sums = _own(own, C3_SUMS), _own(own, C3_BIAS_SUMS)
        for array in (c1_sums, c1_bias_sums, c3_sums, c3_bias_sums):
            array[:] = 0
        for n in range(first, last):
            unpool(d_s4, s4_winners, d_c3, n, n, C3_SHAPE)
            gradient_of_weights4(s2, d_c3, c3_sums, c3_bias_sums, n, C3_SHAPE)
            gradient_of_inputs(d_c3, turned, d_s2, sums, C3_SHAPE)
            unpool(d_s2, s2_winners, d_c1, n, 0, C1_SHAPE)
            gradient_of_weights3(x, d_c1, c1_sums, c1_bias_sums, n, C1_SHAPE)
        add_lanes_of_weights(c1_sums, _weights(gradient, C1), C1_SHAPE)
        add_lanes_of_weights(c3_sums, _weights(gradient, C3), C3_SHAPE)
        add_lanes(c1_bias_sums, _weights(gradient, C1_BIAS))
        add_lanes(c3_bias_sums, _weights(gradient, C3_BIAS))

        if meet(control, parts, 1):
            descend(
                weights, gradients, velocity, average, parts, part,
                rate, momentum, nesterov, decay, averaging, keep,
            )  # fmt: skip

    return step


def _make_normalized_step(sources):
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
        first, last = _share(blocks, part, parts)
        own, gradient = scratch[part], gradients[part * TRAINED : (part + 1) * TRAINED]
        sums = _own(own, SUMS)

        x = _states(memory, X, blocks)
        s2, s2_winners = _states(memory, S2, blocks), _states(memory, S2_WINNERS, blocks)
        s4, s4_winners = _states(memory, S4, blocks), _states(memory, S4_WINNERS, blocks)
        c5, f6 = _states(memory, C5_STATES, blocks), _states(memory, F6_STATES, blocks)
        logits = _states(memory, LOGITS, blocks)
        _lay_side_by_side(images, x, first, last, PIXELS, count)
        z1, s2_tops = _states(memory, Z1, blocks), _states(memory, S2_TOPS, blocks)
        z3, s4_tops = _states(memory, Z3, blocks), _states(memory, S4_TOPS, blocks)
        z5, z6 = _states(memory, Z5, blocks), _states(memory, Z6, blocks)
        slope, offset, factor = _own(own, SLOPE), _own(own, OFFSET), _own(own, FACTOR)
        channel_sums, alive = _own(own, CHANNEL_SUMS), _own(own, ALIVE)
        zeros_of_bias = _own(own, NO_BIAS)
        width = 2 * CHANNELS
        for layer in range(8):
            statistics[layer, part * width : (part + 1) * width] = 0

        convolve(
            x, _weights(weights, C1), z1, channel_sums, statistics[0], sums,
            first, last, part, count, C1_SHAPE,
        )  # fmt: skip
        if not meet(control, parts, 1):
            return
        coefficients(
            statistics[0], parts, part, 6, count * 784, epsilon, forgetting,
            _weights(weights, C1_GAIN), _weights(weights, C1_SHIFT), _weights(weights, C1_BIAS),
            _weights(weights, C1_MEAN), _weights(weights, C1_VARIANCE), slope, offset,
            moments[part, 0],
        )  # fmt: skip
        normalize_relu_pool(z1, slope, offset, s2, s2_winners, s2_tops, first, last, C1_SHAPE)
        convolve(
            s2, _weights(weights, C3), z3, channel_sums, statistics[1], sums,
            first, last, part, count, C3_SHAPE,
        )  # fmt: skip
        if not meet(control, parts, 2):
            return
        coefficients(
            statistics[1], parts, part, 16, count * 100, epsilon, forgetting,
            _weights(weights, C3_GAIN), _weights(weights, C3_SHIFT), _weights(weights, C3_BIAS),
            _weights(weights, C3_MEAN), _weights(weights, C3_VARIANCE), slope, offset,
            moments[part, 1],
        )  # fmt: skip
        normalize_relu_pool(z3, slope, offset, s4, s4_winners, s4_tops, first, last, C3_SHAPE)
        weigh(
            s4, _weights(weights, C5), _weights(weights, C5_BIAS), z5, sums,
            first, last, C5_SHAPE, False,
        )  # fmt: skip
        add_up_squares(z5, statistics[2], first, last, part, count, C5_SHAPE[1])
        if not meet(control, parts, 3):
            return
        coefficients(
            statistics[2], parts, part, C5_SHAPE[1], count, epsilon, forgetting,
            _weights(weights, C5_GAIN), _weights(weights, C5_SHIFT), zeros_of_bias,
            _weights(weights, C5_MEAN), _weights(weights, C5_VARIANCE), slope, offset,
            moments[part, 2],
        )  # fmt: skip
        normalize_relu(z5, slope, offset, c5, first, last, C5_SHAPE[1])
        weigh(
            c5, _weights(weights, F6), _weights(weights, F6_BIAS), z6, sums,
            first, last, F6_SHAPE, False,
        )  # fmt: skip
        add_up_squares(z6, statistics[3], first, last, part, count, F6_SHAPE[1])
        if not meet(control, parts, 4):
            return
        coefficients(
            statistics[3], parts, part, F6_SHAPE[1], count, epsilon, forgetting,
            _weights(weights, F6_GAIN), _weights(weights, F6_SHIFT), zeros_of_bias,
            _weights(weights, F6_MEAN), _weights(weights, F6_VARIANCE), slope, offset,
            moments[part, 3],
        )  # fmt: skip
        normalize_relu(z6, slope, offset, f6, first, last, F6_SHAPE[1])
        weigh(
            f6, _weights(weights, OUTPUT), _weights(weights, OUTPUT_BIAS), logits, sums,
            first, last, OUTPUT_SHAPE, False,
        )  # fmt: skip

        d_logits, d_f6 = _states(memory, D_LOGITS, blocks), _states(memory, D_F6, blocks)
        d_c5, d_s4 = _states(memory, D_C5, blocks), _states(memory, D_S4, blocks)
        # One image a row takes more room in some layers than in others: each thread has its own.
        rows = _states(memory, INPUT_ROWS, blocks)[first * C5_SHAPE[0] * LANES :]
        d_rows = _states(memory, GRADIENT_ROWS, blocks)[first * C5_SHAPE[1] * LANES :]
        losses[part], errors[part] = cross_entropy(
            logits, labels, shares, soft, smoothing, d_logits, _own(own, ROW),
            first, last, count, CLASSES, OUTPUT_SHAPE,
        )  # fmt: skip
        weigh_back(d_logits, _weights(weights, OUTPUT), f6, d_f6, sums, first, last, OUTPUT_SHAPE)
        add_up_products(
            d_f6, z6, f6, channel_sums, statistics[7], first, last, part, count, F6_SHAPE[1], 1
        )
        if not meet(control, parts, 5):
            return
        coefficients_back(
            statistics[7], parts, part, F6_SHAPE[1], count, _weights(weights, F6_GAIN),
            moments[part, 3],
            _weights(gradient, F6_GAIN), _weights(gradient, F6_SHIFT), slope, offset, factor,
        )  # fmt: skip
        normalize_back(d_f6, z6, slope, offset, factor, alive, first, last, count, F6_SHAPE[1])
        weigh_back(d_f6, _weights(weights, F6), c5, d_c5, sums, first, last, F6_SHAPE)
        add_up_products(
            d_c5, z5, c5, channel_sums, statistics[6], first, last, part, count, C5_SHAPE[1], 1
        )
        if not meet(control, parts, 6):
            return
        coefficients_back(
            statistics[6], parts, part, C5_SHAPE[1], count, _weights(weights, C5_GAIN),
            moments[part, 2],
            _weights(gradient, C5_GAIN), _weights(gradient, C5_SHIFT), slope, offset, factor,
        )  # fmt: skip
        normalize_back(d_c5, z5, slope, offset, factor, alive, first, last, count, C5_SHAPE[1])
        weigh_back(d_c5, _weights(weights, C5), s4, d_s4, sums, first, last, C5_SHAPE)
        gradient_of_weights(
            f6, d_logits, rows, d_rows, _weights(gradient, OUTPUT),
            _weights(gradient, OUTPUT_BIAS), sums, first, last, OUTPUT_SHAPE,
        )  # fmt: skip
        gradient_of_weights(
            c5, d_f6, rows, d_rows, _weights(gradient, F6), _weights(gradient, F6_BIAS), sums,
            first, last, F6_SHAPE,
        )  # fmt: skip
        gradient_of_weights(
            s4, d_c5, rows, d_rows, _weights(gradient, C5), _weights(gradient, C5_BIAS), sums,
            first, last, C5_SHAPE,
        )  # fmt: skip

        turned, d_c1, d_c3 = _own(own, C3_TURNED), _own(own, D_C1), _own(own, D_C3)
        d_s2 = _states(memory, D_S2_ALL, blocks)
        turn_weights(_weights(weights, C3), turned, C3_SHAPE)
        c1_sums, c1_bias_sums = _own(own, C1_SUMS), _own(own, C1_BIAS_SUMS)
        c3_sums, c3_bias_sums = _own(own, C3_SUMS), _own(own, C3_BIAS_SUMS)
        for array in (c1_sums, c1_bias_sums, c3_sums, c3_bias_sums):
            array[:] = 0
        add_up_products(
            d_s4, s4_tops, s4, channel_sums, statistics[5], first, last, part, count, 16, 25
        )
        if not meet(control, parts, 7):
            return
        coefficients_back(
            statistics[5], parts, part, 16, count * 100, _weights(weights, C3_GAIN),
            moments[part, 1], _weights(gradient, C3_GAIN), _weights(gradient, C3_SHIFT),
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
            statistics[4], parts, part, 6, count * 784, _weights(weights, C1_GAIN),
            moments[part, 0], _weights(gradient, C1_GAIN), _weights(gradient, C1_SHIFT),
            slope, offset, factor,
        )  # fmt: skip
        for n in range(first, last):
            mark_alive(alive, count_live(n, count))
            unpool_normalized(d_s2, s2_winners, z1, slope, offset, factor, alive, d_c1, n, C1_SHAPE)
            gradient_of_weights3(x, d_c1, c1_sums, c1_bias_sums, n, C1_SHAPE)
        add_lanes_of_weights(c1_sums, _weights(gradient, C1), C1_SHAPE)
        add_lanes_of_weights(c3_sums, _weights(gradient, C3), C3_SHAPE)
        add_lanes(c1_bias_sums, _weights(gradient, C1_BIAS))
        add_lanes(c3_bias_sums, _weights(gradient, C3_BIAS))

        if not meet(control, parts, 9):
            return
        descend(
            weights, gradients, velocity, average, parts, part,
            rate, momentum, nesterov, decay, averaging, keep,
        )  # fmt: skip
        if averaging and part == 0:
            follow(weights, average, keep)

    return step


_step, _normalized_step = _make_step(SOURCES), _make_normalized_step(SOURCES)


class FusedLeNet5:
    """Weights of a modern LeNet-5, and steps on them.

    The batch is divided among threads by pairs of blocks of sixteen images, always in the same way:
    results repeat to the bit for the same number of threads.

    Args:
        threads: How many threads share a step.
        batch_norm: Whether the network has batch norm.

    Attributes:
        weights: All sections of `layout`.
        velocity: The momentum of each weight.
        average: The average of the weights.
        gradients: Of the last step, one for each thread; their sum is the gradient.
    """

    def __init__(self, threads: int, batch_norm: bool = False) -> None:
        self.threads = threads
        self.batch_norm = batch_norm
        self.pool = ThreadPoolExecutor(threads - 1) if threads > 1 else None
        self.weights = np.zeros(ALL, np.float32)
        self.velocity, self.average = np.zeros_like(self.weights), np.zeros_like(self.weights)
        self.gradients = np.zeros(threads * TRAINED, np.float32)
        self.memory = np.zeros(0, np.float32)
        self.scratch = np.zeros((threads, SCRATCH * LANES), np.float32)
        self.losses, self.errors = np.zeros(threads), np.zeros(threads, np.int64)
        self.control = np.zeros(2, np.int64)
        self.parts = threads
        self.statistics = np.zeros((8, threads * 2 * CHANNELS))
        self.moments = np.zeros((threads, 4, 2 * CHANNELS))

    def learn(
        self,
        images: Tensor,
        targets: Tensor,
        *,
        rate: float,
        momentum: float = 0.0,
        nesterov: bool = False,
        decay: float = 0.0,
        smoothing: float = 0.0,
        keep: float | None = None,
    ) -> tuple[float, int]:
        """Make one update.

        Args:
            images: Inputs, float32 (B, 1, 32, 32), on the CPU.
            targets: Labels, int64 (B,), or shares of each class, float32 (B, 10).
            rate: Learning rate.
            momentum: Share of the last step that is kept.
            nesterov: Whether to look ahead along the momentum.
            decay: Pull towards zero of all weights but the biases.
            smoothing: Label smoothing of the cross-entropy.
            keep: Share of the average of the weights that is kept; None: there is no average.

        Returns:
            The sum of the losses and the number of errors before the update.
        """
        count, soft = len(images), targets.is_floating_point()
        pairs = -(-count // (2 * LANES))
        parts = self.parts = min(self.threads, pairs)
        size = MEMORY * 2 * pairs * LANES
        if len(self.memory) < size:
            self.memory = np.zeros(size, np.float32)
        given = targets.contiguous().view(-1).numpy()
        labels = np.zeros(1, np.int64) if soft else given
        shares = given if soft else np.zeros(1, np.float32)
        self.control[:] = 0

        def work(part: int) -> None:
            common = (
                images.contiguous().view(-1).numpy(), labels, shares, soft, float(smoothing),
                self.weights, self.gradients, self.velocity, self.average, self.memory,
                self.scratch, self.losses, self.errors, self.control, part, parts, count,
                float(rate), float(momentum), nesterov, float(decay), keep is not None,
                0.0 if keep is None else float(keep),
            )  # fmt: skip
            if self.batch_norm:
                _normalized_step(*common, self.statistics, self.moments, EPSILON, FORGETTING)
            else:
                _step(*common)

        try:
            others = [self.pool.submit(work, part) for part in range(1, parts)] if self.pool else []
            work(0)
        except BaseException:
            self.control[ABORTED] = 1  # or the others would wait for this thread for ever
            raise
        for other in others:
            other.result()
        return float(self.losses[:parts].sum()), int(self.errors[:parts].sum())

    @property
    def gradient(self) -> Floats:
        """The gradient of the last step."""
        gradient: Floats = self.gradients.reshape(self.threads, -1)[: self.parts].sum(0)
        return gradient
