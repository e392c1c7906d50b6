from typing import Any

import pytest
import torch
from torch import nn

from lenet.errors import UsageError
from lenet.models.compact import Compact


def test_the_compact_network_has_fewer_weights_than_lenet5() -> None:
    kernels = 9 * (1 * 12 + 12 * 24 + 24 * 24 + 24 * 40 + 40 * 48 + 48 * 56)
    norms = 2 * (12 + 24 + 24 + 40 + 48 + 56)
    output = 56 * 10 + 10
    assert sum(w.numel() for w in Compact().parameters()) == kernels + norms + output == 58_974


def test_the_last_maps_are_averaged_over_5_by_5_positions() -> None:
    net = Compact().eval()
    x = torch.rand(2, 1, 28, 28)
    maps = nn.Sequential(*list(net)[:-3])(x)
    assert maps.shape == (2, 56, 5, 5)
    torch.testing.assert_close(net(x), net.output(maps.mean((2, 3))))


def test_maps_and_halvings_can_be_chosen() -> None:
    net = Compact(channels=(4, 8, 6), pooled=(2,)).eval()
    maps = nn.Sequential(*list(net)[:-3])(torch.rand(2, 1, 28, 28))
    assert maps.shape == (2, 6, 12, 12)  # 28 halved, less the border of an unpadded kernel


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"channels": (4, 8), "pooled": (2,)},
            r"pooled must be of the convolutions 1 to 1, not \[2\]",
        ),
        ({"channels": (4, 8), "pooled": (0,)}, r"not \[0\]"),
        (
            {"channels": (4,) * 6, "pooled": (1, 2, 3, 4)},
            "28×28 pixels, halved 4 times, are too few for a 3×3 kernel",
        ),
    ],
)
def test_impossible_halvings_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Compact(**options)
