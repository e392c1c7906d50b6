"""Updates and inferences of the kernels against PyTorch in double precision."""

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lenet.data.preprocessing import Preprocessing, scale_pixels
from lenet.kernels.support import missing
from lenet.models.compact import Compact
from lenet.models.lenet5_modern import LeNet5Modern
from lenet.training.optimizers import WeightAverage, sgd

if missing():
    pytest.skip(f"needs {missing()}", allow_module_level=True)

from numba import njit

from lenet.kernels import lanes
from lenet.kernels.convolution import LOST, activate, activate_back, convolve, tile_weights
from lenet.kernels.lanes import LANES
from lenet.kernels.network import FastNetwork
from lenet.kernels.plan import MAX, NotCoveredError, plan_network
from lenet.kernels.plan import values_of as values

BATCH_NORM = pytest.mark.parametrize("batch_norm", [False, True], ids=["plain", "batch norm"])


def a_model(seed: int = 0, batch_norm: bool = False) -> LeNet5Modern:
    torch.manual_seed(seed)
    model = LeNet5Modern(batch_norm=batch_norm)
    with torch.no_grad():
        for layer in model.modules():
            if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
                layer.weight.add_(0.2 * torch.randn_like(layer.weight))
                layer.bias.add_(0.2 * torch.randn_like(layer.bias))
    return model


def fused(model: nn.Module, threads: int = 1, channels: int = 1, size: int = 32) -> FastNetwork:
    plan = plan_network(model, channels, size)
    step = FastNetwork(plan, threads)
    plan.pack(values(model), step.weights)
    return step


def images(n: int, seed: int = 0, channels: int = 1, size: int = 32) -> Tensor:
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(n, channels, size, size, generator=draw)


def labels(n: int, seed: int = 0, classes: int = 10) -> Tensor:
    return torch.randint(classes, (n,), generator=torch.Generator().manual_seed(seed))


def shares(n: int) -> Tensor:
    """Targets as mixing makes them: 0.7 of one class and 0.3 of another."""
    return 0.7 * F.one_hot(labels(n), 10).float() + 0.3 * F.one_hot(labels(n, 1), 10)


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("kind", [labels, shares])
@pytest.mark.parametrize("n", [128, 100, 33, 1])
def test_gradients_are_those_of_double_precision(n: int, kind, smoothing, threads: int) -> None:
    check_gradients(a_model(), n, kind(n), smoothing, threads)


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("n", [128, 100, 33])
def test_gradients_through_batch_norm_are_those_of_double_precision(n: int, threads: int) -> None:
    check_gradients(a_model(batch_norm=True), n, labels(n), 0.1, threads)


OTHERS = {
    "average pooling": (lambda: LeNet5Modern(pooling="average"), 1, 32, 10),
    "colours, 26 classes": (
        lambda: LeNet5Modern(batch_norm=True, in_channels=3, classes=26), 3, 32, 26,
    ),
    "compact": (lambda: Compact(), 1, 28, 10),
    "odd channels": (lambda: Compact(28, [5, 8, 7, 18], [1, 2]), 1, 28, 10),
    "odd sizes": (lambda: Compact(33, [5, 9], [1], in_channels=3, classes=3), 3, 33, 3),
}  # fmt: skip


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("name", OTHERS)
def test_gradients_of_other_networks_are_those_of_double_precision(name: str, threads: int) -> None:
    make, channels, size, classes = OTHERS[name]
    torch.manual_seed(0)
    x = images(40, channels=channels, size=size)
    check_gradients(make(), 40, labels(40, classes=classes), 0.1, threads, x, 1e-7)


@pytest.mark.parametrize("n", [1, 33, 600])
@pytest.mark.parametrize("name", OTHERS)
def test_inferences_are_those_of_double_precision(name: str, n: int) -> None:
    make, channels, size, _ = OTHERS[name]
    torch.manual_seed(0)
    model = make().train()
    x = images(40, channels=channels, size=size)
    model(x)  # running statistics of their own
    expected = copy.deepcopy(model).double().eval()(x.double())
    found = fused(model, 2, channels, size).infer(x.repeat(n // 40 + 1, 1, 1, 1)[:n])
    expected = expected.repeat(n // 40 + 1, 1)[:n]
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=2e-6)


def test_bytes_become_the_same_inputs_as_by_preprocessing() -> None:
    prepare = Preprocessing("standard", 32)
    pixels = torch.randint(256, (20, 1, 28, 28), dtype=torch.uint8)
    model = a_model()
    plain, own = fused(model), fused(model)
    own.levels = prepare.plain_levels
    inputs = prepare(scale_pixels(pixels))
    assert torch.equal(own.infer(pixels), plain.infer(inputs))
    wide = F.pad(pixels, (1, 2))
    assert torch.equal(own.infer(wide), plain.infer(prepare(scale_pixels(wide))))


@pytest.mark.parametrize(
    ("model", "what"),
    [
        (LeNet5Modern(activation="tanh"), "the layer"),
        (LeNet5Modern(dropout=0.1), "the layer Dropout"),
        (nn.Sequential(nn.Conv2d(1, 4, 3, stride=2), nn.ReLU(), nn.Linear(4, 2)), "strides"),
        (nn.Sequential(nn.Conv2d(1, 4, 7), nn.ReLU(), nn.Linear(4, 2)), "7×7"),
        (nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(4, 2)), "without ReLU"),
        (nn.Sequential(nn.ReLU()), "begins with the layer ReLU"),
    ],
)
def test_networks_that_are_not_covered_are_refused(model: nn.Module, what: str) -> None:
    with pytest.raises(NotCoveredError, match=what):
        plan_network(model, 1, 32)


def check_gradients(
    model: nn.Module,
    n: int,
    targets: Tensor,
    smoothing: float,
    threads: int,
    x: Tensor | None = None,
    slack: float = 0.0,
) -> None:
    x = images(n) if x is None else x
    step = fused(model, threads, x.shape[1], x.shape[2])
    loss_sum, errors = step.learn(x, targets, rate=0.0, smoothing=smoothing)
    exact = copy.deepcopy(model).double()
    outputs = exact(x.double())
    double = targets.double() if targets.is_floating_point() else targets
    loss = F.cross_entropy(outputs, double, label_smoothing=smoothing)
    loss.backward()
    assert loss_sum / n == pytest.approx(loss.item(), rel=1e-6)
    right = targets.argmax(1) if targets.is_floating_point() else targets
    assert errors == int((outputs.argmax(1) != right).sum())
    for name, parameter in exact.named_parameters():
        found = step.plan.windows[name].view(step.gradient).reshape(parameter.shape).double()
        largest = parameter.grad.abs().max()
        # A bias before batch norm has no gradient but rounding.
        allowed = 5e-6 * largest + slack if largest > 1e-12 else 1e-6
        assert (found - parameter.grad).abs().max() < allowed, name
    for name, buffer in values(exact).items():
        if "running" in name:
            torch.testing.assert_close(step.plan.windows[name].view(step.weights).double(), buffer)


@BATCH_NORM
def test_updates_are_those_of_sgd_and_of_the_weight_average(batch_norm: bool) -> None:
    model = a_model(batch_norm=batch_norm)
    step = fused(model)
    step.plan.pack(values(model), step.average)
    exact = copy.deepcopy(model).double()
    average, counted = WeightAverage(exact, 0.9), WeightAverage(model, 0.9)
    optimizer = sgd(exact, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01)
    # Images on which no sum lies so near ReLU's corner that rounding decides on which side it is:
    # with others, PyTorch's own float32 leaves its float64 by a thousandth within four updates.
    for number in range(200, 204):
        x, y = images(40, number), labels(40, number)
        optimizer.zero_grad()
        F.cross_entropy(exact(x.double()), y).backward()
        optimizer.step()
        average.update(exact)
        options = {"rate": 0.1, "momentum": 0.9, "nesterov": True, "decay": 0.01}
        step.learn(x, y, keep=counted.advance(), **options)
    for flat, expected in ((step.weights, exact), (step.average, average.model)):
        for name, value in values(expected).items():
            found = step.plan.windows[name].view(flat).reshape(value.shape).double()
            torch.testing.assert_close(found, value, rtol=1e-4, atol=2e-6)


def test_momentum_without_looking_ahead_is_that_of_sgd() -> None:
    model = a_model()
    step, exact = fused(model), copy.deepcopy(model).double()
    optimizer = sgd(exact, lr=0.1, momentum=0.5, nesterov=False, weight_decay=0.0)
    for number in range(3):
        x, y = images(20, number), labels(20, number)
        optimizer.zero_grad()
        F.cross_entropy(exact(x.double()), y).backward()
        optimizer.step()
        step.learn(x, y, rate=0.1, momentum=0.5)
    for name, parameter in exact.named_parameters():
        found = step.plan.windows[name].view(step.weights).reshape(parameter.shape).double()
        torch.testing.assert_close(found, parameter.detach(), rtol=1e-4, atol=1e-6)


def learn_some(threads: int, batch_norm: bool) -> bytes:
    step = fused(a_model(batch_norm=batch_norm), threads)
    for number, n in enumerate((128, 33, 100, 5)):
        step.learn(images(n, number), labels(n, number), rate=0.1, momentum=0.9, nesterov=True)
    return step.weights.tobytes()


@pytest.mark.parametrize("threads", [1, 2, 3])
@BATCH_NORM
def test_the_same_steps_give_the_same_bits(threads: int, batch_norm: bool) -> None:
    assert len({learn_some(threads, batch_norm) for _ in range(5)}) == 1


@BATCH_NORM
def test_what_an_earlier_batch_left_in_memory_does_not_matter(batch_norm: bool) -> None:
    fresh, used = (fused(a_model(batch_norm=batch_norm), 2) for _ in range(2))
    for n in (128, 40, 16):
        used.learn(images(n, 1) * 100, labels(n), rate=0.0)
    used.plan.pack(
        values(a_model(batch_norm=batch_norm)), used.weights
    )  # and its running statistics
    for step in (fresh, used):
        step.learn(images(33), labels(33), rate=0.1)
    assert fresh.weights.tobytes() == used.weights.tobytes()


@BATCH_NORM
def test_idle_units_stay_zero(batch_norm: bool) -> None:
    model = a_model(batch_norm=batch_norm)
    step = fused(model)
    for number in range(3):
        step.learn(images(90 - 30 * number), labels(90), rate=0.1, decay=0.1)
    step.plan.unpack(step.weights, values(model))
    used = sum(int(value.count_nonzero()) for value in values(model).values())
    assert step.weights.nonzero()[0].size == used


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
@pytest.mark.parametrize("threads", [1, 2])
@BATCH_NORM
def test_a_loss_that_is_not_finite_is_not_hidden(
    bad: float, threads: int, batch_norm: bool
) -> None:
    x = images(64)
    x[50, 0, 16, 16] = bad
    step = fused(a_model(batch_norm=batch_norm), threads)
    loss_sum, _ = step.learn(x, labels(64), rate=0.1)
    assert not np.isfinite(loss_sum)


@njit
def _convolve_and_back(memory, weight, slope, bias):  # type: ignore[no-untyped-def]
    z, out, winners, d, d_z = 1024, 1024 + 4704, 7000, 9000, 11000
    tiled = np.zeros_like(weight)
    tile_weights(weight, tiled, 1, 6, 5)
    convolve(memory, 16800, 0, tiled, z, 1, 6, 32, 5)
    activate(memory, z, out, winners, slope, bias, 6, 28, MAX, 14, 0)
    activate_back(memory, d, z, winners, d_z, slope, bias, 6, 28, MAX, 1)


def test_nan_passes_relu_and_pooling_as_in_pytorch() -> None:
    x = images(LANES)
    for number, value in enumerate((torch.nan, torch.inf, -torch.inf)):
        x[number, 0, 5 * number : 5 * number + 2, 7] = value
    x[5] = torch.nan
    model = a_model()
    z = model.c1(x)
    z.retain_grad()
    expected = F.max_pool2d(F.relu(z), 2)
    gradient = torch.randn(expected.shape, generator=torch.Generator().manual_seed(0))
    expected.backward(gradient)
    memory = torch.zeros(17000, LANES)
    memory[:1024] = x.flatten(1).t()
    memory[9000 : 9000 + 1176] = gradient.flatten(1).t()
    weight = model.c1.weight.detach().permute(1, 2, 3, 0).contiguous().view(-1).numpy()
    bias = model.c1.bias.detach().numpy()
    _convolve_and_back(memory.view(-1).numpy(), weight, np.ones(6, np.float32), bias)
    found = memory[5728 : 5728 + 1176].t().reshape(expected.shape)
    assert torch.equal(found.isnan(), expected.isnan())
    torch.testing.assert_close(found, expected.detach(), equal_nan=True)
    assert set(memory[7000 : 7000 + 1176].unique().tolist()) == {0, 1, 2, 3, LOST}
    finite = [n for n in range(LANES) if n > 5]
    handed = memory[11000 : 11000 + 5040].view(6, 28, 30, LANES)[:, :, 1:29].permute(3, 0, 1, 2)
    assert torch.equal(handed[finite], z.grad[finite])


def test_kernels_are_compiled_without_a_cache_where_no_folder_can_be_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def read_only(*arguments, **options):  # type: ignore[no-untyped-def]
        if options.get("cache"):
            raise RuntimeError("cannot cache function: no locator available")
        return njit(*arguments, **options)

    monkeypatch.setattr(lanes, "njit", read_only)
    assert lanes.entry(lambda a: a + 1)(1) == 2


def test_the_cache_knows_all_files_of_the_package() -> None:
    from lenet.kernels.network import _run

    assert lanes.SOURCES in [cell.cell_contents for cell in _run.py_func.__closure__]
    assert len(list(Path(lanes.__file__).parent.glob("*.py"))) > 5
