"""One thread's part of an update, or of an evaluation: the plan's rows forward, and back."""

from numpy import float32

from lenet.kernels.convolution import (
    activate,
    activate_back,
    add_lanes,
    add_lanes_of_weights,
    convolve,
    gradient_of_biases,
    gradient_of_inputs,
    gradient_of_weights,
    tile_weights,
    turn_weights,
)
from lenet.kernels.cross_entropy import cross_entropy
from lenet.kernels.dense import gradient_of_weights as gradient_of_dense_weights
from lenet.kernels.dense import weigh, weigh_back
from lenet.kernels.descent import descend, follow
from lenet.kernels.lanes import LANES, entry, fill, inner, transpose
from lenet.kernels.normalization import (
    add_up_products,
    add_up_squares,
    coefficients,
    coefficients_back,
    coefficients_of_running,
    count_live,
    normalize_back,
    normalize_relu,
)
from lenet.kernels.plan import (
    BIAS,
    BIAS_SUMS,
    BORDER,
    CHANNELS_IN,
    CHANNELS_OUT,
    CONVOLVES,
    D_IN,
    D_OUT,
    D_Z,
    EPSILON,
    FORGETTING,
    GAIN,
    HAS_BIAS,
    IN,
    KERNEL,
    MEAN,
    NORM,
    OUT,
    PAD,
    POOL,
    RELU,
    SHIFT,
    SIDE,
    SIZE,
    SUMS,
    TILE_SUMS,
    TURNED,
    VARIANCE,
    WEIGHT,
    WINNERS,
    Z,
)
from lenet.kernels.threads import meet

SLOPE, OFFSET, SLOPE_BACK, OFFSET_BACK, FACTOR = range(5)
"""Coefficients of a layer's batch norm, forward and back."""


@inner
def lay_side_by_side(
    pixels, images, low, full, stage, memory, at, first, count, channels, side, size
):  # fmt: skip
    """Prepare a block's images and write them side by side, surrounded by the layer's padding.

    Args:
        pixels: uint8 (B, channels, side, side), scaled to [0, 1] here; empty: take `images`.
        images: float32, likewise.
        low: What 0 becomes, and the background around the image, up to the input's size.
        full: What 1 becomes.
        stage: Room for the images of a block, one behind the other.
        memory: Of all blocks.
        at: The vector to begin with.
        first: The first image of the block.
        count: B; images beyond it are zeros.
        channels: Of the input.
        side: Width and height of the images.
        size: (Width and height of the input, the layer's padding).
    """
    inputs, padding = size
    across = inputs + 2 * padding
    values = (channels * across * across + LANES - 1) // LANES * LANES
    spare = (inputs - side) // 2
    scale = float32(full - low)
    background = float32(low)
    for lane in range(LANES):
        image = first + lane
        row = stage[lane * values : (lane + 1) * values]
        fill(row, 0, values, 0.0)
        if image >= count:
            continue
        for c in range(channels):
            for y in range(inputs):
                o = (c * across + y + padding) * across + padding
                line = row[o : o + inputs]
                fill(line, 0, inputs, background)
                if spare <= y < spare + side:
                    i = ((image * channels + c) * side + y - spare) * side
                    part = line[spare : spare + side]
                    if len(pixels):
                        bytes_ = pixels[i : i + side]
                        for x in range(side):
                            part[x] = float32(bytes_[x]) / float32(255) * scale + background
                    else:
                        floats = images[i : i + side]
                        for x in range(side):
                            part[x] = floats[x] * scale + background
    for v in range(0, values, LANES):
        transpose(stage, v, values, memory, at + v, 1)


def make_run(sources):
    """Return the compiled function; `sources` is `lanes.SOURCES`, a part of its cache's key."""

    @entry
    def run(
        plan, sizes, pixels, images, low, full, side, labels, shares, soft, smoothing,
        weights, gradients, velocity, average, memory, scratch, rows, coefficient, moments,
        statistics, losses, errors, outputs, control, part, parts, count,
        training, rate, momentum, nesterov, decay, averaging, keep,
    ):  # fmt: skip
        """One thread's part of an update, or of an inference; see `network`."""
        _ = sources
        channels, size, padding, classes, decaying, trained, stride, rows_in = sizes
        layers = len(plan)
        blocks = (count + 2 * LANES - 1) // (2 * LANES) * 2
        pairs = blocks // 2
        first, last = pairs * part // parts * 2, pairs * (part + 1) // parts * 2
        own = scratch[part]
        sums = own[: TILE_SUMS * LANES]
        input_rows = rows[part, : (last - first) * rows_in * LANES]
        gradient_rows = rows[part, (last - first) * rows_in * LANES :]
        meetings = 0

        for number in range(layers):  # what does not depend on the images
            layer = plan[number]
            c_in, c_out = layer[CHANNELS_IN], layer[CHANNELS_OUT]
            slope, offset = coefficient[part, number, SLOPE], coefficient[part, number, OFFSET]
            bias = weights[layer[BIAS] : layer[BIAS] + c_out]
            for direction in range(2):
                for which in range(2):
                    fill(statistics[number, direction, part, which], 0, c_out, 0.0)
            if not layer[NORM]:
                fill(slope, 0, c_out, 1.0)
                for channel in range(c_out):
                    offset[channel] = bias[channel]
            elif not training:
                unseen = bias if layer[CONVOLVES] else bias[:0]  # what z lacks
                coefficients_of_running(
                    c_out, EPSILON, weights[layer[GAIN] :], weights[layer[SHIFT] :], unseen,
                    weights[layer[MEAN] :], weights[layer[VARIANCE] :], slope, offset,
                )  # fmt: skip
            if layer[CONVOLVES]:
                tiled = own[layer[TURNED] * LANES :]
                tile_weights(weights[layer[WEIGHT] :], tiled, c_in, c_out, layer[KERNEL])

        # Forward: all blocks of an update at once, of an inference two in the same memory.
        end = plan[layers - 1]
        together = last - first if training else 2
        for begin in range(first, last, together):
            base = 0 if training else begin - 2 * part
            low_slot, high_slot = begin - base, begin - base + together
            for slot in range(low_slot, high_slot):
                lay_side_by_side(
                    pixels, images, low, full, rows[part], memory, slot * stride + plan[0, IN],
                    (slot + base) * LANES, count, channels, side, (size, padding),
                )  # fmt: skip
            for number in range(layers):
                layer = plan[number]
                c_in, c_out = layer[CHANNELS_IN], layer[CHANNELS_OUT]
                slope, offset = coefficient[part, number, SLOPE], coefficient[part, number, OFFSET]
                weight = weights[layer[WEIGHT] :]
                bias = weights[layer[BIAS] : layer[BIAS] + c_out]
                norm = layer[NORM] != 0
                places = layer[SIZE] - layer[KERNEL] + 1 if layer[CONVOLVES] else 1
                waits = norm and training
                if layer[CONVOLVES]:
                    tiled = own[layer[TURNED] * LANES :]
                    for slot in range(low_slot, high_slot):
                        at = slot * stride
                        convolve(
                            memory, at, at + layer[IN], tiled, at + layer[Z], c_in, c_out,
                            layer[SIZE], layer[KERNEL],
                        )  # fmt: skip
                        if not waits:
                            activate(
                                memory, at + layer[Z], at + layer[OUT], at + layer[WINNERS], slope,
                                offset, c_out, places, layer[POOL], layer[SIDE], layer[PAD],
                            )  # fmt: skip
                else:
                    weigh(
                        memory, stride, layer[IN], weight, bias, layer[Z] if norm else layer[OUT],
                        sums, low_slot, high_slot, c_in, c_out, layer[RELU] != 0 and not norm,
                    )  # fmt: skip
                if waits:
                    for n in range(first, last):
                        add_up_squares(
                            memory, n * stride + layer[Z], statistics[number, 0, part], sums,
                            count_live(n, count), c_out, places * places,
                        )  # fmt: skip
                    meetings += 1
                    if not meet(control, parts, meetings):
                        return
                    unseen = bias if layer[CONVOLVES] else bias[:0]
                    coefficients(
                        statistics[number, 0], parts, part, c_out, count * places * places,
                        EPSILON, FORGETTING, weights[layer[GAIN] :], weights[layer[SHIFT] :],
                        unseen, weights[layer[MEAN] :], weights[layer[VARIANCE] :], slope, offset,
                        moments[part, number],
                    )  # fmt: skip
                if norm:
                    for slot in range(low_slot, high_slot):
                        at = slot * stride
                        if not layer[CONVOLVES]:
                            normalize_relu(
                                memory, at + layer[Z], slope, offset, at + layer[OUT], c_out
                            )
                        elif waits:
                            activate(
                                memory, at + layer[Z], at + layer[OUT], at + layer[WINNERS], slope,
                                offset, c_out, places, layer[POOL], layer[SIDE], layer[PAD],
                            )  # fmt: skip
            if not training:
                for slot in range(low_slot, high_slot):
                    image = (slot + base) * LANES
                    for lane in range(count_live(slot + base, count)):
                        for o in range(classes):
                            value = memory[(slot * stride + end[OUT] + o) * LANES + lane]
                            outputs[(image + lane) * classes + o] = value
        if not training:
            return

        # Back.
        gradient = gradients[part * trained : (part + 1) * trained]
        losses[part], errors[part] = cross_entropy(
            memory, stride, end[OUT], labels, shares, soft, smoothing, end[D_OUT],
            own[: TILE_SUMS * LANES], first, last, count, classes, end[CHANNELS_OUT],
        )  # fmt: skip
        for number in range(layers - 1, -1, -1):
            layer = plan[number]
            c_in, c_out = layer[CHANNELS_IN], layer[CHANNELS_OUT]
            values = coefficient[part, number]
            slope, offset = values[SLOPE], values[OFFSET]
            weight, gain = weights[layer[WEIGHT] :], weights[layer[GAIN] :]
            d_weight = gradient[layer[WEIGHT] :]
            d_bias = gradient[layer[BIAS] :]
            norm, convolves = layer[NORM] != 0, layer[CONVOLVES] != 0
            size_in, kernel = layer[SIZE], layer[KERNEL]
            places = size_in - kernel + 1 if convolves else 1
            border = layer[BORDER]
            d_z = layer[D_Z] if convolves else layer[D_OUT]
            turned = own[layer[TURNED] * LANES :]
            weight_sums, bias_sums = own[layer[SUMS] * LANES :], own[layer[BIAS_SUMS] * LANES :]
            if convolves:
                fill(weight_sums, 0, c_in * kernel * kernel * c_out * LANES, 0.0)
                fill(bias_sums, 0, c_out * LANES, 0.0)
                if number:
                    turn_weights(weight, turned, c_in, c_out, kernel)
            if norm:
                for n in range(first, last):
                    at = n * stride
                    if convolves:
                        activate_back(
                            memory, at + layer[D_OUT], at + layer[Z], at + layer[WINNERS],
                            at + d_z, slope, offset, c_out, places, layer[POOL], border,
                        )  # fmt: skip
                    add_up_products(
                        memory, at + d_z, at + layer[Z], statistics[number, 1, part], sums,
                        count_live(n, count), c_out, places, border,
                    )  # fmt: skip
                meetings += 1
                if not meet(control, parts, meetings):
                    return
                coefficients_back(
                    statistics[number, 1], parts, part, c_out, count * places * places, gain,
                    moments[part, number], gradient[layer[GAIN] :], gradient[layer[SHIFT] :],
                    values[SLOPE_BACK], values[OFFSET_BACK], values[FACTOR],
                )  # fmt: skip
            # Block by block, so that what one function hands to the next stays in the cache.
            for n in range(first, last):
                at = n * stride
                if norm:
                    normalize_back(
                        memory, at + d_z, at + layer[Z], values[SLOPE_BACK], values[OFFSET_BACK],
                        values[FACTOR], sums, count_live(n, count), c_out, places, border,
                    )  # fmt: skip
                elif convolves:
                    activate_back(
                        memory, at + layer[D_OUT], at + layer[Z], at + layer[WINNERS], at + d_z,
                        slope, offset, c_out, places, layer[POOL], border,
                    )  # fmt: skip
                if convolves:
                    gradient_of_weights(
                        memory, at + layer[IN], at + d_z, weight_sums, c_in, c_out, size_in,
                        kernel, border,
                    )  # fmt: skip
                    if layer[HAS_BIAS]:
                        gradient_of_biases(memory, at + d_z, bias_sums, c_out, places, border)
                    if number:
                        gradient_of_inputs(
                            memory, at, at + d_z, turned, at + layer[D_IN], c_in, c_out,
                            size_in, kernel, border,
                        )  # fmt: skip
            if convolves:
                add_lanes_of_weights(weight_sums, d_weight, c_in, c_out, kernel)
                add_lanes(bias_sums, d_bias, c_out)
            else:
                gradient_of_dense_weights(
                    memory, stride, layer[IN], d_z, input_rows, gradient_rows, d_weight, d_bias,
                    sums, first, last, c_in, c_out,
                )  # fmt: skip
                if not layer[HAS_BIAS]:
                    fill(d_bias, 0, c_out, 0.0)
                if number:
                    weigh_back(
                        memory, stride, d_z, weight, layer[IN], layer[D_IN], sums, first, last,
                        c_in, c_out,
                    )  # fmt: skip

        if not meet(control, parts, meetings + 1):
            return
        descend(
            weights, gradients, velocity, average, parts, part, 0, decaying, trained,
            rate, momentum, nesterov, decay, averaging, keep,
        )  # fmt: skip
        descend(
            weights, gradients, velocity, average, parts, part, decaying, trained, trained,
            rate, momentum, nesterov, decay * 0, averaging, keep,
        )  # fmt: skip
        if averaging and part == 0:
            follow(weights, average, trained, keep)

    return run
