import pytest
import torch
from torch import nn

from lenet.errors import UsageError
from lenet.losses import LOSSES
from lenet.models import build_model
from lenet.models.activations import ScaledTanh
from lenet.training.backpropagation import pack
from lenet.training.sdlm import SDLMLearner

ETA = [5e-4, 2e-4]


def build_learner(seeds, **options):
    models = []
    for seed in seeds:
        torch.manual_seed(seed)
        models.append(build_model("lenet5", size=32))
    return SDLMLearner(
        models, LOSSES["mse"](), (32, 32), **({"eta": ETA, "curvature_images": 4} | options)
    )


def draw(seeds, n):
    inputs, labels = [], []
    for seed in seeds:
        generator = torch.Generator().manual_seed(100 + seed)
        inputs.append(torch.rand(n, 1, 32, 32, generator=generator))
        labels.append(torch.randint(0, 10, (n,), generator=generator))
    return torch.stack(inputs), torch.stack(labels)


def test_update_of_one_unit_by_hand():
    # y = 0.5·2 = 1, t = -1 on every output; dE/dw = (1 + 1)·2 = 4, h = 2² = 4, bias: 2 and 1
    model = nn.Sequential(nn.Flatten(), nn.Linear(1, 10))
    with torch.no_grad():
        model[1].weight.fill_(0.5)
        model[1].bias.zero_()
    learner = SDLMLearner(
        [model],
        LOSSES["squared-targets"](),
        (1, 1),
        eta=[0.1],
        mu=1.0,
        curvature_images=1,
    )
    inputs = torch.full((1, 1, 1, 1, 1), 2.0)
    nothing = torch.zeros(1, 1, 10)
    learner.begin_epoch(1, lambda n: (inputs, nothing))
    stats = learner.learn(inputs, nothing)
    weights = pack(learner.model(0)[1])
    torch.testing.assert_close(weights, torch.tensor([[0.5 - 0.1 / 5 * 4, -0.1 / 2 * 2]] * 10))
    assert stats.loss_sum.tolist() == [10 * 0.5 * 4]


def test_updates_are_those_of_autograd_one_image_at_a_time():
    learner = build_learner([0])
    inputs, labels = draw([0], 6)
    learner.begin_epoch(1, lambda n: (inputs[:, :n], labels[:, :n]))
    torch.manual_seed(0)
    model = build_model("lenet5", size=32)
    loss = LOSSES["mse"]()
    for image, label in zip(inputs[0], labels[0], strict=True):
        model.zero_grad()
        loss(model(image[None]), label[None]).sum().backward()
        with torch.no_grad():
            model.f6.weight -= learner.rates["f6"][0, :, :-1] * model.f6.weight.grad
            for layer, name in ((model.s2, "s2"), (model.s4, "s4")):
                layer.coefficient -= learner.rates[name][0, :, 0] * layer.coefficient.grad
                layer.bias -= learner.rates[name][0, :, 1] * layer.bias.grad
            kernels = learner.rates["c3"][0, :, :-1].view(16, 6, 5, 5)
            model.c3.weight -= kernels[model.c3.outputs, model.c3.inputs] * model.c3.weight.grad
            for layer, name in ((model.c1, "c1"), (model.c5, "c5")):
                rates = learner.rates[name][0, :, :-1].view(layer.weight.shape)
                layer.weight -= rates * layer.weight.grad
            for name in ("c1", "c3", "c5", "f6"):
                layer = model.get_submodule(name)
                layer.bias -= learner.rates[name][0, :, -1] * layer.bias.grad
    learner.learn(inputs, labels)
    torch.testing.assert_close(dict(learner.model(0).state_dict()), dict(model.state_dict()))


def test_seeds_learn_together_what_each_learns_alone():
    seeds = [0, 1, 2]
    together = build_learner(seeds)
    inputs, labels = draw(seeds, 8)
    together.begin_epoch(1, lambda n: (inputs[:, :n], labels[:, :n]))
    stats = together.learn(inputs, labels)
    for index, seed in enumerate(seeds):
        alone = build_learner([seed])
        own = slice(index, index + 1)
        alone.begin_epoch(1, lambda n, own=own: (inputs[own, :n], labels[own, :n]))
        alone_stats = alone.learn(inputs[own], labels[own])
        torch.testing.assert_close(
            alone_stats.loss_sum[0], stats.loss_sum[index], rtol=1e-5, atol=0
        )
        assert alone_stats.errors[0] == stats.errors[index]
        torch.testing.assert_close(
            dict(alone.model(0).state_dict()), dict(together.model(index).state_dict())
        )


def test_batches_do_not_matter():
    inputs, labels = draw([0, 1], 12)
    states = []
    for cut in (12, 5):
        learner = build_learner([0, 1])
        learner.begin_epoch(1, lambda n: (inputs[:, :n], labels[:, :n]))
        first = learner.learn(inputs[:, :cut], labels[:, :cut])
        errors = first.errors
        if cut < 12:
            errors = errors + learner.learn(inputs[:, cut:], labels[:, cut:]).errors
        states.append((learner.state(1), errors))
    assert torch.equal(states[0][1], states[1][1])
    assert all(torch.equal(states[0][0][name], states[1][0][name]) for name in states[0][0])


def test_resuming_is_exact_to_the_bit():
    inputs, labels = draw([0, 1], 10)

    def sample(n):
        return inputs[:, :n], labels[:, :n]

    learner = build_learner([0, 1])
    learner.begin_epoch(2, sample)
    learner.learn(inputs[:, :5], labels[:, :5])
    saved = [learner.state(index) for index in (0, 1)]
    learner.learn(inputs[:, 5:], labels[:, 5:])
    resumed = build_learner([7, 8])
    for index in (0, 1):
        resumed.load_state(index, saved[index])
    assert resumed.learning_rate == 2e-4
    resumed.learn(inputs[:, 5:], labels[:, 5:])
    for index in (0, 1):
        expected, found = learner.state(index), resumed.state(index)
        assert expected.keys() == found.keys()
        assert all(torch.equal(expected[name], found[name]) for name in expected)


def test_the_last_eta_goes_on():
    learner = build_learner([0])
    inputs, labels = draw([0], 4)
    for epoch, eta in ((1, 5e-4), (2, 2e-4), (9, 2e-4)):
        learner.begin_epoch(epoch, lambda n: (inputs, labels))
        assert learner.learning_rate == eta


def test_absent_connections_stay_absent():
    learner = build_learner([0])
    inputs, labels = draw([0], 4)
    learner.begin_epoch(1, lambda n: (inputs, labels))
    learner.learn(inputs, labels)
    assert (learner.weighted["c3"].weight[0][~learner.connected["c3"]] == 0).all()


def test_a_network_that_it_does_not_know_is_refused():
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 3), ScaledTanh(), nn.Softmax(1))
    with pytest.raises(UsageError, match="Softmax"):
        SDLMLearner([model], LOSSES["squared-targets"](), (2, 2), eta=ETA)


def test_the_last_layer_may_be_a_convolution_as_large_as_its_input():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 3, 4), nn.Flatten())
    learner = SDLMLearner([model], LOSSES["squared-targets"](), (4, 4), eta=ETA)
    inputs, labels = torch.rand(1, 2, 1, 4, 4), torch.tensor([[0, 2]])
    learner.begin_epoch(1, lambda n: (inputs, labels))
    before = model[0].weight.clone()
    assert learner.learn(inputs, labels).errors.shape == (1,)
    assert not torch.equal(learner.model(0)[0].weight, before)
