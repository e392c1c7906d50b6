"""Handwriting that no MNIST file contains: digits as pen strokes, on paper, under a camera.

Strokes are curves through control points that tremble; everything else (pen, ink, place, size,
slant, paper, ruling, light, noise, perspective, JPEG) is drawn from one generator per drawing.
Nothing here knows how `lenet.reading.digitize` works.
"""

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from lenet.data.datasets import Split

# Control points (x, y) in a box 1 wide and 1 high, y downwards; several hands per digit.
STROKES: dict[int, list[list[list[tuple[float, float]]]]] = {
    0: [
        [[(0.5, 0), (0.1, 0.25), (0.08, 0.7), (0.45, 1), (0.88, 0.7), (0.85, 0.25), (0.5, 0)]],
        [[(0.6, 0.02), (0.2, 0.2), (0.1, 0.6), (0.35, 1), (0.8, 0.8), (0.85, 0.3), (0.5, 0.03)]],
    ],
    1: [
        [[(0.5, 0), (0.5, 0.5), (0.5, 1)]],
        [[(0.25, 0.25), (0.42, 0.14), (0.55, 0), (0.55, 0.5), (0.55, 1)]],
    ],
    2: [
        [[(0.1, 0.25), (0.3, 0.02), (0.75, 0.08), (0.75, 0.4), (0.4, 0.75), (0.1, 1)],
         [(0.1, 1), (0.5, 0.98), (0.92, 0.98)]],
        [[(0.12, 0.2), (0.45, 0), (0.8, 0.2), (0.6, 0.6), (0.25, 0.95), (0.12, 0.85),
          (0.3, 0.8), (0.6, 0.97), (0.95, 0.92)]],
    ],
    3: [
        [[(0.12, 0.12), (0.5, 0), (0.8, 0.2), (0.65, 0.42), (0.4, 0.48)],
         [(0.4, 0.48), (0.75, 0.55), (0.88, 0.78), (0.5, 1), (0.1, 0.88)]],
        [[(0.15, 0.1), (0.55, 0.02), (0.78, 0.2), (0.45, 0.47), (0.8, 0.62), (0.75, 0.92),
          (0.4, 1), (0.1, 0.9)]],
    ],
    4: [
        [[(0.2, 0), (0.15, 0.3), (0.12, 0.55)], [(0.12, 0.55), (0.5, 0.54), (0.92, 0.5)],
         [(0.72, 0.05), (0.7, 0.5), (0.68, 1)]],
        [[(0.65, 0), (0.4, 0.3), (0.08, 0.65)], [(0.08, 0.65), (0.5, 0.66), (0.95, 0.64)],
         [(0.65, 0), (0.65, 0.5), (0.65, 1)]],
    ],
    5: [
        [[(0.85, 0.02), (0.5, 0.02), (0.22, 0.02)], [(0.22, 0.02), (0.2, 0.25), (0.18, 0.45)],
         [(0.18, 0.45), (0.5, 0.36), (0.85, 0.6), (0.75, 0.9), (0.4, 1), (0.1, 0.9)]],
    ],
    6: [
        [[(0.7, 0), (0.35, 0.25), (0.12, 0.65), (0.3, 0.98), (0.7, 0.95), (0.82, 0.7),
          (0.55, 0.52), (0.2, 0.68)]],
    ],
    7: [
        [[(0.08, 0.05), (0.5, 0.04), (0.9, 0.03)], [(0.9, 0.03), (0.6, 0.45), (0.4, 1)]],
        [[(0.08, 0.08), (0.5, 0.06), (0.9, 0.03)], [(0.9, 0.03), (0.65, 0.45), (0.45, 1)],
         [(0.35, 0.5), (0.6, 0.48), (0.85, 0.46)]],
    ],
    8: [
        [[(0.75, 0.12), (0.4, 0), (0.18, 0.2), (0.45, 0.45), (0.8, 0.7), (0.6, 0.98),
          (0.25, 0.95), (0.2, 0.7), (0.6, 0.42), (0.8, 0.18), (0.7, 0.1)]],
    ],
    9: [
        [[(0.8, 0.2), (0.5, 0), (0.18, 0.2), (0.3, 0.46), (0.65, 0.42), (0.8, 0.2)],
         [(0.8, 0.2), (0.78, 0.6), (0.7, 1)]],
        [[(0.78, 0.22), (0.45, 0), (0.15, 0.25), (0.4, 0.5), (0.75, 0.35), (0.8, 0.2),
          (0.78, 0.6), (0.6, 0.95), (0.25, 0.95)]],
    ],
}  # fmt: skip
WIDTHS = {0: 0.72, 1: 0.45, 2: 0.7, 3: 0.62, 4: 0.7, 5: 0.68, 6: 0.62, 7: 0.66, 8: 0.62, 9: 0.6}
INKS = [(20, 20, 25), (25, 40, 130), (150, 25, 30), (20, 90, 50), (75, 75, 80)]
PAPERS = [(250, 250, 248), (238, 232, 214), (255, 240, 130), (205, 225, 240), (225, 225, 225)]
CHALKS = [(245, 245, 240), (250, 235, 150), (180, 230, 250)]
BOARDS = [(25, 50, 40), (20, 20, 22), (20, 40, 90), (90, 35, 30)]


@dataclass(frozen=True)
class Drawing:
    """A rendered picture file and the digit that was written."""

    digit: int
    data: bytes
    description: str


def trace_curve(points: np.ndarray, steps: int = 24) -> np.ndarray:
    """Catmull-Rom curve through (n, 2) points."""
    padded = np.concatenate([points[:1], points, points[-1:]])
    t = np.linspace(0, 1, steps)[:, None]
    pieces = []
    for a, b, c, d in zip(padded, padded[1:], padded[2:], padded[3:], strict=False):
        pieces.append(
            0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2
                   + (3 * b - a - 3 * c + d) * t**3)
        )  # fmt: skip
    return np.concatenate(pieces)


def write_digit(rng: np.random.Generator, digit: int, height: float) -> list[np.ndarray]:
    """Curves of one digit in pixels around (0, 0), with tremor, slant and a little rotation."""
    hand = STROKES[digit][rng.integers(len(STROKES[digit]))]
    slant, angle = rng.uniform(-0.1, 0.35), np.radians(rng.uniform(-8, 8))
    width = height * WIDTHS[digit] * rng.uniform(0.85, 1.2)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    start: dict[tuple[float, float], np.ndarray] = {}  # strokes that meet keep meeting
    curves = []
    for stroke in hand:
        points = np.array(
            [start.setdefault(p, np.array(p) + rng.normal(0, 0.022, 2)) for p in stroke]
        )
        points = (points - 0.5) * (width, height)
        points[:, 0] -= slant * points[:, 1]
        curves.append(trace_curve(points @ turn.T))
    return curves


def draw_strokes(
    size: tuple[int, int], curves: list[np.ndarray], centre: tuple[float, float], width: float
) -> Image.Image:
    """Mask (L) of round-tipped pen strokes, drawn at twice the size and reduced."""
    canvas = Image.new("L", (size[0] * 2, size[1] * 2))
    pen = ImageDraw.Draw(canvas)
    radius = width  # at twice the size
    for curve in curves:
        points = [(2 * (x + centre[0]), 2 * (y + centre[1])) for x, y in curve]
        pen.line(points, fill=255, width=max(1, round(2 * width)), joint="curve")
        for x, y in points:
            pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
    return canvas.resize(size, Image.Resampling.BOX)


def render_drawing(seed: int) -> Drawing:
    """One drawing; `seed` decides everything, and ``seed % 10`` is the digit."""
    rng = np.random.default_rng([1998, seed])
    digit = seed % 10
    size = (int(rng.integers(140, 900)), int(rng.integers(140, 900)))
    short = min(size)
    height = short * rng.uniform(0.25, 0.8)
    curves = write_digit(rng, digit, height)
    extent = np.concatenate(curves)
    pen = height * rng.uniform(0.035, 0.13)
    is_tilted = rng.random() < 0.35
    rim = 0.11 * np.array(size) * is_tilted + pen + 2  # the whole digit stays in the picture
    low = rim - extent.min(axis=0)
    high = np.maximum(np.array(size) - rim - extent.max(axis=0), low + 1)
    centre = tuple(rng.uniform(low, high))
    is_board = rng.random() < 0.25
    ink = np.array((CHALKS if is_board else INKS)[rng.integers(3 if is_board else 5)], float)
    paper = np.array((BOARDS if is_board else PAPERS)[rng.integers(4 if is_board else 5)], float)
    words = ["board" if is_board else "paper", f"{size[0]}x{size[1]}", f"pen {pen / height:.3f}"]

    scene = np.empty((size[1], size[0], 3))
    scene[:] = paper
    if not is_board and rng.random() < 0.4:
        words.append(rule_paper(rng, scene, paper, ink))
    mask = np.asarray(draw_strokes(size, curves, centre, pen / 2), float)[..., None] / 255
    scene = scene * (1 - mask) + ink * mask
    if is_tilted:
        words.append("perspective")
        scene = tilt_page(rng, scene, margin=rng.random() < 0.5)
    if rng.random() < 0.7:
        words.append(shine_light(rng, scene))
    picture = Image.fromarray(np.clip(scene, 0, 255).astype(np.uint8))
    picture = picture.filter(ImageFilter.GaussianBlur(rng.uniform(0, 0.004) * short))
    noise = rng.normal(0, rng.uniform(0, 10), (size[1], size[0], 1))
    grain = np.clip(np.asarray(picture, float) + noise, 0, 255).astype(np.uint8)
    file = io.BytesIO()
    kind = ["PNG", "JPEG", "WEBP"][rng.integers(3)]
    options = {} if kind == "PNG" else {"quality": int(rng.integers(40, 95))}
    Image.fromarray(grain).save(file, kind, **options)
    return Drawing(digit, file.getvalue(), ", ".join([*words, kind]))


def rule_paper(
    rng: np.random.Generator, scene: np.ndarray, paper: np.ndarray, ink: np.ndarray
) -> str:
    """Draw pale lines across the page, sometimes also down it; returns what was drawn."""
    height, width = scene.shape[:2]
    short = min(height, width)
    pitch, thickness = short * rng.uniform(0.08, 0.3), max(1, round(short * 0.004))
    strength = rng.uniform(0.2, 0.6)
    line = paper * (1 - strength) + np.array((90, 120, 190)) * strength
    for y in np.arange(rng.uniform(0, pitch), height - thickness, pitch).astype(int):
        scene[y : y + thickness] = line
    if rng.random() < 0.3:
        for x in np.arange(rng.uniform(0, pitch), width - thickness, pitch).astype(int):
            scene[:, x : x + thickness] = line
        return f"squared {strength:.2f}"
    return f"ruled {strength:.2f}"


def tilt_page(rng: np.random.Generator, scene: np.ndarray, margin: bool) -> np.ndarray:
    """See the page from an angle; with `margin` the table shows around it."""
    height, width = scene.shape[:2]
    inset = rng.uniform(0.0, 0.1, (4, 2)) * (width, height)
    sign = np.array([(1, 1), (-1, 1), (-1, -1), (1, -1)])
    corners = np.array([(0, 0), (width, 0), (width, height), (0, height)], float)
    seen = corners + sign * inset * (1 if margin else -1)
    rows, values = [], []
    for (x, y), (u, v) in zip(seen, corners, strict=True):  # picture (x, y) shows page (u, v)
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        values += [u, v]
    coefficients = np.linalg.solve(np.array(rows), np.array(values))
    image = Image.fromarray(scene.astype(np.uint8))
    table = tuple(int(v) for v in rng.uniform(30, 160, 3))
    if not margin:  # the page is larger than the picture: its paper goes on
        table = tuple(int(v) for v in np.median(scene.reshape(-1, 3), axis=0))
    tilted = image.transform(
        image.size, Image.Transform.PERSPECTIVE, tuple(coefficients), Image.Resampling.BICUBIC,
        fillcolor=table,
    )  # fmt: skip
    return np.asarray(tilted, float)


def shine_light(rng: np.random.Generator, scene: np.ndarray) -> str:
    """Darken the scene in place, by a fall-off from a lamp or a soft shadow; returns which."""
    height, width = scene.shape[:2]
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    angle = rng.uniform(0, 2 * np.pi)
    across = (x - 0.5) * np.cos(angle) + (y - 0.5) * np.sin(angle)
    depth = rng.uniform(0.15, 0.55)
    if rng.random() < 0.5:
        scene *= (1 - depth * np.clip(across + 0.5, 0, 1))[..., None]
        return f"lamp {depth:.2f}"
    softness = rng.uniform(0.03, 0.2)
    shadow = 1 / (1 + np.exp(-(across - rng.uniform(-0.4, 0.4)) / softness))
    scene *= (1 - 0.8 * depth * shadow)[..., None]
    return f"shadow {depth:.2f}"


def write_drawings(folder: Path, seeds: range) -> list[Path]:
    """Picture files of drawings, one per seed."""
    paths = []
    for seed in seeds:
        paths.append(folder / f"{seed:04}.img")
        paths[-1].write_bytes(render_drawing(seed).data)
    return paths


def write_string(split: Split, first: int, gap: int) -> tuple[np.ndarray, str]:
    """Five test digits in a row, black on white, `gap` of MNIST's pixels apart, enlarged.

    A negative gap lets neighbours overlap.
    """
    images = [image[0].numpy() for image in split.images[first : first + 5]]
    cut = [image[:, image.any(axis=0)] for image in images]
    line = np.zeros((48, 24 + sum(c.shape[1] for c in cut) + 4 * gap), dtype=np.uint8)
    left = 12
    for piece in cut:
        place = line[10:38, left : left + piece.shape[1]]
        np.maximum(place, piece, out=place)
        left += piece.shape[1] + gap
    large = Image.fromarray(255 - line).resize((3 * line.shape[1], 144), Image.Resampling.BICUBIC)
    text = "".join(str(int(label)) for label in split.labels[first : first + 5])
    return np.asarray(large)[..., None], text


def draw_grid(seed: int, text: str, cell: int = 60) -> np.ndarray:
    """A page with a ruled grid, handwritten digits in it, seen from an angle under a lamp."""
    rng = np.random.default_rng(seed)
    rows = text.split("\n")
    size = (cell * (len(rows[0]) + 2), cell * (len(rows) + 2))
    lines = Image.new("L", size)
    pen = ImageDraw.Draw(lines)
    for row in range(len(rows) + 1):
        pen.line((cell, cell * (row + 1), size[0] - cell, cell * (row + 1)), fill=255, width=2)
    for column in range(len(rows[0]) + 1):
        place = cell * (column + 1)
        pen.line((place, cell, place, size[1] - cell), fill=255, width=2)
    mask = np.asarray(lines, float)
    for row, cells in enumerate(rows):
        for column, digit in enumerate(cells):
            if digit != ".":
                centre = (cell * (column + 1.5), cell * (row + 1.5))
                curves = write_digit(rng, int(digit), 0.6 * cell)
                mask = np.maximum(mask, np.asarray(draw_strokes(size, curves, centre, 1.8)))
    cover = mask[..., None] / 255
    scene = np.array((238.0, 232, 214)) * (1 - cover) + np.array((25.0, 40, 130)) * cover
    scene = tilt_page(rng, scene, margin=True)
    shine_light(rng, scene)
    return np.clip(scene + rng.normal(0, 3, scene.shape), 0, 255).astype(np.uint8)


def count_right(read: str, written: str) -> int:
    """Digits of a string that were read, by the least number of edits."""
    row = list(range(len(written) + 1))
    for i, one in enumerate(read):
        last, row[0] = row[0], i + 1
        for j, other in enumerate(written):
            last, row[j + 1] = row[j + 1], min(row[j + 1] + 1, row[j] + 1, last + (one != other))
    return len(written) - min(row[-1], len(written))
