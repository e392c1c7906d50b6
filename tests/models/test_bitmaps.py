import torch

from lenet.models.bitmaps import digit_bitmaps

HEX_ROWS = """
3e 00 1c 36 63 63 63 63 36 1c 00 00
0c 1c 3c 0c 0c 0c 0c 0c 0c 3f 00 00
3e 00 3e 63 43 06 1c 30 60 7f 00 00
7f 03 06 0c 1e 03 03 03 63 3e 00 00
3e 00 00 33 33 73 63 63 67 3f 03 03
3e 00 7f 60 60 3c 1e 03 63 3e 00 00
1e 30 60 60 7e 73 63 63 73 3e 00 00
7f 03 03 06 0c 0c 18 18 18 18 00 00
3e 63 63 63 3e 63 63 63 63 3e 00 00
3e 67 63 63 67 3f 03 03 06 3c 00 00
"""


def test_bitmaps_equal_an_independent_reading_of_the_figure():
    rows = [[int(byte, 16) for byte in line.split()] for line in HEX_ROWS.split("\n") if line]
    bits = [[1.0 if row >> (6 - c) & 1 else -1.0 for row in d for c in range(7)] for d in rows]
    torch.testing.assert_close(digit_bitmaps(), torch.tensor(bits))


def test_ink_counts():
    images = (digit_bitmaps() > 0).sum(dim=1)
    assert images.tolist() == [35, 27, 33, 32, 41, 35, 39, 25, 43, 39]


def test_six_and_eight_are_the_closest_targets_and_one_and_four_among_the_farthest():
    bitmaps = digit_bitmaps()
    distances = (bitmaps[:, None] - bitmaps).square().sum(dim=2)
    off_diagonal = distances[~torch.eye(10, dtype=torch.bool)]
    assert off_diagonal.min() == distances[6, 8] == 48
    assert off_diagonal.max() == distances[1, 4] == 200
