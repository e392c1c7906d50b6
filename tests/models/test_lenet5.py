import pytest
import torch

from lenet.errors import UsageError
from lenet.losses import classify
from lenet.models import build_model
from lenet.models.layers import count_connections
from lenet.models.lenet5 import C3_TABLE, LeNet5

TABLE_I = """
1 0 0 0 1 1 1 0 0 1 1 1 1 0 1 1
1 1 0 0 0 1 1 1 0 0 1 1 1 1 0 1
1 1 1 0 0 0 1 1 1 0 0 1 0 1 1 1
0 1 1 1 0 0 1 1 1 1 0 0 1 0 1 1
0 0 1 1 1 0 0 1 1 1 1 0 1 1 0 1
0 0 0 1 1 1 0 0 1 1 1 1 0 1 1 1
"""


def test_connection_table_is_the_papers():
    rows = [line.split() for line in TABLE_I.split("\n") if line]
    for c3_map, inputs in enumerate(C3_TABLE):
        assert inputs == tuple(s2_map for s2_map in range(6) if rows[s2_map][c3_map] == "1")


def test_trainable_parameters_of_each_layer():
    counts = {
        name: sum(p.numel() for p in layer.parameters())
        for name, layer in LeNet5().named_children()
        if list(layer.parameters())
    }
    assert counts == {"c1": 156, "s2": 12, "c3": 1516, "s4": 32, "c5": 48120, "f6": 10164}
    assert sum(counts.values()) == 60_000


def test_connections_of_each_layer():
    x = torch.zeros(1, 1, 32, 32)
    connections = {}
    for name, layer in LeNet5().named_children():
        x = layer(x)
        connections[name] = count_connections(layer, x)
    counted = {name: n for name, n in connections.items() if n}
    assert counted == {
        "c1": 122_304,
        "s2": 5_880,
        "c3": 151_600,
        "s4": 2_000,
        "c5": 48_120,
        "f6": 10_164,
        "output": 840,
    }
    assert sum(counted.values()) == 340_908


def test_output_is_the_distance_from_f6_to_each_bitmap():
    model = build_model("lenet5", size=32)
    with torch.no_grad():
        model.f6.weight.zero_()
        model.f6.bias.copy_(4 * model.output.centres[7])  # f(4) = 1.7159 tanh(8/3)
    penalties = model(torch.rand(2, 1, 32, 32))
    assert penalties.shape == (2, 10)
    assert classify(penalties, model.outputs).tolist() == [7, 7]
    torch.testing.assert_close(penalties[0, 7].item(), 84 * (1.699408 - 1) ** 2, rtol=1e-4, atol=0)


def test_c5_is_a_convolution_on_larger_images():
    up_to_c5 = torch.nn.Sequential(*list(LeNet5().children())[:10])
    assert up_to_c5(torch.zeros(1, 1, 36, 40)).shape == (1, 120, 2, 3)


def test_other_sizes_are_refused():
    with pytest.raises(UsageError, match="32×32 pixels, not 28×28"):
        LeNet5(size=28)
