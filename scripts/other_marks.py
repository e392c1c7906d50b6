#!/usr/bin/env -S sh -c 'exec "$(dirname "$0")/../.venv/bin/python" "$0" "$@"'
"""Write digits, and marks that are none, for a network to learn the difference.

scripts/other_marks.py digit-or-not.npz      # two minutes; then: lenet train reading/digit-or-not

Digits are MNIST's training images and digits printed in matplotlib's fonts. Other marks are letters
and signs in these fonts, scribbles, and two digits that touch. The test part has fonts, scribbles
and digits of its own; MNIST's test images are not used.
"""

import argparse
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent.parent)]

import matplotlib  # noqa: E402
import numpy as np  # noqa: E402
from PIL import Image, ImageDraw, ImageFont  # noqa: E402
from scipy.interpolate import make_interp_spline  # noqa: E402

from lenet.data.datasets import load_dataset  # noqa: E402
from lenet.reading.digitize import fit_ink  # noqa: E402
from lenet.rng import derive_seed  # noqa: E402

SIDE = 96  # px: marks are drawn so large, then fitted into 28 x 28
OTHERS = "ACEFHKLMNPRUVWXacdekmnpuvwx&#?@%+=*$"
"""Without those that some hand writes like a digit, such as b, g, l, o, q, s, z."""
KEPT_FONTS = ("DejaVuSerif", "STIXGeneralItalic")
"""Beginnings of the names of those for the test part."""
SIZES = {"train": 12_000, "test": 1_500}
"""Images of each kind; MNIST has more."""


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("to", type=Path, help="the file, .npz")
    to = parser.parse_args().to
    digits = load_dataset("mnist").train.images[:, 0].numpy()
    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    fonts = [path for path in sorted(folder.glob("*.ttf")) if draws_letters(path)]
    arrays = {}
    for part, size in SIZES.items():
        rng = np.random.default_rng(derive_seed(0, "other marks", part == "test"))
        own = [font for font in fonts if font.stem.startswith(KEPT_FONTS) == (part == "test")]
        written = digits[:-6000] if part == "train" else digits[-6000:]
        kinds = [
            written,
            *(np.stack([print_sign(rng, own, text) for _ in range(size)])
              for text in ("0123456789", OTHERS)),
            np.stack([scribble(rng) for _ in range(size)]),
            np.stack([join(rng, written) for _ in range(size)]),
        ]  # fmt: skip
        labels = np.repeat(["digit"] * 2 + ["other"] * 3, [len(kind) for kind in kinds])
        arrays |= {f"{part}_images": np.concatenate(kinds), f"{part}_labels": labels}
    np.savez_compressed(to, **arrays)
    print(f"{to}: {', '.join(f'{name} {len(array):,}' for name, array in arrays.items())}")


def draws_letters(path: Path) -> bool:
    """Whether a font has letters; some of matplotlib's have mathematical signs only."""
    return path.stem.startswith(("DejaVu", "STIXGeneral")) and "Display" not in path.stem


def fit(mask: Image.Image) -> np.ndarray:
    """Bring a drawing, light on dark, to MNIST's format."""
    ink = np.asarray(mask.crop(mask.getbbox()), dtype=np.float32) / 255
    return np.rint(255 * fit_ink(ink)).astype(np.uint8)


def print_sign(rng: np.random.Generator, fonts: list[Path], signs: str) -> np.ndarray:
    """A sign in one of the fonts, stretched by up to a third, thickened by up to 3 pixels."""
    font = ImageFont.truetype(fonts[rng.integers(len(fonts))], SIDE // 2)
    canvas = Image.new("L", (SIDE, SIDE))
    sign, thicker = signs[rng.integers(len(signs))], int(rng.integers(0, 4))
    pen = ImageDraw.Draw(canvas)
    pen.text((SIDE // 4, SIDE // 8), sign, 255, font, stroke_width=thicker)
    if sign == "0" and rng.random() < 0.3:  # some hands strike their zeros through
        left, top, right, bottom = canvas.getbbox()
        pen.line([(left, bottom), (right, top)], fill=255, width=4 + 2 * thicker)
    width = round(SIDE * rng.uniform(0.75, 1.33))
    return fit(canvas.resize((width, SIDE)))


def scribble(rng: np.random.Generator) -> np.ndarray:
    """One to three strokes: through points drawn at random, or turning as they go.

    A single stroke has many turns, as some with few look like a digit.
    """
    canvas = Image.new("L", (SIDE, SIDE))
    pen = ImageDraw.Draw(canvas)
    width = int(rng.integers(3, 9))
    strokes = int(rng.integers(1, 4))
    for _ in range(strokes):
        n = int(rng.integers(9 if strokes == 1 else 5, 14))
        if rng.random() < 0.5:
            points = rng.uniform(0.1, 0.9, (n, 2))
        else:
            heading = rng.uniform(0, 2 * np.pi) + rng.normal(rng.normal(0, 0.8), 0.8, n).cumsum()
            points = np.stack([np.cos(heading), np.sin(heading)], axis=1).cumsum(axis=0)
            points = 0.1 + 0.8 * (points - points.min(axis=0)) / np.ptp(points, axis=0).max()
        degree = int(rng.choice([1, 2, 3]))
        curve = make_interp_spline(np.arange(n), points, degree)(np.linspace(0, n - 1, 12 * n))
        line = [tuple(point) for point in SIDE * curve]
        pen.line(line, fill=255, width=width, joint="curve")
    return fit(canvas)


def join(rng: np.random.Generator, digits: np.ndarray) -> np.ndarray:
    """Two digits side by side that touch or overlap by up to three pixels."""
    one, other = (d[:, d.any(axis=0)] for d in digits[rng.integers(len(digits), size=2)])
    overlap = int(rng.integers(0, 4))
    pair = np.zeros((28, one.shape[1] + other.shape[1] - overlap), dtype=np.uint8)
    pair[:, : one.shape[1]] = one
    pair[:, -other.shape[1] :] = np.maximum(pair[:, -other.shape[1] :], other)
    return fit(Image.fromarray(pair))


if __name__ == "__main__":
    main()
