import torch
from torch import nn

from lenet.figures.layers import observe
from lenet.models import build_model


def test_lenet5_has_the_papers_seven_layers() -> None:
    layers = observe(build_model("lenet5", 32), torch.zeros(1, 1, 32, 32))
    assert [(layer.name, layer.size, layer.parameters) for layer in layers] == [
        ("c1", "6 @ 28×28", 156),
        ("s2", "6 @ 14×14", 12),
        ("c3", "16 @ 10×10", 1516),
        ("s4", "16 @ 5×5", 32),
        ("c5", "120", 48_120),
        ("f6", "84", 10_164),
        ("output", "10", 0),
    ]


def test_a_layers_state_is_what_its_squashing_function_made() -> None:
    model = build_model("lenet5-modern", 32, batch_norm=True)
    inputs = torch.randn(2, 1, 32, 32)
    c1, s2, *_ = observe(model, inputs)
    torch.testing.assert_close(c1.state, model.activation1(model.c1(inputs)))
    torch.testing.assert_close(s2.state, model.s2(c1.state))


def test_nameless_modules_are_numbered_by_kind() -> None:
    layers = observe(build_model("mlp", 28, hidden=(30, 20)), torch.zeros(1, 1, 28, 28))
    assert [layer.name for layer in layers] == ["linear 1", "linear 2", "linear 3"]
    assert [layer.size for layer in layers] == ["30", "20", "10"]


def test_a_convolution_that_keeps_the_shape_is_a_layer_and_flattening_is_none() -> None:
    model = nn.Sequential(
        nn.Conv2d(1, 1, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    )
    layers = observe(model, torch.zeros(1, 1, 8, 8))
    assert [layer.name for layer in layers] == ["conv 1", "adaptiveavgpool 1"]
    assert [layer.planes for layer in layers] == [True, False]


def test_observing_leaves_no_hooks_behind() -> None:
    model = build_model("linear", 28)
    observe(model, torch.zeros(1, 1, 28, 28))
    assert not any(module._forward_hooks for module in model.modules())
