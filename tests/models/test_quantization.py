"""Networks that compute with rounded weights and states, and learn through the rounding."""

from copy import deepcopy

import pytest
import torch
from torch import Tensor, nn

from lenet.config.load import load_config
from lenet.errors import UsageError
from lenet.evaluation.classifier import build_classifier
from lenet.models import build_model
from lenet.models.quantization import (
    grid_step,
    quantize_model,
    state_grid,
    to_integers,
    with_rounded_weights,
)
from lenet.rng import generator

NETWORKS = {
    "compact": {"kind": "compact", "size": 28, "channels": [4, 5, 6], "pooled": [1]},
    "lenet5": {"kind": "lenet5", "size": 32},
}


def make_network(name: str, bits: int) -> tuple[nn.Module, nn.Module]:
    """Return a network and the same with rounding."""
    torch.manual_seed(0)
    model = build_model(**NETWORKS[name])
    rounded = deepcopy(model)
    quantize_model(rounded, bits, 1, NETWORKS[name]["size"])
    return model, rounded


def draw(*shape: int) -> Tensor:
    return torch.randn(shape, generator=generator(0, "test"))


def test_weights_of_four_bits_are_worked_out_by_hand() -> None:
    weight = torch.tensor([[0.7, -0.34, 0.06, 0.0]])  # the grid ±0.1 … ±0.7 loses least
    integers, step = to_integers(weight, 4)
    torch.testing.assert_close(step, torch.tensor([[0.1]]))
    assert integers.tolist() == [[7, -3, 1, 0]]


def test_a_large_weight_is_cut_off_where_that_places_the_others_better() -> None:
    weight = torch.cat([torch.full((1, 100), 0.35), torch.tensor([[0.5]])], dim=1)
    integers, step = to_integers(weight, 2)  # -1, 0 and 1
    assert step.item() < 0.4
    assert integers.unique().tolist() == [1]


def test_rounding_rounded_weights_changes_nothing() -> None:
    weight = draw(20, 30)
    for bits in (2, 4, 8):
        integers, step = to_integers(weight, bits)
        again, same = to_integers(integers * step, bits)
        torch.testing.assert_close(again, integers, rtol=0, atol=0)
        torch.testing.assert_close(same, step)
        assert (grid_step(torch.zeros(2, 3), bits) > 0).all()


def test_grids_of_states_are_worked_out_by_hand() -> None:
    for bounds, step, zero in (([0.0, 25.5], 0.1, 0), ([-1.28, 1.0], 0.01, 128)):
        found = state_grid(torch.tensor(bounds))
        assert found[0].item() == pytest.approx(step)
        assert found[1].item() == zero


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_computes_with_rounded_weights_and_keeps_its_own(name: str) -> None:
    model, rounded = make_network(name, 4)
    assert [*rounded.state_dict()] != [*model.state_dict()]  # the bounds of its states
    images = draw(3, 1, NETWORKS[name]["size"], NETWORKS[name]["size"])
    rounded.eval()
    outputs = rounded(images)  # states are not rounded before any were seen
    for key, value in model.state_dict().items():
        torch.testing.assert_close(rounded.state_dict()[key], value, rtol=0, atol=0)
    plain = with_rounded_weights(rounded)
    torch.testing.assert_close(plain(images), outputs, rtol=0, atol=0)
    assert plain.state_dict().keys() == model.state_dict().keys()
    kernels = plain.c1.weight.flatten(1)
    assert all(len(row.unique()) <= 15 for row in kernels)
    assert not torch.equal(kernels, model.c1.weight.flatten(1))


def test_connections_that_are_absent_take_no_part_in_the_grid_of_a_channel() -> None:
    _, rounded = make_network("lenet5", 4)
    layer = with_rounded_weights(rounded).c3
    for channel in range(16):
        kernels = layer.weight[layer.outputs == channel]
        assert len(kernels.abs().unique()) <= 8  # one grid for all its kernels


def test_gradients_pass_through_the_rounding() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    quantize_model(model, 4, 1, 2)
    model.train()
    images = draw(5, 1, 2, 2)
    model(images).sum().backward()
    states = model[2](model[1](images.flatten(1))).detach()
    torch.testing.assert_close(model[3].weight.grad, states.sum(0).expand(2, 3))
    above = (with_rounded_weights(model)[1](images.flatten(1)) > 0).float()
    back = above * with_rounded_weights(model)[3].weight.sum(0)
    torch.testing.assert_close(model[1].weight.grad, back.T @ images.flatten(1))


def test_grids_of_states_follow_the_batches_and_stand_still_in_evaluation() -> None:
    model = nn.Sequential(nn.Flatten(), nn.ReLU(), nn.Linear(4, 2))
    quantize_model(model, 8, 1, 2)
    model.train()
    model(torch.full((1, 1, 2, 2), 2.55))
    torch.testing.assert_close(model[1].bounds, torch.tensor([2.55, 2.55]))
    model(torch.tensor([0.0, 1.55, 0, 0]).view(1, 1, 2, 2))
    bounds = torch.tensor([2.55 * 0.99, 2.54])
    torch.testing.assert_close(model[1].bounds, bounds)
    model.eval()
    states = model[1](torch.tensor([[0.0123, 9.9]]))
    torch.testing.assert_close(model[1].bounds, bounds)
    step = 2.54 / 255  # what is larger than all is cut off
    torch.testing.assert_close(states, torch.tensor([[step, 2.54]]))


def test_what_is_not_covered_is_refused_by_name() -> None:
    layers = "[{local: {filters: 2, size: 5}}, flatten, {linear: {units: 10}}]"
    changes = [f"model={{kind: layers, layers: {layers}}}", "quantize={weights: 4}"]
    with pytest.raises(UsageError, match="LocallyConnected") as refused:
        build_classifier(load_config("modern/plain", changes).config)
    assert refused.value.path == ("quantize",)
