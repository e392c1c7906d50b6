#!/usr/bin/env -S sh -c 'exec "$(dirname "$0")/../.venv/bin/python" "$0" "$@"'
"""Count how much of the tests' drawings, and of strings of MNIST's test digits, is read correctly.

scripts/reading.py --run published:handwriting      # a Markdown table; minutes
scripts/reading.py --run published:line             # another, of a network that reads lines
scripts/reading.py --run published:line --held-out  # of digits that it held out
"""

import argparse
import sys
import tempfile
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent.parent / name) for name in (".", "tests")]

from drawings import count_right, write_drawings, write_string  # noqa: E402

from lenet.data.datasets import Split, load_dataset  # noqa: E402
from lenet.reading.lines import scan_lines  # noqa: E402
from lenet.reading.predict import load_ensemble, read_digits  # noqa: E402
from lenet.reading.scan import scan_convolution, scan_marks  # noqa: E402

DRAWINGS = 300
DIGITS = 200
"""Test digits, in strings of five."""
STRINGS = 200
"""Strings of five of which a network that reads lines must get each right from end to end."""
HELD_OUT = 5000
"""Digits at the end of the training file, which `reading/line` and `line-base` validate on."""
GAPS = {
    16: "a digit's width apart",
    5: "5 pixels apart",
    2: "2 pixels apart",
    0: "boxes touch",
    -3: "boxes overlap by 3 pixels",
}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", default="published:handwriting", help="who reads")
    parser.add_argument(
        "--held-out", action="store_true", help="strings of the digits that a line network held out"
    )
    arguments = parser.parse_args()
    ensemble = load_ensemble(arguments.run, lines=True)
    dataset = load_dataset("mnist")
    test = dataset.test
    if ensemble.classifiers[0].reads_lines:
        kind, digits, strings = "test", test, STRINGS
        if arguments.held_out:
            last = slice(-HELD_OUT, None)
            kind, strings = "held-out", HELD_OUT // 5
            digits = Split(dataset.train.images[last], dataset.train.labels[last])
        print(f"| strings of five {kind} digits | read correctly |")
        print("|---|---:|")
        for gap, words in GAPS.items():
            written = (write_string(digits, 5 * n, gap) for n in range(strings))
            right = sum(scan_lines(ensemble, picture).text() == text for picture, text in written)
            print(f"| {strings:,} strings, {words} | {right} |", flush=True)
        return
    with tempfile.TemporaryDirectory() as folder:
        readings = read_digits(ensemble, write_drawings(Path(folder), range(DRAWINGS)))
        right = sum(reading.digit == seed % 10 for seed, reading in enumerate(readings))
    print("| read correctly | by `predict` | by `scan` | by `scan --way convolution` |")
    print("|---|---:|---:|---:|")
    print(f"| {DRAWINGS} drawings | {right} | | |")
    for gap, words in GAPS.items():
        marks = slid = 0
        for first in range(0, DIGITS, 5):
            picture, written = write_string(test, first, gap)
            marks += count_right(scan_marks(ensemble, picture).text(), written)
            slid += count_right(scan_convolution(ensemble.classifiers[0], picture).text(), written)
        print(f"| {DIGITS} test digits in strings of five, {words} | | {marks} | {slid} |")


if __name__ == "__main__":
    main()
