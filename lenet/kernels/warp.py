"""Images looked up at places between their pixels, one call a thread."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from numpy import float32
from torch import Tensor
from torch.nn import functional

from lenet.kernels.lanes import (
    LANES,
    SOURCES,
    add,
    add_outer,
    divide,
    entry,
    fill,
    interpolate,
    load,
    multiply_add,
    read,
    spread,
    spread_many,
    store_many,
    write,
    zeros,
)

ROWS = 4
"""Of a field, at a time: their sums fill the registers."""
ROW_SUMS = 2 * ROWS
PART = 128
"""Images that take as long as to wake another thread."""


def _make_look_up(sources):
    """Return the compiled function; `sources` is `lanes.SOURCES`, a part of its cache's key."""

    @entry
    def look_up(
        images, origin, matrices, rows, cores, columns, turns, sizes, projects, background, room,
        out, first, last,
    ):  # fmt: skip
        """Look up the images [first, last) of a batch; see `Sampler`.

        Args:
            images: Values of (B, C, height_in, width_in).
            origin: Values of (B or 1, 2, height, width).
            matrices: Values of (B or 1, 3, 3).
            rows: Values of (height, k_y), the height rounded up to whole `ROWS`; k_y is 0 if there
                is no field.
            cores: Values of (B, 2, k_y, k_x).
            columns: Values of (k_x, width).
            turns: Values of (B or 1, 2, 2).
            sizes: (C, height_in, width_in, height, width, k_y, k_x).
            projects: Whether the third row of a matrix counts.
            background: Outside the images.
            room: Of this thread, see `Sampler`.
            out: Values of (B, C, height, width).
            first: The first image.
            last: One after the last.
        """
        _ = sources
        channels, height_in, width_in, height, width, k_y, k_x = sizes
        wide, high = width_in + 3, height_in + 3
        area = high * wide
        tile = room[channels * area :]
        half = tile[ROW_SUMS * LANES :]
        shifts = half[2 * k_y * width :]
        stride = len(rows) // max(k_y, 1) * width
        fill(room, 0, channels * area, 0.0)
        most_x, most_y = float32(width_in + 1), float32(height_in + 1)
        to_corner_x, to_corner_y = float32(width_in / 2 + 0.5), float32(height_in / 2 + 0.5)
        paint, dark, zero = spread(background), spread(-background), spread(float32(0))
        pixels = height * width
        step_origin = 0 if len(origin) == 2 * pixels else 2 * pixels
        step_matrix = 0 if len(matrices) == 9 else 9
        step_turn = 0 if len(turns) == 4 else 4
        for n in range(first, last):
            for c in range(channels):
                for y in range(height_in):
                    i = ((n * channels + c) * height_in + y) * width_in
                    o = c * area + (y + 1) * wide + 1
                    if width_in < LANES:
                        for x in range(width_in):
                            room[o + x] = images[i + x] - background
                        continue
                    for start in range(0, width_in, LANES):
                        x = min(start, width_in - LANES)
                        write(room, o + x, add(read(images, i + x), dark))
            for i in range(2 * k_y):  # core · columns
                for start in range(0, width, LANES):
                    x = min(start, width - LANES)
                    value = zero
                    for k in range(k_x):
                        core = spread(cores[(n * 2 * k_y + i) * k_x + k])
                        value = multiply_add(core, read(columns, k * width + x), value)
                    write(half, i * width + x, value)
            m = matrices[n * step_matrix : n * step_matrix + 9]
            turn = turns[n * step_turn : n * step_turn + 4]
            if k_y:  # rows · (core · columns)
                for y in range(0, height, ROWS):
                    for start in range(0, width, LANES):
                        x = min(start, width - LANES)
                        sums = zeros(ROW_SUMS)
                        for k in range(k_y):
                            pair = (
                                read(half, k * width + x),
                                read(half, (k_y + k) * width + x),
                            )
                            row = spread_many(rows, y * k_y + k, k_y, ROWS)
                            sums = add_outer(sums, row, pair)
                        store_many(tile, 0, sums)
                        for r in range(ROWS):
                            o = (y + r) * width + x
                            write(shifts, o, load(tile, 2 * r))
                            write(shifts, o + stride, load(tile, 2 * r + 1))
            for y in range(height):
                for start in range(0, width, LANES):
                    x = min(start, width - LANES)
                    at = n * step_origin + y * width + x
                    from_x, from_y = read(origin, at), read(origin, at + pixels)
                    place_x = multiply_add(spread(m[1]), from_y, spread(m[2]))
                    place_x = multiply_add(spread(m[0]), from_x, place_x)
                    place_y = multiply_add(spread(m[4]), from_y, spread(m[5]))
                    place_y = multiply_add(spread(m[3]), from_x, place_y)
                    if projects:
                        depth = multiply_add(spread(m[7]), from_y, spread(m[8]))
                        depth = multiply_add(spread(m[6]), from_x, depth)
                        place_x, place_y = divide(place_x, depth), divide(place_y, depth)
                    if k_y:
                        o = y * width + x
                        shift_x, shift_y = read(shifts, o), read(shifts, o + stride)
                        place_x = multiply_add(spread(turn[1]), shift_y, place_x)
                        place_x = multiply_add(spread(turn[0]), shift_x, place_x)
                        place_y = multiply_add(spread(turn[3]), shift_y, place_y)
                        place_y = multiply_add(spread(turn[2]), shift_x, place_y)
                    place_x = add(place_x, spread(to_corner_x))
                    place_y = add(place_y, spread(to_corner_y))
                    for c in range(channels):
                        value = interpolate(room, c * area, wide, place_x, place_y, most_x, most_y)
                        o = (n * channels + c) * pixels + y * width + x
                        write(out, o, add(value, paint))

    return look_up


_look_up = _make_look_up(SOURCES)


class Sampler:
    """Looks up images at places between their pixels, by compiled kernels.

    Args:
        threads: How many share the work; the result does not depend on it.
    """

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self.pool = ThreadPoolExecutor(threads - 1) if threads > 1 else None

    def covers(self, images: Tensor, size: tuple[int, int]) -> bool:
        """Say whether images can be looked up for a result of (height, width)."""
        plain = images.dtype == torch.float32 and images.device.type == "cpu"
        return plain and size[1] >= LANES

    def look_up(
        self,
        images: Tensor,
        size: tuple[int, int],
        origin: Tensor,
        matrices: Tensor,
        field: tuple[Tensor, ...] | None = None,
        *,
        perspective: bool = False,
        fill: float = 0.0,
    ) -> Tensor:
        """Interpolate images bilinearly at matrix · origin + turn · (rows · core · columns).

        Places are (x, y) in pixels from the centre of an image, x to the right, y down.

        Args:
            images: (B, C, H, W).
            size: (height, width) of the result.
            origin: (B or 1, 2, height · width).
            matrices: (B or 1, 3, 3).
            field: Rows (height, k_y), cores (B, 2, k_y, k_x), columns (k_x, width) and turns
                (B or 1, 2, 2); None: nothing is added.
            perspective: Whether the third row of a matrix may be anything but (0, 0, 1).
            fill: What is outside the images.

        Returns:
            (B, C, height, width).
        """
        count, channels, height, width = images.shape
        nothing = torch.zeros(0, 0)
        rows, cores, columns, turns = field or (nothing, nothing, nothing, nothing)
        k_y, k_x = cores.shape[-2:]
        sizes = (channels, height, width, *size, k_y, k_x)
        rows = functional.pad(rows, (0, 0, 0, -len(rows) % ROWS))
        needed = (
            channels * (height + 3) * (width + 3)
            + ROW_SUMS * LANES
            + 2 * (k_y + len(rows)) * size[1]
        )
        out = np.empty((count, channels, *size), np.float32)
        arrays = [
            tensor.numpy().reshape(-1)
            for tensor in (images, origin, matrices, rows, cores, columns, turns)
        ]
        parts = max(1, min(self.threads, count // PART))

        def work(part: int) -> None:
            _look_up(
                *arrays, sizes, perspective, float32(fill), np.empty(needed, np.float32),
                out.reshape(-1), count * part // parts, count * (part + 1) // parts,
            )  # fmt: skip

        others = [self.pool.submit(work, part) for part in range(1, parts)] if self.pool else []
        work(0)
        for other in others:
            other.result()
        return torch.from_numpy(out)
