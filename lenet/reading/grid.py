"""Read the cells of a ruled grid in a photograph, such as a sudoku or a form.

The lines hang together, so the grid is one of the picture's largest connected marks. The
quadrilateral around it gives the perspective; each crossing is then moved to where its lines are,
as paper bends. Cells are cut along these crossings and read one by one, in the direction in which
the networks are surest.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage
from scipy.spatial import ConvexHull, QhullError

from lenet.data.pictures import Picture, PictureError
from lenet.errors import UsageError
from lenet.evaluation.classifier import Ensemble
from lenet.reading.digitize import fit_ink, group_marks
from lenet.reading.ink import EIGHT, Ink
from lenet.reading.light import Mask, Plane, quantile
from lenet.reading.scan import Found, Scan, name_marks

Points = npt.NDArray[np.float64]  # (…, 2), x and y in pixels

MOST_CELLS = 40  # per row or column
LINES = 0.08, 0.04  # of the range from black to white: how far lines stand out, at first and then
NEIGHBOURHOOD = 1 / 20  # of the picture's longer side: wider than any line
LEAST_SIDE = 0.15  # of the picture's shorter side
CANDIDATES = 4  # marks that are tried, the largest first
PITCH = 32  # px per cell, where lines are looked for
REACH = 0.3  # of a cell: how far paper bends a line away from its place
NEAR = 0.12  # of a cell: how near it is in the end
THICKEST = 4  # px of a cell's: lines
STEPS = 4  # times that crossings are moved
GAPS = 0.85, 1.2  # of the mean: how far one line is from the next
CROSSED = 0.9  # of a cell: marks so wide or high are lines, not digits
RULED = 0.88  # of the lines between neighbouring crossings must be there
SURELY_RULED = 0.95  # and no other marks are tried
CELL = 32, 128  # px: the least and the largest size at which cells are cut out
BELT = 0.08  # of a cell, at its rim: the lines
CENTRE = 0.25  # of a cell, at its rim: marks that do not reach beyond may be rests of the lines
REST = 0.1  # of full ink: so faint are their edges
LEAST_SIZE = 0.25  # of a cell
FAINT = 0.3  # of the strongest mark in any cell: fainter ones are stains or the page's other side
NOISE = 8  # times the paper's grain
LEAST_INK = 0.06  # of the range from black to white
TURNED = 0.1  # mean log probability by which a turned page must be read better


def parse_shape(text: str) -> tuple[int, int]:
    """Return rows and columns of a grid that is written as ``9x9``.

    Raises:
        UsageError: It is not, or has more than `MOST_CELLS` rows or columns.
    """
    rows, _, columns = text.lower().partition("x")
    if not (rows.isdecimal() and columns.isdecimal()):
        raise UsageError(f"--grid {text}: expected rows and columns, such as 9x9")
    shape = int(rows), int(columns)
    if not all(1 <= n <= MOST_CELLS for n in shape):
        raise UsageError(f"--grid {text}: rows and columns go from 1 to {MOST_CELLS}")
    return shape


def scan_grid(ensemble: Ensemble, picture: Picture, shape: tuple[int, int]) -> Scan:
    """Find a ruled grid and read its cells.

    Args:
        ensemble: The network or networks.
        picture: (H, W, 1 or 3) uint8.
        shape: Rows and columns of the grid as it is read; the page may lie on its side.

    Returns:
        The rows; blank cells have no digit.

    Raises:
        PictureError: There is no such grid.
    """
    nodes = find_grid(picture, shape)
    return read_cells(ensemble, nodes, cut_cells(picture, nodes))


def read_cells(ensemble: Ensemble, nodes: Points, inks: npt.NDArray[np.object_]) -> Scan:
    """Read cells that are cut out, in the direction in which they are read best.

    Args:
        ensemble: The network or networks.
        nodes: As from `find_grid`.
        inks: As from `cut_cells`.
    """
    shape = inks.shape
    # Each cell's ink, turned by quarters: those that keep the grid's shape.
    turns = range(0, 4, 1 if shape[0] == shape[1] else 2)
    filled = [place for place in np.ndindex(shape) if inks[place] is not None]
    shares, turned = {}, {}
    for turn in turns if filled else ():
        turned[turn] = np.stack([fit_ink(np.rot90(inks[place], turn)) for place in filled])
        shares[turn] = ensemble(torch.from_numpy(turned[turn])[:, None])  # (N, classes)
    surest = {
        turn: float(share.max(dim=1).values.clamp(min=1e-6).log().mean()) - TURNED * (turn > 0)
        for turn, share in shares.items()
    }
    turn = max(surest, key=lambda turn: surest[turn], default=0)
    cells = np.empty(shape, dtype=object)
    for place in np.ndindex(shape):
        cells[place] = Found(None, 1.0, _box(nodes, place))
    if filled:
        boxes = [_box(nodes, place) for place in filled]
        found = name_marks(ensemble, shares[turn], turned[turn], boxes)
        for place, mark in zip(filled, found, strict=True):
            cells[place] = mark
    rows = [list(row) for row in np.rot90(cells, turn)]
    return Scan(rows, crossings=nodes, classes=ensemble.data.classes)


def _box(nodes: Points, place: tuple[int, ...]) -> tuple[slice, slice]:
    row, column = place
    x, y = np.rint(nodes[row : row + 2, column : column + 2].reshape(4, 2).T).astype(int)
    return slice(max(y.min(), 0), y.max()), slice(max(x.min(), 0), x.max())


def find_grid(picture: Picture, shape: tuple[int, int]) -> Points:
    """Find the crossings of a grid's lines.

    Args:
        picture: (H, W, 1 or 3) uint8.
        shape: Rows and columns of cells.

    Returns:
        Where the crossings are, (rows + 1, columns + 1, 2).

    Raises:
        PictureError: There is no such grid.
    """
    tone: Plane = picture.mean(axis=2, dtype=np.float32) / np.float32(255)
    relief = tone - ndimage.uniform_filter(tone, round(NEIGHBOURHOOD * max(tone.shape)) | 1)
    best, found = 0.0, None
    for least in LINES:
        for lines in (-relief > least, relief > least):
            for corners in _find_quadrilaterals(lines):
                for turn in range(1 if shape[0] == shape[1] else 2):
                    turned = np.roll(corners, turn, axis=0)
                    nodes, ruled = _fit(lines, turned, shape)
                    if ruled > best:
                        best, found = ruled, nodes
                    if best > SURELY_RULED:
                        return nodes
        if found is not None and best >= RULED:
            return found
    rows, columns = shape
    raise PictureError(
        f"no ruled grid of {rows}x{columns} cells; the picture must show all of it, and --grid its"
        " rows and columns"
    )


def _find_quadrilaterals(lines: Mask) -> Iterator[Points]:
    """Yield the corners, (4, 2), around large connected marks, clockwise from the upper left."""
    yield from _enclose_marks(lines)
    yield from _enclose_marks(ndimage.binary_dilation(lines, EIGHT))  # broken lines


def _enclose_marks(lines: Mask) -> Iterator[Points]:
    marks, _ = ndimage.label(lines, EIGHT)
    boxes = ndimage.find_objects(marks)
    sizes = [(box[0].stop - box[0].start, box[1].stop - box[1].start) for box in boxes]
    order = sorted(range(len(boxes)), key=lambda n: -sizes[n][0] * sizes[n][1])
    for number in order[:CANDIDATES]:
        if min(sizes[number]) < LEAST_SIDE * min(lines.shape):
            continue
        own = marks[boxes[number]] == number + 1
        y, x = np.nonzero(own & ~ndimage.binary_erosion(own))
        points = np.stack([x + boxes[number][1].start, y + boxes[number][0].start], axis=1)
        try:
            hull = points[ConvexHull(points).vertices].astype(float)
        except QhullError:
            continue
        corners = _enclose(hull)
        if corners is not None:
            yield corners


def _enclose(hull: Points) -> Points | None:
    """Return the corners of a quadrilateral around a convex polygon, with little area to spare.

    Edges are removed one by one, the one first whose neighbours, prolonged until they meet, add
    the least area.
    """
    while len(hull) > 4:
        before, start = np.roll(hull, 1, axis=0), hull
        end, after = np.roll(hull, -1, axis=0), np.roll(hull, -2, axis=0)
        one, other = start - before, end - after
        across = _cross(one, other)
        gap = end - start
        with np.errstate(divide="ignore", invalid="ignore"):
            far = _cross(gap, other) / across
            meeting = start + far[:, None] * one
            added = np.abs(_cross(gap, meeting - start)) / 2
        added[~np.isfinite(added) | (far < 0)] = np.inf
        least = int(added.argmin())
        if not np.isfinite(added[least]):
            return None
        hull[least] = meeting[least]
        hull = np.delete(hull, (least + 1) % len(hull), axis=0)
    if len(hull) < 4:
        return None
    centre = hull.mean(axis=0)
    hull = hull[np.argsort(np.arctan2(*(hull - centre).T[::-1]))]  # clockwise, as y goes down
    return np.roll(hull, -int(hull.sum(axis=1).argmin()), axis=0)


def _cross(one: Points, other: Points) -> npt.NDArray[np.float64]:
    """Return the areas of parallelograms, positive where `other` turns clockwise from `one`."""
    return np.asarray(one[:, 0] * other[:, 1] - one[:, 1] * other[:, 0])


def _fit(lines: Mask, corners: Points, shape: tuple[int, int]) -> tuple[Points, float]:
    """Lay a grid between four corners and move its crossings onto the lines.

    Returns:
        The crossings, and the share of the lines between neighbouring ones that are there.
    """
    rows, columns = shape
    places = np.moveaxis(np.indices((rows + 1, columns + 1))[::-1], 0, -1).astype(float)
    left, top, right, bottom = np.linalg.norm(np.roll(corners, 1, axis=0) - corners, axis=1)
    # Each sample stands for several pixels, and thin lines lie between them.
    steps = max(left, right) / rows / PITCH, max(top, bottom) / columns / PITCH
    ink = ndimage.maximum_filter(lines, [max(1, round(step)) for step in steps]).astype(np.float32)
    for _ in range(STEPS):
        flat = _flatten(ink, _project(corners, places / (columns, rows)))
        down, _ = _follow(flat, rows, columns)  # (rows + 1, columns): px off, downwards
        right, _ = _follow(flat.T, columns, rows)
        places += np.stack([_spread(right).T, _spread(down)], axis=-1) / PITCH
    nodes = _project(corners, places / (columns, rows))
    gaps = [np.median(np.diff(places[..., axis], axis=1 - axis), axis=axis) for axis in (0, 1)]
    if any(gap.min() < GAPS[0] or gap.max() > GAPS[1] for gap in gaps):
        return nodes, 0.0  # it has other numbers of rows and columns
    flat, half = _flatten(ink, nodes), PITCH // 2
    between = [
        _follow(flat[half:-half], rows - 1, columns)[1],
        _follow(flat.T[half:-half], columns - 1, rows)[1],
    ]
    if any(float((strength > CROSSED).mean()) > 0.5 for strength in between):
        return nodes, 0.0  # lines within cells, as in a finer grid
    there = [
        _follow(flat, rows, columns, NEAR)[1],
        _follow(flat.T, columns, rows, NEAR)[1],
    ]
    return nodes, float(np.mean(np.concatenate([s.ravel() for s in there]) > 0.5))


def _project(corners: Points, places: Points) -> Points:
    """Map places of the unit square, (…, 2), by the perspective that has these corners."""
    square = np.array([(0, 0), (1, 0), (1, 1), (0, 1)], dtype=float)
    rows = []
    for (u, v), (x, y) in zip(square, corners, strict=True):
        rows += [[u, v, 1, 0, 0, 0, -x * u, -x * v], [0, 0, 0, u, v, 1, -y * u, -y * v]]
    solved, *_ = np.linalg.lstsq(np.array(rows), corners.ravel(), rcond=None)
    matrix = np.append(solved, 1).reshape(3, 3)
    mapped = np.concatenate([places, np.ones((*places.shape[:-1], 1))], axis=-1) @ matrix.T
    return np.asarray(mapped[..., :2] / mapped[..., 2:])


def _flatten(values: Plane, nodes: Points) -> Plane:
    """Sample a picture along a grid of crossings, `PITCH` pixels per cell, half a cell around."""
    spots = [(np.arange(-PITCH // 2, (n - 0.5) * PITCH) + 0.5) / PITCH for n in nodes.shape[:2]]
    return _sample(values, _interpolate(nodes, *spots))


def _sample(values: Plane, places: Points) -> Plane:
    """Interpolate a picture at places (…, 2); beyond its rim it goes on."""
    sampled: Plane = ndimage.map_coordinates(
        values, [places[..., 1], places[..., 0]], order=1, mode="nearest"
    )
    return sampled


def _interpolate(nodes: Points, rows: Points, columns: Points) -> Points:
    """Return where fractional rows and columns of a grid lie, (rows, columns, 2)."""
    for axis, spots in ((0, rows), (1, columns)):
        below = np.clip(spots.astype(int), 0, nodes.shape[axis] - 2)
        part = spots - below
        part = part[:, None, None] if axis == 0 else part[None, :, None]
        one, other = np.take(nodes, below, axis), np.take(nodes, below + 1, axis)
        nodes = one * (1 - part) + other * part
    return nodes


def _follow(flat: Plane, rows: int, columns: int, reach: float = REACH) -> tuple[Points, Points]:
    """Look for each horizontal line near its place, piece by piece.

    Args:
        flat: A flattened picture with half a cell of margin.
        rows: Number of rows of cells.
        columns: Number of columns.
        reach: How far from its place, in cells.

    Returns:
        How far off each piece is, in pixels, and how much of it is there, 0 to 1; both (rows + 1,
        columns).
    """
    inner = flat[:, PITCH // 2 : -PITCH // 2]
    profile = inner.reshape(rows + 1, PITCH, columns, PITCH)  # a line is in the middle of each
    most = int(reach * PITCH)
    middle = slice(PITCH // 2 - most, PITCH // 2 + most)
    # A line slants by a few pixels within a cell: the most ink within three rows counts.
    thick = ndimage.maximum_filter1d(profile, 3, axis=1)[:, middle] > 0.5
    share = thick.mean(axis=3)  # (rows + 1, 2 most, columns)
    strength = share.max(axis=1, keepdims=True)
    offsets = np.arange(2 * most)[None, :, None] + 0.5 - most
    # Of several lines the nearest counts; it is a few rows thick.
    is_line = share >= strength - 1e-6
    nearest = np.abs(np.where(is_line, offsets, np.inf)).argmin(axis=1, keepdims=True)
    is_line &= np.abs(offsets - np.take(offsets, nearest)) <= THICKEST
    off = (is_line * offsets).sum(axis=1) / is_line.sum(axis=1)
    strength = strength[:, 0]
    return np.where(strength > 0.5, off, np.nan), strength


def _spread(off: Points) -> Points:
    """Return by how much crossings are off, from the pieces of line on both sides of each.

    Pieces that are not there, or off by other amounts than those around them, count as these do.
    """
    known = np.isfinite(off)
    if not known.any():
        return np.zeros((off.shape[0], off.shape[1] + 1))
    around = ndimage.generic_filter(off, _median, size=(3, 5), mode="nearest")
    around = np.where(np.isfinite(around), around, 0.0)
    smooth = np.where(known & (np.abs(off - around) < 0.1 * PITCH), off, around)
    ends = np.pad(smooth, ((0, 0), (1, 1)), mode="edge")
    return np.asarray((ends[:, 1:] + ends[:, :-1]) / 2)


def _median(values: Points) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if known.size else np.nan


def cut_cells(picture: Picture, nodes: Points) -> npt.NDArray[np.object_]:
    """Cut out what stands in each cell of a grid.

    Args:
        picture: (H, W, 1 or 3) uint8.
        nodes: The grid's crossings.

    Returns:
        (rows, columns): the ink of a digit, cut out to its own box, or None where a cell is blank.
    """
    rows, columns = (n - 1 for n in nodes.shape[:2])
    steps = [np.linalg.norm(np.diff(nodes, axis=axis), axis=-1).mean() for axis in (0, 1)]
    height, width = (int(np.clip(step, *CELL)) for step in steps)
    spots = [(np.arange(n * size) + 0.5) / size for n, size in ((rows, height), (columns, width))]
    places = _interpolate(nodes, *spots)
    colours = picture.astype(np.float32) / np.float32(255)
    flat = np.stack([_sample(channel, places) for channel in np.moveaxis(colours, 2, 0)], axis=-1)
    cells = flat.reshape(rows, height, columns, width, -1).swapaxes(1, 2)
    belts = [max(1, round(BELT * size)) for size in (height, width)]
    inner = np.s_[:, :, belts[0] : height - belts[0], belts[1] : width - belts[1]]
    # Most of a cell is paper. What differs from it most, over all cells, is ink.
    away = cells[inner] - np.median(cells[inner], axis=(2, 3), keepdims=True)
    spread = away.reshape(-1, away.shape[-1])
    axis = np.linalg.eigh(spread.T @ spread)[1][:, -1]
    tone = away @ axis / np.sqrt(len(axis))
    relief = np.zeros(cells.shape[:4], dtype=np.float32)
    relief[inner] = np.maximum(tone * np.sign((tone**3).sum()), 0)
    smooth = ndimage.uniform_filter(relief, (0, 0, 3, 3))
    grain = float(np.median(np.abs(relief - smooth)))
    edges = [round(CENTRE * size) for size in (height, width)]
    middle = np.s_[:, :, edges[0] : height - edges[0], edges[1] : width - edges[1]]
    strongest = smooth[middle].max(axis=(2, 3))
    top = float(np.sort(strongest, axis=None)[-2:].mean())
    least = max(LEAST_INK, FAINT * top, NOISE * grain)
    found = np.full((rows, columns), None, dtype=object)
    for place in np.ndindex(rows, columns):
        if strongest[place] >= least:
            found[place] = _cut_digit(relief[place])
    return found


def _cut_digit(relief: Plane) -> Ink | None:
    """Return the ink of the heaviest mark in a cell, cut out; None if there is only a speck."""
    full = quantile(relief[relief > 0.35 * relief.max()], 0.9)
    ink: Ink = np.minimum(relief / full, 1)
    marks, _ = ndimage.label(ink > REST, EIGHT)
    for number, box in enumerate(ndimage.find_objects(marks), start=1):
        sides = list(zip(box, relief.shape, strict=True))
        at_rim = any(
            side.start <= BELT * n + 1 or side.stop >= n - BELT * n - 1 for side, n in sides
        )
        outside = any(side.stop <= CENTRE * n or side.start >= n - CENTRE * n for side, n in sides)
        if at_rim and outside:  # a rest of a line
            ink[box][marks[box] == number] = 0
    groups = group_marks(ink)
    if not groups:
        return None
    (rows, columns), mask = groups[0]
    size = max(
        (side.stop - side.start) / n for side, n in zip((rows, columns), relief.shape, strict=True)
    )
    return np.where(mask, ink[rows, columns], 0) if size >= LEAST_SIZE else None
