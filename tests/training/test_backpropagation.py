import copy

import pytest
import torch
from torch import nn

from lenet.errors import UsageError
from lenet.losses import LOSSES
from lenet.models import build_model
from lenet.models.activations import AMPLITUDE, SLOPE, ScaledTanh
from lenet.models.layers import PartialConvolution, Subsampling
from lenet.training.backpropagation import Weighted, connected, pack, unpack, write_rules

NETWORKS = [
    ("lenet5", {"size": 32}, "mse", {}),
    ("lenet5", {"size": 32}, "map", {"j": 50.0}),
    (
        "mlp",
        {
            "size": 28,
            "hidden": [7],
            "activation": "scaled-tanh",
            "output_activation": "scaled-tanh",
        },
        "squared-targets",
        {},
    ),
    ("lenet1", {"size": 28}, "squared-targets", {}),
    ("lenet4", {"size": 32}, "squared-targets", {}),
    ("lush", {"size": 32}, "squared-targets", {}),
    ("linear", {"size": 28}, "squared-targets", {}),
]


def build(kind, options, seeds):
    torch.manual_seed(0)
    models = [build_model(kind, **options) for _ in range(seeds)]
    with torch.no_grad():
        for parameter in (p for model in models for p in model.parameters()):
            parameter.add_(0.1 * torch.rand_like(parameter))  # no bias stays zero
    return models


def propagate(rules, images, derivative, power):
    states = images
    for rule in rules.values():
        states = rule.forward(states)
    delta = derivative(states)
    for rule in reversed(rules.values()):
        delta = rule.backward(delta, power)
    return states


@pytest.mark.parametrize(("kind", "options", "loss", "loss_options"), NETWORKS)
def test_gradient_is_autograds(kind, options, loss, loss_options):
    models = build(kind, options, seeds=2)
    images = torch.rand(2, 1, options["size"], options["size"])
    labels = torch.tensor([3, 8])
    criterion = LOSSES[loss](**loss_options)
    rules = write_rules(models, (options["size"], options["size"]))
    outputs = propagate(rules, images, lambda y: criterion.gradient(y, labels), power=1)
    for index, model in enumerate(models):
        expected = model(images[index : index + 1])
        torch.testing.assert_close(outputs[index : index + 1], expected)
        criterion(expected, labels[index : index + 1]).sum().backward()
        for name, rule in rules.items():
            if isinstance(rule, Weighted):
                layer = model.get_submodule(name)
                gradients = copy.deepcopy(layer)
                unpack(gradients, rule.derivatives[index])
                for found, parameter in zip(
                    gradients.parameters(), layer.parameters(), strict=True
                ):
                    torch.testing.assert_close(found, parameter.grad, rtol=1e-3, atol=1e-4)


def test_curvature_of_three_units_by_hand():
    # a = 2·0.5 + 0.3·1, x = f(a); the two outputs are 0.7x - 0.2 and -1.5x; E = ½ Σ (y - t)²
    model = nn.Sequential(nn.Linear(1, 1), ScaledTanh(), nn.Linear(1, 2))
    with torch.no_grad():
        model[0].weight.fill_(0.5)
        model[0].bias.fill_(0.3)
        model[2].weight.copy_(torch.tensor([[0.7], [-1.5]]))
        model[2].bias.copy_(torch.tensor([-0.2, 0.0]))
    rules = write_rules([model], (1, 1))
    propagate(rules, torch.tensor([[2.0]]), torch.ones_like, power=2)
    x = AMPLITUDE * torch.tanh(torch.tensor(SLOPE * 1.3))
    slope = AMPLITUDE * SLOPE * (1 - (x / AMPLITUDE) ** 2)
    unit = slope**2 * (0.7**2 + 1.5**2)
    torch.testing.assert_close(rules["2"].derivatives[0], torch.tensor([[x**2, 1.0]] * 2))
    torch.testing.assert_close(rules["0"].derivatives[0], torch.stack([unit * 4, unit])[None])


def test_curvature_is_the_gauss_newton_diagonal_where_each_weight_is_used_once():
    # Without shared weights and with one path from each weight to each output, the paper's
    # diagonal rule is exact: h = Σ_outputs (dy/dw)².
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 1), ScaledTanh(), nn.Linear(1, 4))
    image = torch.rand(1, 3)
    rules = write_rules([model], (1, 3))
    propagate(rules, image, torch.ones_like, power=2)
    jacobian = torch.func.jacrev(lambda w: torch.func.functional_call(model, w, image)[0])(
        dict(model.named_parameters())
    )
    expected = torch.cat([jacobian["0.weight"][:, 0], jacobian["0.bias"]], 1).square().sum(0)
    torch.testing.assert_close(rules["0"].derivatives[0, 0], expected)


def test_curvature_of_shared_weights_is_summed_over_their_connections():
    # One 1×1 kernel w over 2×2 pixels, one coefficient c: y = c·Σ w x_i + b, E'' = 1.
    model = nn.Sequential(nn.Conv2d(1, 1, 1), Subsampling(1, 0.5))
    with torch.no_grad():
        model[0].weight.fill_(3.0)
        model[0].bias.zero_()
    rules = write_rules([model], (2, 2))
    image = torch.tensor([1.0, 2.0, 3.0, 4.0]).view(1, 1, 2, 2)
    propagate(rules, image, torch.ones_like, power=2)
    assert rules["1"].derivatives[0].tolist() == [[30.0**2, 1.0]]
    # The exact value would be (0.5·10)² = 25; the rule drops the products of different connections.
    assert rules["0"].derivatives[0].tolist() == [[0.25 * (1 + 4 + 9 + 16), 0.25 * 4]]


def test_penalties_have_curvature_two_on_every_f6_unit():
    models = build("lenet5", {"size": 32}, seeds=1)
    rules = write_rules(models, (32, 32))
    criterion = LOSSES["mse"]()
    propagate(
        rules, torch.rand(1, 1, 32, 32), lambda y: criterion.curvature(y, torch.tensor([1])), 2
    )
    squash = rules["f6_squash"]
    slope = AMPLITUDE * SLOPE * (1 - (squash.states / AMPLITUDE) ** 2)
    torch.testing.assert_close(rules["f6"].derivatives[:, :, -1], 2 * slope**2)


def test_unpack_reverses_pack():
    torch.manual_seed(0)
    for layer in (
        PartialConvolution(3, [(0, 2), (1,)]),
        nn.Linear(2, 3),
        nn.Conv2d(2, 3, 5),
        Subsampling(4),
    ):
        packed = torch.rand_like(pack(layer)) * connected(layer)
        unpack(layer, packed)
        assert torch.equal(pack(layer), packed)


def test_absent_kernels_are_not_connected():
    mask = connected(PartialConvolution(2, [(1,), (0, 1)], kernel_size=1))
    assert mask.tolist() == [[False, True, True], [True, True, True]]


def test_layers_without_a_rule_are_named():
    with pytest.raises(UsageError, match="cannot train layer 1, a ReLU"):
        write_rules([nn.Sequential(nn.Linear(2, 2), nn.ReLU())], (1, 2))
