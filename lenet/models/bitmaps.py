"""The ten 7×12 characters that LeNet-5's output units compare F6 with."""

import torch
from torch import Tensor

# One row of characters per bitmap row, one column group per digit; "#" is pixels (+1), "." is -1.
# The detached bars over 0, 2, 4 and 5 and the descender of 4 are in the paper's font.
# Source: Fig. 3, which the paper's PDF stores as one-bit images.
_DIGITS_0_TO_4 = """
.#####. ...##.. .#####. ####### .#####.
....... ..###.. ....... .....## .......
..###.. .####.. .#####. ....##. .......
.##.##. ...##.. ##...## ...##.. .##..##
##...## ...##.. #....## ..####. .##..##
##...## ...##.. ....##. .....## ###..##
##...## ...##.. ..###.. .....## ##...##
##...## ...##.. .##.... .....## ##...##
.##.##. ...##.. ##..... ##...## ##..###
..###.. .###### ####### .#####. .######
....... ....... ....... ....... .....##
....... ....... ....... ....... .....##
"""
_DIGITS_5_TO_9 = """
.#####. ..####. ####### .#####. .#####.
....... .##.... .....## ##...## ##..###
####### ##..... .....## ##...## ##...##
##..... ##..... ....##. ##...## ##...##
##..... ######. ...##.. .#####. ##..###
.####.. ###..## ...##.. ##...## .######
..####. ##...## ..##... ##...## .....##
.....## ##...## ..##... ##...## .....##
##...## ###..## ..##... ##...## ....##.
.#####. .#####. ..##... .#####. .####..
....... ....... ....... ....... .......
....... ....... ....... ....... .......
"""


def digit_bitmaps() -> Tensor:
    """Return the ten characters as a (10, 84) float32 tensor of -1 and +1, row by row.

    Source: Fig. 3 and Section II-B.
    """
    digits = []
    for block in (_DIGITS_0_TO_4, _DIGITS_5_TO_9):
        rows = [line.split() for line in block.split("\n") if line]
        digits += ["".join(row[i] for row in rows) for i in range(5)]
    return torch.tensor([[1.0 if cell == "#" else -1.0 for cell in digit] for digit in digits])
