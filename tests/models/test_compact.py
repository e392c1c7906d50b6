import torch
from torch import nn

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
