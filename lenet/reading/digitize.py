"""From a photograph or drawing to 28 × 28 ink, the way MNIST was made.

MNIST's makers took bilevel scans, scaled each digit into 20 × 20 pixels keeping its aspect ratio
(the grey levels come from that), and placed its centre of mass in the middle of 28 × 28 pixels. In
a photograph the ink must be found first: see `lenet.reading.ink`.

Source: LeCun et al. 1998, section III-A, for the last two steps.
Deviation: strokes thinner than MNIST's thinnest are thickened. NIST's forms were filled in with one
kind of pencil and scanned at one resolution; users' digits are not.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from lenet.data.pictures import (
    Picture,
    PictureError,
    fit_picture,
    guarded_decoding,
    read_picture,
    working_side,
)
from lenet.reading.ink import EIGHT, Ink, fills, find_ink, is_cutout
from lenet.reading.light import SMALL, Mask

Box = tuple[slice, slice]  # rows, columns

WORK_SIDE = 640  # px: a digit of 1/20 of the photo's height still has more than 20 pixels
FIELD, FIT = 28, 20  # px: MNIST's picture and the square that the digit is scaled into
CENTRE = 14.5  # px: middle of pixel 14 (from 0), where MNIST's files have the centre of mass
FINE = 4  # strokes are measured and thickened at 4 × 20 = 80 pixels
# px of 20, MNIST's 1 % and 30 % quantiles: strokes thinner than THIN are thickened to STROKE.
THIN, STROKE = 1.5, 2.2
OPEN = 0.5  # of a loop's depth: thickened strokes reach so far into it
EDGE = 2  # px: how far a stroke's soft edge reaches beyond pixels that are surely ink
FAINT = 0.3  # of full ink: a stroke goes on in such pixels where the pen was light
MOST_MARKS = 10_000  # of a page: read in seconds; a page in small print has 5,000 characters
HAZE = 0.1  # of full ink: below this is the paper's grain or the haze around a stroke


@dataclass(frozen=True)
class Digit:
    """The network's input from a picture.

    Attributes:
        ink: (28, 28) float32 in [0, 1]; of a picture that is taken whole, (channels, size, size).
        box: Where it was found, as rows and columns of the picture at working size.
        others: Number of further marks of a similar size in the picture; they were not read.
    """

    ink: Ink
    box: Box
    others: int


def digitize(picture: Picture) -> Digit:
    """Find the one digit of a picture and convert it to MNIST's format.

    Args:
        picture: (H, W, 1 or 3) uint8.

    Raises:
        PictureError: No ink is found.
    """
    ink = find_ink(picture)
    groups = [_take_all(ink)] if is_cutout(ink.shape) else group_marks(ink)
    if not groups:
        raise PictureError("no ink: only specks")
    box, mask = groups[0]
    return Digit(fit_ink(np.where(mask, ink[box], 0)), box, others=_count_rivals(groups))


def _take_all(ink: Ink) -> tuple[Box, Mask]:
    """Return box and mask of all the ink, strokes that reach the rim or stand apart included."""
    mask = ink > HAZE
    rows, columns = (ndimage.find_objects(mask.astype(np.int8)) or [(slice(0), slice(0))])[0]
    return (rows, columns), mask[rows, columns]


# The file (None for an array), its digit (None if there is none), and the error (None if none).
Prepared = tuple[Path | None, Digit | None, str | None]


def prepare(
    pictures: Sequence[Path | Picture], whole: tuple[int, int] | None = None
) -> list[Prepared]:
    """Digitize picture files or arrays; without torch, so that worker processes start fast.

    Args:
        pictures: The files or arrays.
        whole: Size and channels of the images that whole pictures become; None: digits are found.
    """
    side = working_side(whole[0]) if whole else WORK_SIDE
    prepared: list[Prepared] = []
    with guarded_decoding():
        for given in pictures:
            path = given if isinstance(given, Path) else None
            try:
                picture = read_picture(given, side) if isinstance(given, Path) else given
                seen = _take_whole(picture, *whole) if whole else digitize(picture)
                prepared.append((path, seen, None))
            except PictureError as error:
                prepared.append((path, None, str(error)))
    return prepared


def _take_whole(picture: Picture, size: int, channels: int) -> Digit:
    """Return a picture as an image of a network that learned from whole pictures."""
    pixels: Ink = fit_picture(picture, size, channels).astype(np.float32)
    pixels /= 255
    return Digit(pixels, (slice(0, picture.shape[0]), slice(0, picture.shape[1])), others=0)


Boxes = npt.NDArray[np.int64]
"""(N, 4): the first row, the end of the rows, the first column, the end of the columns."""


def is_near(groups: Boxes, mark: Boxes, height: int) -> Mask:
    """Whether a mark belongs to groups on a page that holds one digit: the gap is small.

    It is measured by the `height` of all ink, as a digit may be in fragments.

    Returns:
        (N,) for (N, 4) groups and the (4,) mark.
    """
    near: Mask = _gaps(groups, mark) <= 0.12 * height
    return near


def is_in_column(groups: Boxes, mark: Boxes, _: int) -> Mask:
    """Whether a mark belongs to groups on a page of many digits: one stands above the other."""
    shared = np.minimum(groups[:, 3], mark[3]) - np.maximum(groups[:, 2], mark[2])
    narrower = np.minimum(groups[:, 3] - groups[:, 2], mark[3] - mark[2])
    heights = groups[:, 1] - groups[:, 0]
    above: Mask = (shared > 0.5 * narrower) & (_gaps(groups, mark) <= 0.25 * heights)
    return above


def group_marks(
    ink: Ink, belongs: Callable[[Boxes, Boxes, int], Mask] = is_near
) -> list[tuple[Box, Mask]]:
    """Find connected marks and group those that belong to one digit.

    Args:
        ink: (H, W) in [0, 1].
        belongs: Whether a mark (its box is the second) goes to groups (their boxes are the first);
            the third argument is the height of all marks together.

    Returns:
        Box and mask within it per digit, the most ink first. Specks are left out, and so are marks
        that touch the picture's rim unless there are no others or they fill the picture.

    Raises:
        PictureError: There are more than `MOST_MARKS` marks.
    """
    marks, count = _label_strokes(ink)
    if count == 0:
        return []
    boxes: list[Box] = ndimage.find_objects(marks)
    weights = np.bincount(marks.ravel(), minlength=count + 1)[1:]  # pixels
    at_rim = np.array([_touches_rim(box, ink.shape) for box in boxes])
    if weights[~at_rim].sum() >= max(12, 0.05 * weights[at_rim].sum()) and not fills(ink > 0.5):
        weights = np.where(at_rim, 0, weights)
    order = [int(i) for i in np.argsort(-weights) if weights[i] >= 0.02 * weights.max()]
    if len(order) > MOST_MARKS:
        raise PictureError(
            f"{len(order):,} marks, more than the {MOST_MARKS:,} allowed: this is noise or a"
            " texture; cut out the part with the digits"
        )
    edges = np.array([(r.start, r.stop, c.start, c.stop) for r, c in boxes])
    height = int(edges[order, 1].max() - edges[order, 0].min())
    hulls, members = np.empty((len(order), 4), dtype=np.int64), list[set[int]]()
    for i in order:
        # A mark may join groups that were apart without it; the first, the heaviest, takes it in.
        near = np.flatnonzero(belongs(hulls[: len(members)], edges[i], height))
        if len(near):
            members[near[0]].add(i + 1)
            hull = hulls[near[0]]
            hull[::2] = np.minimum(hull[::2], edges[i, ::2])
            hull[1::2] = np.maximum(hull[1::2], edges[i, 1::2])
        else:
            hulls[len(members)] = edges[i]
            members.append({i + 1})
    groups = zip(hulls.tolist(), members, strict=False)
    return [
        _cut_group(ink, marks, (slice(top, bottom), slice(left, right)), own)
        for (top, bottom, left, right), own in groups
    ]


def _label_strokes(ink: Ink) -> tuple[npt.NDArray[np.int32], int]:
    """Number the connected strokes, their faint parts included; returns the highest number too."""
    faint, count = ndimage.label(ink > FAINT, EIGHT)
    surest = np.zeros(count + 1, dtype=bool)
    surest[faint[ink > 0.5]] = True
    surest[0] = False
    numbers = np.where(surest, surest.cumsum(), 0).astype(np.int32)
    return numbers[faint], int(surest.sum())


def _touches_rim(box: Box, shape: tuple[int, ...]) -> bool:
    rows, columns = box
    at_top_or_bottom = rows.start == 0 or rows.stop == shape[0]
    return bool(at_top_or_bottom or columns.start == 0 or columns.stop == shape[1])


def _gaps(groups: Boxes, mark: Boxes) -> Boxes:
    """Pixels between boxes and another one, the larger of the gaps along rows and columns, (N,)."""
    starts, ends = np.maximum(groups[:, ::2], mark[::2]), np.minimum(groups[:, 1::2], mark[1::2])
    gaps: Boxes = (starts - ends).max(axis=1)
    return gaps


def _cut_group(
    ink: Ink, marks: npt.NDArray[np.int32], box: Box, members: set[int]
) -> tuple[Box, Mask]:
    """Widen a group's box by its strokes' soft edge and mask the group's pixels."""
    rows, columns = box
    edge, faintest = (1, 0.0) if min(ink.shape) < SMALL else (EDGE, HAZE)
    wide = (
        slice(max(rows.start - edge, 0), rows.stop + edge),
        slice(max(columns.start - edge, 0), columns.stop + edge),
    )
    near = marks[wide]
    is_member = np.zeros(int(near.max()) + 1, dtype=bool)  # by number; np.isin takes longer
    is_member[list(members)] = True
    own = is_member[near]
    mask = ndimage.binary_dilation(own, EIGHT, iterations=edge) & (ink[wide] > faintest)
    mask &= own | (near == 0)
    y, x = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    tight = (slice(y[0], y[-1] + 1), slice(x[0], x[-1] + 1))
    top, left = wide[0].start, wide[1].start
    inner = (slice(top + y[0], top + y[-1] + 1), slice(left + x[0], left + x[-1] + 1))
    return inner, mask[tight]


def _count_rivals(groups: list[tuple[Box, Mask]]) -> int:
    """Count groups beside the first that are at least half as high as it."""
    heights = [box[0].stop - box[0].start for box, _ in groups]
    weights = [int(mask.sum()) for _, mask in groups]
    return sum(
        1
        for weight, height in zip(weights[1:], heights[1:], strict=True)
        if weight >= 0.3 * weights[0] and height >= 0.5 * heights[0]
    )


def fit_ink(ink: Ink) -> Ink:
    """Scale ink, cut out to its own box, into 20 × 20 and centre its mass in 28 × 28.

    Args:
        ink: (H, W) in [0, 1], without empty rows or columns at its edges.

    Returns:
        (28, 28) float32 in [0, 1].
    """
    height, width = ink.shape
    longest = max(height, width)
    rows, columns = (max(1, round(FIT * n / longest)) for n in (height, width))
    fine = _average(height, FINE * rows) @ ink @ _average(width, FINE * columns).T
    radius = _missing_radius(fine)
    if radius:
        # Thickened within its own box, so that the digit keeps its size.
        fine = _thicken(fine, radius)
    small = fine.reshape(rows, FINE, columns, FINE).mean(axis=(1, 3))  # (≤ 20, ≤ 20)
    mass = small.sum()
    y = CENTRE - (small.sum(axis=1) @ (np.arange(rows) + 0.5)) / mass
    x = CENTRE - (small.sum(axis=0) @ (np.arange(columns) + 0.5)) / mass
    # A symmetric digit 20 pixels high is half a pixel off either way: take the upper left.
    top = min(max(int(np.floor(y + 0.5 - 1e-6)), 0), FIELD - rows)
    left = min(max(int(np.floor(x + 0.5 - 1e-6)), 0), FIELD - columns)
    field = np.zeros((FIELD, FIELD), dtype=np.float32)
    field[top : top + rows, left : left + columns] = small
    return field


def _thicken(fine: npt.NDArray[np.float64], radius: int) -> npt.NDArray[np.float64]:
    """Thicken strokes by fine pixels on each side, and keep the middle of small loops open."""
    thick: npt.NDArray[np.float64] = ndimage.grey_dilation(
        fine, footprint=_disk(radius), mode="constant"
    )
    ink = fine > 0.5
    holes = ndimage.binary_fill_holes(ink) & ~ink
    if not (holes & (thick > 0.5)).any():
        return thick
    numbers, count = ndimage.label(holes)
    depth = ndimage.distance_transform_edt(holes)
    deepest = ndimage.maximum(depth, numbers, np.arange(count + 1))
    deepest[0] = np.inf
    middle = depth > OPEN * np.maximum(deepest[numbers], 1)
    kept: npt.NDArray[np.float64] = np.where(middle, fine, thick)
    return kept


@lru_cache(maxsize=256)
def _average(source: int, target: int) -> npt.NDArray[np.float64]:
    """(target, source) weights that average pixels over the area that a new pixel covers."""
    edges = np.arange(target + 1) * (source / target)
    pixels = np.arange(source)
    overlap = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    weights: npt.NDArray[np.float64] = np.maximum(overlap, 0) * (target / source)
    return weights


@lru_cache
def _disk(radius: int) -> Mask:
    """(2 radius + 1, 2 radius + 1) pixels within a circle."""
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    disk: Mask = y**2 + x**2 <= radius**2
    return disk


def _missing_radius(fine: npt.NDArray[np.float64]) -> int:
    """By how many fine pixels the strokes are too thin on each side.

    The width of a stroke is twice its area over its outline's length; the sum of grey-level steps
    along rows and columns is 4/π of that length, over all directions.
    """
    padded = np.zeros((fine.shape[0] + 2, fine.shape[1] + 2))  # np.pad takes longer
    padded[1:-1, 1:-1] = fine
    outline = np.abs(np.diff(padded, axis=0)).sum() + np.abs(np.diff(padded, axis=1)).sum()
    width = 2 * fine.sum() / (outline * np.pi / 4)
    if width >= THIN * FINE:
        return 0
    return max(1, round(float(STROKE * FINE - width) / 2))
