"""The fused step against PyTorch in double precision."""

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lenet.kernels.support import missing
from lenet.models.lenet5_modern import LeNet5Modern
from lenet.training.optimizers import WeightAverage, sgd

if missing():
    pytest.skip(f"needs {missing()}", allow_module_level=True)

from numba import njit

from lenet.kernels import lanes
from lenet.kernels.convolution import LOST, convolve_relu_pool, unpool
from lenet.kernels.layout import C1_SHAPE, pack, unpack, window
from lenet.kernels.lenet5 import FusedLeNet5

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


def fused(model: nn.Module, threads: int = 1) -> FusedLeNet5:
    step = FusedLeNet5(threads, any(True for _ in model.buffers()))
    pack(values(model), step.weights)
    return step


def values(model: nn.Module) -> dict[str, Tensor]:
    return {name: v for name, v in model.state_dict().items() if v.is_floating_point()}


def images(n: int, seed: int = 0) -> Tensor:
    return torch.randn(n, 1, 32, 32, generator=torch.Generator().manual_seed(seed))


def labels(n: int, seed: int = 0) -> Tensor:
    return torch.randint(10, (n,), generator=torch.Generator().manual_seed(seed))


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


def check_gradients(
    model: LeNet5Modern, n: int, targets: Tensor, smoothing: float, threads: int
) -> None:
    step = fused(model, threads)
    loss_sum, errors = step.learn(images(n), targets, rate=0.0, smoothing=smoothing)
    exact = copy.deepcopy(model).double()
    outputs = exact(images(n).double())
    double = targets.double() if targets.is_floating_point() else targets
    loss = F.cross_entropy(outputs, double, label_smoothing=smoothing)
    loss.backward()
    assert loss_sum / n == pytest.approx(loss.item(), rel=1e-6)
    right = targets.argmax(1) if targets.is_floating_point() else targets
    assert errors == int((outputs.argmax(1) != right).sum())
    for name, parameter in exact.named_parameters():
        found = window(step.gradient, name).reshape(parameter.shape).double()
        largest = parameter.grad.abs().max()
        # A bias before batch norm has no gradient but rounding.
        allowed = 5e-6 * largest if largest > 1e-12 else 1e-6
        assert (found - parameter.grad).abs().max() < allowed, name
    for name, buffer in values(exact).items():
        if "running" in name:
            torch.testing.assert_close(window(step.weights, name).double(), buffer)


@BATCH_NORM
def test_updates_are_those_of_sgd_and_of_the_weight_average(batch_norm: bool) -> None:
    model = a_model(batch_norm=batch_norm)
    step = fused(model)
    pack(values(model), step.average)
    exact = copy.deepcopy(model).double()
    average, counted = WeightAverage(exact, 0.9), WeightAverage(model, 0.9)
    optimizer = sgd(exact, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01)
    for number in range(4):
        x, y = images(40, number), labels(40, number)
        optimizer.zero_grad()
        F.cross_entropy(exact(x.double()), y).backward()
        optimizer.step()
        average.update(exact)
        options = {"rate": 0.1, "momentum": 0.9, "nesterov": True, "decay": 0.01}
        step.learn(x, y, keep=counted.advance(), **options)
    for flat, expected in ((step.weights, exact), (step.average, average.model)):
        for name, value in values(expected).items():
            found = window(flat, name).reshape(value.shape).double()
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
        found = window(step.weights, name).reshape(parameter.shape).double()
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
    pack(values(a_model(batch_norm=batch_norm)), used.weights)  # and its running statistics
    for step in (fresh, used):
        step.learn(images(33), labels(33), rate=0.1)
    assert fresh.weights.tobytes() == used.weights.tobytes()


@BATCH_NORM
def test_idle_units_stay_zero(batch_norm: bool) -> None:
    model = a_model(batch_norm=batch_norm)
    step = fused(model)
    for number in range(3):
        step.learn(images(90 - 30 * number), labels(90), rate=0.1, decay=0.1)
    unpack(step.weights, values(model))
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
def _convolve_and_unpool(x, weight, bias, pooled, winners, gradient, out):  # type: ignore[no-untyped-def]
    convolve_relu_pool(x, weight, bias, pooled, winners, np.zeros(384, np.float32), 0, 1, C1_SHAPE)
    unpool(gradient, winners, out, 0, 0, C1_SHAPE)


def test_nan_passes_relu_and_pooling_as_in_pytorch() -> None:
    x = images(16)
    for number, value in enumerate((torch.nan, torch.inf, -torch.inf)):
        x[number, 0, 5 * number : 5 * number + 2, 7] = value
    x[5] = torch.nan
    model = a_model()
    z = model.c1(x)
    z.retain_grad()
    expected = F.max_pool2d(F.relu(z), 2)
    gradient = torch.randn(expected.shape, generator=torch.Generator().manual_seed(0))
    expected.backward(gradient)

    def innermost(values: Tensor) -> np.ndarray:
        return values.detach().permute(1, 2, 3, 0).contiguous().view(-1).numpy()

    pooled, winners = (np.zeros(6 * 14 * 14 * 16, np.float32) for _ in range(2))
    out = np.zeros(6 * 30 * 30 * 16, np.float32)
    weight = model.c1.weight.detach().permute(1, 2, 3, 0).contiguous().view(-1).numpy()
    bias = model.c1.bias.detach().numpy()
    _convolve_and_unpool(innermost(x), weight, bias, pooled, winners, innermost(gradient), out)
    found = torch.from_numpy(pooled).view(6, 14, 14, 16).permute(3, 0, 1, 2)
    assert torch.equal(found.isnan(), expected.isnan())
    torch.testing.assert_close(found, expected.detach(), equal_nan=True)
    assert set(np.unique(winners)) == {0, 1, 2, 3, LOST}
    finite = [n for n in range(16) if n > 5]
    handed = torch.from_numpy(out).view(6, 30, 30, 16)[:, 1:29, 1:29].permute(3, 0, 1, 2)
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
    from lenet.kernels.lenet5 import _step

    assert lanes.SOURCES in [cell.cell_contents for cell in _step.py_func.__closure__]
    assert len(list(Path(lanes.__file__).parent.glob("*.py"))) > 5
