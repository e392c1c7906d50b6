"""Read lines of digits without cutting them up.

Lines are found by their marks and brought to one height; a network with an output in every column
reads each whole. Where the page may lie, how high its digits are, and whether it is one line, the
probability of what is read decides.

Source: LeCun et al. 1998, sections V to VII, whose graph of segmentations this replaces.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, product

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from lenet.data.pictures import Picture, PictureError
from lenet.evaluation.classifier import Ensemble
from lenet.reading.ctc import align_string, measure_string, search_string
from lenet.reading.digitize import Box, fit_ink, group_marks, is_in_column
from lenet.reading.ink import Ink, find_ink, find_strokes
from lenet.reading.refusal import NO_DIGIT, share_other
from lenet.reading.scan import Found, Scan, order_lines

BODY = 0.66  # of a line's height: the digits
VIEWS = tuple((height, 0.0) for height in (0.7, 0.9, 1.1))
"""Heights, as parts of that, and leans (columns per row) at which each line is read."""
MORE_VIEWS = tuple(product((0.6, 0.75, 0.9, 1.05, 1.2), (-0.3, 0.0, 0.3)))
"""Those at which a line is read of which `VIEWS` are not sure."""
STRIP = 200, 1.2  # px, and width by height: a picture that may be one line
SURE = 0.9  # probability per digit from which on more views and turns are not tried
ONE = 1.1  # width by height: a mark that is no wider may be a letter, a wider one digits that touch
LEAST_BODY = 6  # px: lower lines are specks or too small to read
SMALLEST = 0.35  # of the median height: smaller marks are dots and dashes
Turn = int  # quarter turns counterclockwise
View = tuple[float, float]  # see VIEWS
Mark = tuple[Box, Ink]  # where a mark lies, and its ink alone


@dataclass(frozen=True)
class Line:
    """Where a line lies on a page: its middle goes through (0, `middle`) with `slope`.

    Attributes:
        left: The first column.
        right: The one after the last.
        middle: The row of its middle in column `left`.
        slope: Rows per column.
        body: Height of its digits in pixels.
    """

    left: int
    right: int
    middle: float
    slope: float
    body: float


Sight = tuple[Ink, Line]
"""A line on the ink in which it was found."""


@dataclass(frozen=True)
class LineReading:
    """A line that was read.

    Attributes:
        digits: The digits with their boxes, from left to right.
        probability: Of the whole string.
    """

    digits: list[Found]
    probability: float

    @property
    def is_sure(self) -> bool:
        """Whether its digits are sure on average."""
        return self.probability >= SURE ** len(self.digits)

    @property
    def evidence(self) -> float:
        """How much a reading speaks for itself: a sure digit counts 1, one of even odds 0.

        Each line costs half a digit, as what is cut up wrongly falls into many lines.
        """
        n = len(self.digits)
        return float(n * (2 * self.probability ** (1 / n) - 1)) - 0.5


@dataclass(frozen=True)
class Page:
    """A page that was read after quarter turns.

    Attributes:
        turn: How many, counterclockwise.
        lines: What was read, boxes on the turned page.
        marks: Its connected marks, if ink and paper can be told apart.
    """

    turn: Turn
    lines: list[LineReading]
    marks: list[Mark]


def scan_lines(network: Ensemble, picture: Picture) -> Scan:
    """Read the lines of a page, whichever of three ways it lies.

    Args:
        network: One or more networks that read lines.
        picture: (H, W, 1 or 3) uint8.

    Raises:
        PictureError: There is no ink, or no digit.
    """
    page = _read_turned(network, picture, 0)
    if not page.lines or not all(line.is_sure for line in page.lines):
        turned = [_read_turned(network, picture, turn) for turn in (1, 3)]
        # A single digit does not tell how a page lies: an 8 on its side may be two zeros.
        turned = [page for page in turned if any(len(line.digits) > 1 for line in page.lines)]
        page = max([page, *turned], key=lambda page: _weigh(page.lines))
    if not page.lines:
        raise PictureError("no digits: none of its marks is read as one")
    lines = [_refuse(network, line, page.marks) for line in page.lines]
    return Scan(
        [[_turn_back(found, page.turn, picture.shape) for found in line.digits] for line in lines],
        probabilities=[line.probability for line in lines],
        classes=network.data.classes,
    )


def _read_turned(network: Ensemble, picture: Picture, turn: Turn) -> Page:
    """Read a page after quarter turns."""
    turned = np.ascontiguousarray(np.rot90(picture, turn))
    height, width = turned.shape[:2]
    ways: list[list[list[Sight]]] = []
    marks: list[Mark] = []
    lines: list[Line] = []
    try:
        ink = find_ink(turned)
        marks = [(box, np.where(mask, ink[box], 0)) for box, mask in group_marks(ink, is_in_column)]
        lines = find_lines([box for box, _ in marks])
        ways.append([[(ink, line)] for line in lines])
    except PictureError:
        if turn:
            return Page(turn, [], [])
    if height <= STRIP[0] and width >= STRIP[1] * height:
        strokes = find_strokes(turned)
        sights = [(strokes, take_strip(strokes))]
        if lines:
            widest = max(lines, key=lambda line: line.right - line.left)
            middle = widest.middle - widest.slope * widest.left
            sights.append((ink, replace(widest, left=0, right=width, middle=middle)))
        if len(lines) < 2:
            ways.clear()  # a line of the same ink is among the strip's sights
        ways.append([sights])
    if not ways:
        raise PictureError("no ink: the picture is one even tone")
    readings = [
        [reading for sights in way if (reading := read_line(network, sights)) is not None]
        for way in ways
    ]
    return Page(turn, max(readings, key=_weigh), marks)


def _weigh(readings: Sequence[LineReading]) -> float:
    """The evidence of all lines of a page."""
    return sum(reading.evidence for reading in readings)


def _turn_back(found: Found, turn: Turn, shape: tuple[int, ...]) -> Found:
    """Bring a digit found on a turned page to where it stands on the page, (H, W) as `shape`."""
    rows, columns = found.box
    if turn == 1:
        rows, columns = columns, slice(shape[1] - rows.stop, shape[1] - rows.start)
    elif turn == 3:
        rows, columns = slice(shape[0] - columns.stop, shape[0] - columns.start), rows
    return replace(found, box=(rows, columns))


def _refuse(network: Ensemble, line: LineReading, marks: Sequence[Mark]) -> LineReading:
    """Reject the marks of a line as not digits if most of it is none: the letters of a word.

    Among digits a mark like a letter is a digit: a 9 like P.

    Args:
        network: What read the line.
        line: What it read.
        marks: The connected marks of the page.
    """
    single = [
        (box, ink, digits)
        for box, ink in marks
        if ink.shape[1] <= ONE * ink.shape[0]
        and (digits := [found for found in line.digits if _is_within(found.box, box)])
    ]
    if 2 * sum(len(digits) for *_, digits in single) <= len(line.digits):
        return line
    inks = torch.from_numpy(np.stack([fit_ink(ink) for _, ink, _ in single]))
    shares = share_other(inks, network.data).tolist()
    kept, others = list(line.digits), []
    for (box, _, digits), share in zip(single, shares, strict=True):
        if share >= NO_DIGIT:
            kept = [found for found in kept if found not in digits]
            others.append(Found(None, share, box, is_other=True))
    if 2 * len(kept) >= len(line.digits):
        return line
    digits = sorted([*kept, *others], key=lambda found: found.box[1].start)
    return LineReading(digits, math.prod(found.probability for found in digits))


def _is_within(box: Box, other: Box) -> bool:
    """Whether the middle of a box lies in another one."""
    return all(a.start <= (b.start + b.stop) / 2 < a.stop for a, b in zip(other, box, strict=True))


def find_lines(boxes: Sequence[Box]) -> list[Line]:
    """Find lines of marks, sloping or not, from top to bottom.

    Args:
        boxes: Of the marks, as rows and columns of the page.
    """
    if not boxes:
        return []
    least = SMALLEST * float(np.median([rows.stop - rows.start for rows, _ in boxes]))
    marks = [Found(0, 0.0, box) for box in boxes if box[0].stop - box[0].start >= least]
    lines = [_fit_line([mark.box for mark in line]) for line in order_lines(marks)]
    return [line for line in lines if line.body >= LEAST_BODY]


def _fit_line(boxes: Sequence[Box]) -> Line:
    """Fit a line to the boxes of its marks."""
    body = float(np.quantile([rows.stop - rows.start for rows, _ in boxes], 0.75))
    left = min(columns.start for _, columns in boxes)
    right = max(columns.stop for _, columns in boxes)
    y = np.array([(rows.start + rows.stop) / 2 for rows, _ in boxes])
    x = np.array([(columns.start + columns.stop) / 2 for _, columns in boxes])
    slope = 0.0
    if np.ptp(x) > 2 * body:
        slope = float(np.polyfit(x - left, y, 1)[0])
    return Line(left, right, float(np.median(y - slope * (x - left))), slope, body)


def take_strip(ink: Ink) -> Line:
    """Take a whole picture as one line, whose body is where most of the ink is."""
    mass = np.where(ink > 0.5, ink, 0).sum(axis=1).cumsum()
    top, bottom = np.searchsorted(mass, [0.03 * mass[-1], 0.97 * mass[-1]])
    return Line(0, ink.shape[1], (top + bottom + 1) / 2, 0.0, max(float(bottom + 1 - top), 4.0))


def read_line(network: Ensemble, sights: Sequence[Sight]) -> LineReading | None:
    """Read a line in several views, over which probabilities are averaged; None: no digits.

    Args:
        network: One or more networks that read lines.
        sights: The line, as it was found in one or more ways.
    """
    reading = _read_views(network, sights, VIEWS)
    if reading is not None and reading.is_sure:
        return reading
    return _read_views(network, sights, MORE_VIEWS)


def _read_views(
    network: Ensemble, sights: Sequence[Sight], views: Sequence[View]
) -> LineReading | None:
    size = network.classifiers[0].preprocess.size
    seen = [(*sight, view) for sight in sights for view in views]
    pages = [Image.fromarray((ink * 255).astype(np.uint8)) for ink, _ in sights]
    cuts = [
        _cut_line(page, line, size, view)
        for page, (_, line) in zip(pages, sights, strict=True)
        for view in views
    ]
    longest = max(cut.shape[1] for cut in cuts)
    batch = np.stack([np.pad(cut, ((0, 0), (0, longest - cut.shape[1]))) for cut in cuts])
    columns = network(torch.from_numpy(batch)[:, None]).cpu()  # (views, T, classes + 1)
    strings = {tuple(search_string(shares)[0]) for shares in columns}
    sure = {
        string: [measure_string(shares, string) for shares in columns] for string in sorted(strings)
    }
    labels = max(sure, key=lambda string: sum(sure[string]))
    if not labels:
        return None
    best = int(np.argmax(sure[labels]))
    digits = _place_digits(seen[best], size, columns[best], labels)
    return LineReading(digits, sum(sure[labels]) / len(seen))


def _scale(line: Line, size: int, view: View) -> float:
    """Pixels of a line's picture per pixel of the page."""
    return view[0] * BODY * size / line.body


def _margin(line: Line) -> int:
    """Columns of the page before and after a line that its picture shows."""
    return round(0.3 * line.body)


def _cut_line(page: Image.Image, line: Line, size: int, view: View) -> Ink:
    """Cut a line out of a page, level and leaning as the view says, (size, W)."""
    scale = _scale(line, size, view)
    shrink = max(1, int(1 / scale))  # whole pixels first, so that thin strokes do not get lost
    image = page.reduce(shrink)
    left = line.left - _margin(line)
    width = max(2, round((line.right + _margin(line) - left) * scale))
    step = 1 / scale / shrink
    # Picture pixel (x, y) comes from column left + x / scale, more or less above and below the
    # line's middle if it leans, and from the row on the line there.
    lean = view[1]
    top = line.middle - size / 2 / scale - _margin(line) * line.slope
    corner = (left / shrink - step * lean * size / 2, top / shrink)
    cut = image.transform(
        (width, size),
        Image.Transform.AFFINE,
        (step, step * lean, corner[0], step * line.slope, step, corner[1]),
        resample=Image.Resampling.BILINEAR,
    )
    pixels: Ink = np.asarray(cut, dtype=np.float32) / np.float32(255)
    return pixels


def _place_digits(
    seen: tuple[Ink, Line, View], size: int, columns: Tensor, labels: Sequence[int]
) -> list[Found]:
    """Give digits boxes on the page: around the ink between the middles of their neighbours."""
    ink, line, view = seen
    scale = _scale(line, size, view)
    spans = align_string(columns, labels)
    per_column = 2 / scale  # page columns; the network halves the width once
    left = line.left - _margin(line)
    middles = [left + (a + b) / 2 * per_column for a, b in spans]
    half = 0.6 * line.body
    edges = [middles[0] - half, *((a + b) / 2 for a, b in pairwise(middles))]
    edges.append(middles[-1] + half)
    found = []
    for label, (a, b), middle, (start, stop) in zip(
        labels, spans, middles, pairwise(edges), strict=True
    ):
        x0, x1 = max(start, middle - half, 0), min(stop, middle + half, ink.shape[1])
        row = line.middle + line.slope * (middle - line.left)
        y0, y1 = max(row - 0.8 * line.body, 0), min(row + 0.8 * line.body, ink.shape[0])
        box = (slice(round(y0), max(round(y1), round(y0) + 1)),
               slice(round(x0), max(round(x1), round(x0) + 1)))  # fmt: skip
        probability = float(columns[a:b, label].max())
        found.append(Found(label, probability, _tighten(ink, box)))
    return found


def _tighten(ink: Ink, box: Box) -> Box:
    """Shrink a box to the ink in it, if there is any."""
    y, x = np.nonzero(ink[box] > 0.3)
    if not len(y):
        return box
    rows, columns = box
    return (
        slice(rows.start + int(y.min()), rows.start + int(y.max()) + 1),
        slice(columns.start + int(x.min()), columns.start + int(x.max()) + 1),
    )
