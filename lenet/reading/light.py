"""The light on a picture, and which of its tones is the paper.

Light may vary across a photograph more than faint ink does: it is flattened before tones are told
apart.
"""

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from lenet.data.pictures import Picture

Mask = npt.NDArray[np.bool_]
Plane = npt.NDArray[np.float32]  # (H, W) tones, black to white is 1

SMALL = 64  # px: shows light and paper, too coarse for fine lines
LEVEL = 0.15  # of the range of tones: how far paper varies around its plane
CLEAR_LEAD = 0.5  # of 1: lead in rim and area by which a tone is clearly the paper
CLEAR_RIM = 0.8  # of 1: or lead in rim alone
VIGNETTE = 0.3  # of a plane's residual: a curved surface of light leaves less
SHADOW_CHANGES = 6  # of tone along the rim; ruled paper has more


def orient(picture: Picture) -> Plane:
    """Project colours on the axis along which ink and paper differ most; ink gets higher values.

    Paper is the tone with more of the picture's rim and area. If that is unclear, as on both sides
    of a shadow's edge, it is the tone that thin strokes interrupt.
    """
    small: Plane = reduce_blocks(picture, SMALL).astype(np.float32) / np.float32(255)  # (h, w, C)
    height, width, channels = small.shape
    colours = small.reshape(-1, channels)
    # Light may vary across a photo more than faint ink does, so flatten it first.
    residual = _flatten_light(colours, height, width)
    axis = np.linalg.eigh(residual.T @ residual)[1][:, -1] if channels == 3 else np.ones(1)
    projected = (residual @ axis).reshape(height, width)
    high = projected > otsu(projected)
    rim = walk_rim(high)
    lead = float(rim.mean() + high.mean()) - 1  # from -1 to 1
    changes = np.count_nonzero(rim != np.roll(rim, 1))  # two where one edge crosses the picture
    unclear = abs(lead) < CLEAR_LEAD and abs(2 * rim.mean() - 1) < CLEAR_RIM
    if unclear and changes <= SHADOW_CHANGES:
        dark = ndimage.grey_closing(projected, 5) - projected
        light = projected - ndimage.grey_opening(projected, 5)
        lead = float(np.square(dark).sum() - np.square(light).sum())
    paper_is_high = lead > 0
    sign = (-1 if paper_is_high else 1) / np.sqrt(channels)
    tone: Plane = picture.astype(np.float32) @ (axis * (sign / 255)).astype(np.float32)
    return tone


def find_axis(colours: Plane) -> npt.NDArray[np.float32]:
    """The direction, (C,), along which colours (N, C) vary most; tones along it have range 1."""
    if colours.shape[1] == 1:
        return np.ones(1, dtype=np.float32)
    centred = colours - colours.mean(axis=0)
    axis: Plane = np.linalg.eigh(centred.T @ centred)[1][:, -1] / np.sqrt(colours.shape[1])
    return axis.astype(np.float32)


def _flatten_light(colours: Plane, height: int, width: int) -> Plane:
    """Subtract from (height × width, C) colours the light, a plane or, in a vignette, a bowl."""
    plane, surface = _plane(height, width), _surface(height, width)
    level, bowl = (_fit_most(colours, basis) for basis in (plane, surface))
    if np.median(np.abs(bowl)) < VIGNETTE * np.median(np.abs(level)):
        return bowl
    residual: Plane = colours - plane @ (plane.T @ colours)
    return residual


def _fit_most(colours: Plane, basis: Plane) -> Plane:
    """What a surface leaves of (N, C) colours that is fitted to them without those far from it."""
    residual = colours - basis @ (basis.T @ colours)
    away = np.abs(residual).max(axis=1)
    near = away <= 1.5 * np.median(away)
    left: Plane = colours - basis @ np.linalg.lstsq(basis[near], colours[near], rcond=None)[0]
    return left


@lru_cache(maxsize=64)
def _surface(height: int, width: int) -> Plane:
    """Orthonormal columns that span the surfaces of degree two, (height × width, 6)."""
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].reshape(2, -1)
    basis = np.stack([np.ones_like(y), y, x, y * y, x * y, x * x], axis=1)
    return np.linalg.qr(basis)[0].astype(np.float32)


@lru_cache(maxsize=64)
def _plane(height: int, width: int) -> Plane:
    """Orthonormal columns that span the planes over a picture, (height × width, 3)."""
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    basis = np.stack([np.ones(height * width), y.ravel(), x.ravel()], axis=1)
    return np.linalg.qr(basis)[0].astype(np.float32)


def estimate_paper(tone: Plane) -> npt.NDArray[np.float32]:
    """Estimate the paper's tone at each pixel, under the ink too, from areas wider than strokes."""
    small = reduce_blocks(tone, SMALL)
    window = max(3, round(max(0.45 * min(small.shape), 0.15 * max(small.shape))))
    lowest: Plane = ndimage.grey_erosion(small, size=window, mode="nearest")
    if float(np.ptp(lowest)) == 0:  # a drawing or a scan: the same paper everywhere
        return lowest[:1, :1]
    paper: Plane = ndimage.grey_dilation(lowest, size=window, mode="nearest")  # an opening
    paper = ndimage.uniform_filter(paper, size=5, mode="nearest")
    return enlarge(paper, tone.shape)


def level_paper(tone: Plane, paper: Mask) -> Plane:
    """Fit a plane to the paper of a small picture, most of which strokes may hide."""
    basis = _plane(*tone.shape)
    values = tone.ravel()
    on_paper = paper.ravel()
    level = np.full_like(values, quantile(values[on_paper], 0.25))
    if float(np.median(values[on_paper])) == level[0]:  # a drawing or a scan
        return level.reshape(tone.shape)
    for _ in range(2):
        on_paper = on_paper & (values <= level + LEVEL * np.ptp(values))
        if on_paper.sum() < 0.1 * on_paper.size:
            break
        slope, *_ = np.linalg.lstsq(basis[on_paper], values[on_paper], rcond=None)
        level = basis @ slope
    return level.reshape(tone.shape)


def enlarge(values: Plane, shape: tuple[int, ...]) -> Plane:
    """Interpolate a coarse plane to `shape`."""
    if values.shape == shape:
        return values
    rows, columns = (np.linspace(0, n - 1, m) for n, m in zip(values.shape, shape, strict=True))
    return _interpolate(_interpolate(values, rows).T, columns).T


def _interpolate(values: Plane, places: npt.NDArray[np.float64]) -> Plane:
    """Interpolate rows of `values` linearly at fractional places."""
    below = np.minimum(places.astype(int), len(values) - 1)
    above = np.minimum(below + 1, len(values) - 1)
    part = (places - below).astype(np.float32)[:, None]
    between: Plane = values[below] * (1 - part) + values[above] * part
    return between


def reduce_blocks(values: npt.NDArray[Any], side: int) -> npt.NDArray[np.float32]:
    """Average whole blocks so that no more than about `side` pixels remain each way."""
    step = -(-max(values.shape[:2]) // side)
    if step == 1:
        return values
    height, width = (max(1, n // step) for n in values.shape[:2])
    step_y, step_x = min(step, values.shape[0]), min(step, values.shape[1])
    blocks = values[: height * step_y, : width * step_x]
    blocks = blocks.reshape(height, step_y, width, step_x, -1)
    reduced: Plane = blocks.mean(axis=(1, 3), dtype=np.float32)  # (h, w, C)
    return reduced[..., 0] if values.ndim == 2 else reduced


def walk_rim(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The values around a picture's rim, clockwise."""
    return np.concatenate([values[0], values[1:, -1], values[-1, -2::-1], values[-2:0:-1, 0]])


def otsu(values: npt.NDArray[np.floating[Any]]) -> float:
    """Return the threshold that best separates values into two classes (Otsu 1979, 64 bins)."""
    low, high = float(values.min()), float(values.max())
    step = max((high - low) / 64, 1e-12)
    bins = np.minimum(((values - low) / step).astype(np.int64), 63)
    counts = np.bincount(bins.ravel(), minlength=64)
    below = counts.cumsum()[:-1]
    above = values.size - below
    sums = (counts * np.arange(64)).cumsum()
    distance = sums[:-1] / np.maximum(below, 1) - (sums[-1] - sums[:-1]) / np.maximum(above, 1)
    return low + step * (1 + int((below * above * distance**2).argmax()))


def quantile(values: npt.NDArray[np.float32], share: float) -> float:
    """Return what `np.quantile` does, in a fraction of its time."""
    below, part = divmod(share * (values.size - 1), 1)
    low = int(below)
    high = min(low + 1, values.size - 1)
    ordered = np.partition(values, (low, high))
    return float(ordered[low]) * (1 - part) + float(ordered[high]) * part
