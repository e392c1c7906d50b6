"""Read a line or a page of digits, in one of two ways.

``marks`` cuts the page into connected marks and reads each as a picture of its own. ``convolution``
applies the network to the whole page at once, with C5 and F6 as convolutions, so that neighbouring
positions share work, and searches the resulting class map for confident peaks.

Source: LeCun et al. 1998, section VII, "Space displacement neural networks".
Deviation: the paper's recognizer was trained to reject what lies between characters and its outputs
were decoded by a graph; here a position counts if the ink around it has its centre of mass there.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from scipy import ndimage
from torch import Tensor, nn

from lenet.data.pictures import Picture, PictureError
from lenet.data.sources import DIGITS
from lenet.errors import UsageError
from lenet.evaluation.classifier import Classifier, Ensemble
from lenet.losses import probabilities
from lenet.reading.digitize import Box, fit_ink, group_marks, is_in_column
from lenet.reading.ink import Ink, find_ink
from lenet.reading.light import Mask
from lenet.reading.refusal import NO_DIGIT, share_other

PAGE_SIDE = 2048  # px: a page of small digits needs more than a picture of one
DIGIT = 20  # px: the height that the network was trained on
SMALLEST = 0.35  # of the median height: smaller marks are dots and dashes
WINDOW = (24, 20)  # px: rows and columns in which a digit stands
LEAST_SUPPORT = 0.4  # probability times centring from which a position holds a digit
MOST_PIXELS = 2**24  # of a scaled page: memory stays below 2 GB
STRIP = 64  # rows of the class map at a time
STEP = 4  # px: two subsamplings halve the map twice
DOUBT = 0.5  # probability of a line's string below which the user is told


@dataclass(frozen=True)
class Found:
    """One digit on a page: its class, probability, and box as rows and columns of the page.

    A blank cell of a grid has no digit. Another mark has none either; its probability is that of
    being no digit.
    """

    digit: int | None
    probability: float
    box: Box
    is_other: bool = False

    def name(self, classes: Sequence[str] = DIGITS) -> str:
        """Return the name of its class, a dot of a blank cell, or a question mark."""
        if self.digit is None:
            return "?" if self.is_other else "."
        return classes[self.digit]

    def as_dict(self, scale: float = 1.0, classes: Sequence[str] = DIGITS) -> dict[str, Any]:
        """Return the digit for JSON.

        Args:
            scale: The file's pixels per pixel of the page.
            classes: The classes' names.

        Returns:
            Digit, or another class by its name, None where there is none; its probability, None
            where a cell is blank; and the box as [left, top, right, bottom] in the file's pixels.
        """
        rows, columns = self.box
        edges = [round(e * scale) for e in (columns.start, rows.start, columns.stop, rows.stop)]
        sure = None if self.digit is None and not self.is_other else self.probability
        if tuple(classes) == DIGITS:
            return {"digit": self.digit, "probability": sure, "box": edges}
        label = None if self.digit is None else classes[self.digit]
        return {"class": label, "probability": sure, "box": edges}


@dataclass(frozen=True)
class Scan:
    """All digits of a page in reading order.

    Attributes:
        lines: The digits of each line, from left to right; lines from top to bottom.
        class_map: (classes, h, w) probabilities over the page; ``convolution`` only.
        probabilities: Of the string of each line; None: the product of its digits'.
        crossings: (rows + 1, columns + 1, 2), x and y where a grid's lines meet; grids only.
        classes: The classes' names.
    """

    lines: list[list[Found]]
    class_map: npt.NDArray[np.float32] | None = None
    probabilities: list[float] | None = None
    crossings: npt.NDArray[np.float64] | None = None
    classes: Sequence[str] = DIGITS

    def as_dicts(self, scale: float = 1.0) -> list[dict[str, Any]]:
        """Return the lines for JSON; a line's probability is that of all its digits together."""
        return [
            {
                "text": self._spell(line),
                "probability": probability,
                "digits": [found.as_dict(scale, self.classes) for found in line],
            }
            for line, probability in zip(self.lines, self._measure(), strict=True)
        ]

    def doubts(self) -> str:
        """Name the lines that are as likely wrong as right; empty: there are none."""
        unsure = [
            f"line {number} ({100 * probability:.0f} %)"
            for number, probability in enumerate(self._measure(), 1)
            if probability < DOUBT
        ]
        return f"unsure of {', '.join(unsure)}" if unsure else ""

    def text(self) -> str:
        """The digits as lines of text; names of several letters stand apart."""
        return "\n".join(map(self._spell, self.lines))

    def _measure(self) -> list[float]:
        """The probability of each line."""
        return self.probabilities or [
            math.prod(found.probability for found in line) for line in self.lines
        ]

    def _spell(self, line: Sequence[Found]) -> str:
        between = " " if any(len(name) > 1 for name in self.classes) else ""
        return between.join(found.name(self.classes) for found in line)


def scan_marks(ensemble: Ensemble, picture: Picture) -> Scan:
    """Read every connected mark of a page.

    Args:
        ensemble: The network or networks.
        picture: (H, W, 1 or 3) uint8.

    Raises:
        PictureError: There is no ink.
    """
    inks, boxes = cut_marks(picture)
    found = name_marks(ensemble, ensemble(torch.from_numpy(inks)[:, None]), inks, boxes)
    return Scan(order_lines(found), classes=ensemble.data.classes)


def name_marks(ensemble: Ensemble, shares: Tensor, inks: Ink, boxes: Sequence[Box]) -> list[Found]:
    """Name the most probable class of each mark, or tell it as no digit.

    Args:
        ensemble: The network or networks that read them.
        shares: What they say, (N, classes).
        inks: The marks as they saw them, (N, 28, 28).
        boxes: Where each lies on the page.
    """
    other = share_other(torch.from_numpy(inks), ensemble.data).tolist()
    sure, labels = shares.max(dim=1)
    return [
        Found(None, no_digit, box, is_other=True)
        if no_digit >= NO_DIGIT
        else Found(int(label), float(share) * (1 - no_digit), box)
        for label, share, no_digit, box in zip(labels, sure, other, boxes, strict=True)
    ]


def cut_marks(picture: Picture) -> tuple[Ink, list[Box]]:
    """Cut a page into its connected marks, without a network.

    Args:
        picture: (H, W, 1 or 3) uint8.

    Returns:
        Each mark as a network sees it, (N, 28, 28), and its box on the page.

    Raises:
        PictureError: There is no ink.
    """
    ink, groups = _find_marks(picture)
    inks = np.stack([fit_ink(np.where(mask, ink[box], 0)) for box, mask in groups])
    return inks, [box for box, _ in groups]


def scan_convolution(classifier: Classifier, picture: Picture) -> Scan:
    """Read a page by applying the network to all of it at once.

    The page is scaled so that its median mark is 20 pixels high.

    Args:
        classifier: A LeNet-5.
        picture: (H, W, 1 or 3) uint8.

    Raises:
        PictureError: There is no ink.
        UsageError: The network cannot be applied to larger pictures.
    """
    ink, groups = _find_marks(picture)
    scale = DIGIT / float(np.median([box[0].stop - box[0].start for box, _ in groups]))
    top, left = (min(box[axis].start for box, _ in groups) for axis in (0, 1))
    bottom, right = (max(box[axis].stop for box, _ in groups) for axis in (0, 1))
    if (bottom - top) * (right - left) * scale**2 > MOST_PIXELS:
        raise PictureError("its digits are too small for so large a page; cut out a part of it")
    page = _scale(ink[top:bottom, left:right], scale)
    class_map = run_convolution(classifier, torch.from_numpy(page)[None, None])[0].numpy()
    # Class map (y, x) is centred on page pixel STEP · (y, x): the page is padded by half a field.
    centred = _measure_centring(page)[::STEP, ::STEP]
    rows, columns = (min(a, b) for a, b in zip(centred.shape, class_map.shape[1:], strict=True))
    class_map, centred = class_map[:, :rows, :columns], centred[:rows, :columns]
    support = class_map.max(axis=0) * centred
    found: list[Found] = []
    half = 0.5 * DIGIT / scale
    for at in np.argsort(-support, axis=None, kind="stable"):
        y, x = divmod(int(at), columns)
        if support[y, x] < LEAST_SUPPORT:
            break
        centre_y, centre_x = top + STEP * y / scale, left + STEP * x / scale
        box = (
            slice(max(int(centre_y - half), 0), int(centre_y + half)),
            slice(max(int(centre_x - 0.7 * half), 0), int(centre_x + 0.7 * half)),
        )
        if all(_apart(box, other.box) for other in found):
            digit = int(class_map[:, y, x].argmax())
            found.append(Found(digit, float(class_map[digit, y, x]), box))
    return Scan(order_lines(found), class_map, classes=classifier.data.classes)


@torch.inference_mode()
def run_convolution(classifier: Classifier, page: Tensor) -> Tensor:
    """Apply a LeNet-5 to every position of a page at once.

    Args:
        classifier: Its F6 and output layers are turned into convolutions.
        page: Ink in [0, 1], (1, 1, H, W).

    Returns:
        (1, classes, about H / 4, about W / 4) probabilities. Position (y, x) sees the 32 × 32
        pixels around page pixel (4 y, 4 x).

    Raises:
        UsageError: The network has other layers than LeNet-5, or normalizes each digit's shape.
    """
    preprocess = classifier.preprocess
    if not preprocess.is_plain:
        raise UsageError("this network changes the shape of each digit; use `marks` instead")
    half = preprocess.size // 2
    padded = nn.functional.pad(page, (half, half, half, half))
    shown = padded * (preprocess.full - preprocess.background) + preprocess.background
    layers = _leaves(classifier)
    rows = (shown.shape[2] - 2 * half) // STEP + 1
    strips = [
        shown[:, :, STEP * first : STEP * (min(first + STRIP, rows) - 1) + 2 * half]
        for first in range(0, rows, STRIP)
    ]  # they overlap, so that together they are the whole map
    states = torch.cat([_slide(layers, strip) for strip in strips], dim=2)
    return probabilities(states.movedim(1, -1), classifier.outputs).movedim(-1, 1)


def _slide(layers: list[nn.Module], states: Tensor) -> Tensor:
    """Apply a LeNet-5's layers to all places of (1, 1, H, W)."""
    for layer in layers:
        match layer:
            case nn.Flatten() | nn.Dropout():
                continue
            case nn.Linear():
                states = layer(states.movedim(1, -1)).movedim(-1, 1)
            case nn.BatchNorm1d():
                states = nn.functional.batch_norm(
                    states, layer.running_mean, layer.running_var, layer.weight, layer.bias,
                    eps=layer.eps,
                )  # fmt: skip
            case _ if hasattr(layer, "centres"):  # the RBF layer of 1998
                flat = states.flatten(2)[0].T  # (places, 84)
                states = layer(flat).T.reshape(1, -1, *states.shape[2:])
            case _:
                states = layer(states)
    return states


def _measure_centring(page: Ink) -> npt.NDArray[np.float32]:
    """Return 1 where a window's ink has its centre of mass in the middle, falling to 0."""
    y, x = np.indices(page.shape, dtype=np.float32)
    mass = ndimage.uniform_filter(page, WINDOW, mode="constant")
    middle = [
        ndimage.uniform_filter(page * place, WINDOW, mode="constant") / np.maximum(mass, 1e-6)
        for place in (y, x)
    ]
    away = np.hypot(middle[0] - y, middle[1] - x)
    centring: npt.NDArray[np.float32] = np.where(mass > 0.06, np.maximum(1 - away / 5, 0), 0)
    return centring


def _leaves(classifier: Classifier) -> list[nn.Module]:
    kinds = {name for name, _ in classifier.model.named_children()}
    if not {"c1", "s2", "c3", "s4", "c5", "f6", "output"} <= kinds:
        raise UsageError("only a LeNet-5 can be applied to a whole page; use `marks` instead")
    classifier.model.eval()
    return [module for module in classifier.model.modules() if not any(module.children())]


def _scale(ink: Ink, scale: float) -> Ink:
    size = max(1, round(ink.shape[1] * scale)), max(1, round(ink.shape[0] * scale))
    image = Image.fromarray((ink * 255).astype(np.uint8)).resize(size, Image.Resampling.BOX)
    scaled: Ink = np.asarray(image, dtype=np.float32) / np.float32(255)
    return scaled


def _apart(a: Box, b: Box) -> bool:
    """Whether the centres of two boxes are 0.6 of a width or 0.7 of a height apart."""
    (y, x), (v, u) = (((p[0].start + p[0].stop) / 2, (p[1].start + p[1].stop) / 2) for p in (a, b))
    height, width = a[0].stop - a[0].start, a[1].stop - a[1].start
    return bool(abs(x - u) > 0.6 * width or abs(y - v) > 0.7 * height)


def _find_marks(picture: Picture) -> tuple[Ink, list[tuple[Box, Mask]]]:
    """Return the ink of a page, and its marks without those much smaller than the others.

    Raises:
        PictureError: There are no marks.
    """
    ink = find_ink(picture)
    groups = group_marks(ink, is_in_column)
    if not groups:
        raise PictureError("no ink: only specks")
    heights = [box[0].stop - box[0].start for box, _ in groups]
    least = SMALLEST * float(np.median(heights))
    return ink, [group for group, height in zip(groups, heights, strict=True) if height >= least]


def order_lines(found: Sequence[Found]) -> list[list[Found]]:
    """Sort digits into lines, sloping or not: each digit joins the line whose last one is level."""
    lines: list[list[Found]] = []
    for one in sorted(found, key=lambda f: f.box[1].start):
        rows, middle = one.box[0], _middle(one)
        level = [
            line
            for line in lines
            if rows.start < _middle(line[-1]) < rows.stop
            or line[-1].box[0].start < middle < line[-1].box[0].stop
        ]
        if level:
            min(level, key=lambda line: abs(_middle(line[-1]) - middle)).append(one)
        else:
            lines.append([one])
    return sorted(lines, key=lambda line: float(np.mean([_middle(one) for one in line])))


def _middle(found: Found) -> float:
    return float(found.box[0].start + found.box[0].stop) / 2
