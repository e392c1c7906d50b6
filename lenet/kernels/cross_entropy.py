"""Softmax cross-entropy, with soft or smoothed targets, and its gradient."""

import numpy as np
from numpy import float32

from lenet.kernels.lanes import LANES, inner


@inner
def cross_entropy(
    memory, stride, logits, labels, shares, soft, smoothing, gradient, row,
    first, last, count, classes, units,
):  # fmt: skip
    """Sum the losses of blocks, count their errors, and leave the gradient of the batch's mean.

    Args:
        memory: States, as in `dense`.
        stride: Vectors of a block.
        logits: Of which the first `classes` count.
        labels: int64 (B,), or anything if `soft`.
        shares: float32 (B · classes,), shares of each class if `soft`.
        soft: Whether targets are shares.
        smoothing: Share of the targets given to all classes alike.
        gradient: As `logits`; images beyond B and units beyond the classes get 0.
        row: Room for `classes` values.
        first: The first block.
        last: One after the last.
        count: B.
        classes: Number of classes.
        units: Of the last layer; those beyond the classes are idle.

    Returns:
        The sum of the losses, and how many images had another class larger than theirs.
    """
    losses, errors = 0.0, 0
    even = float32(smoothing) / float32(classes)
    keep = float32(1) - float32(smoothing)
    for n in range(first, last):
        for lane in range(LANES):
            image = n * LANES + lane
            at = (n * stride + logits) * LANES + lane
            to = (n * stride + gradient) * LANES + lane
            if image >= count:
                for o in range(units):
                    memory[to + o * LANES] = 0
                continue
            for o in range(classes, units):
                memory[to + o * LANES] = 0
            label, said = 0, 0
            for o in range(classes):
                share = float32(0)
                if soft:
                    share = shares[image * classes + o]
                    if share > shares[image * classes + label]:
                        label = o
                elif o == labels[image]:
                    share, label = float32(1), o
                row[o] = share * keep + even
                if memory[at + o * LANES] > memory[at + said * LANES]:
                    said = o
            largest = memory[at + said * LANES]
            errors += label != said
            exponentials, shared, dot = float32(0), float32(0), float32(0)
            for o in range(classes):
                below = memory[at + o * LANES] - largest
                exponential = np.exp(below)
                memory[to + o * LANES] = exponential
                exponentials += exponential
                shared += row[o]
                dot += row[o] * below
            losses += np.log(exponentials) * shared - dot
            for o in range(classes):
                probability = memory[to + o * LANES] / exponentials
                memory[to + o * LANES] = (probability * shared - row[o]) / float32(count)
    return losses, errors
