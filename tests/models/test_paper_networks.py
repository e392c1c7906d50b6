import pytest
import torch

from lenet.errors import UsageError
from lenet.models import build_model
from lenet.models.layers import Subsampling, count_connections

# (parameters, connections, input size). LeNet-1: as its first description says. LeNet-4: the paper
# says about 17,000 and about 260,000. Lush: the authors' later network without F6.
COUNTS = {
    "lenet1": (2_578, 98_442, 28),
    "lenet4": (17_998, 259_306, 32),
    "lush": (51_046, 331_114, 32),
}


@pytest.mark.parametrize("kind", COUNTS)
def test_parameters_and_connections(kind):
    parameters, connections, size = COUNTS[kind]
    model = build_model(kind, size=size)
    assert sum(p.numel() for p in model.parameters()) == parameters
    x, counted = torch.zeros(1, 1, size, size), 0
    for layer in model:
        x = layer(x)
        counted += count_connections(layer, x)
    assert counted == connections
    assert x.shape == (1, 10)


@pytest.mark.parametrize("kind", COUNTS)
def test_other_sizes_are_refused(kind):
    with pytest.raises(UsageError, match="not 40×40"):
        build_model(kind, size=40)


@pytest.mark.parametrize("kind", COUNTS)
def test_channels_and_classes_are_the_datasets(kind):
    size = COUNTS[kind][2]
    model = build_model(kind, size=size, in_channels=3, classes=26)
    assert model(torch.zeros(1, 3, size, size)).shape == (1, 26)


def test_lenet5_of_1998_has_bitmaps_for_ten_digits_only():
    with pytest.raises(UsageError, match="bitmaps of 10 digits, but there are 26 classes"):
        build_model("lenet5", size=32, classes=26)


def test_lenet4_has_sixty_kernels_each_second_map_once_a_pair():
    model = build_model("lenet4", size=32)
    assert len(model.c3.weight) == 60
    for row in model.c3.table:
        assert len({s2_map // 2 for s2_map in row}) == len(row)


def test_subsampling_copies_look_at_the_same_map():
    layer = Subsampling(4, coefficient=1.0, copies=2)
    images = torch.stack([torch.ones(2, 2), 2 * torch.ones(2, 2)])[None]
    assert layer(images).flatten().tolist() == [4.0, 4.0, 8.0, 8.0]
