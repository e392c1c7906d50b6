"""The paper's own rule: stochastic diagonal Levenberg-Marquardt, one update per image.

Each weight has a step size of its own, η / (µ + h), where h is the diagonal of the Gauss-Newton
approximation of the loss's second derivatives, estimated on some images before each epoch.

Source: Appendix C, equations 18 to 27, and Section III-B for the numbers.
"""

import sys
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from lenet.losses import CurvedLoss, classify, weigh_classes
from lenet.models.layers import RBF
from lenet.runs.files import check_layout
from lenet.training.backpropagation import Weighted, connected, pack, unpack, write_rules
from lenet.training.learner import BatchStats, Sample

CACHED_WEIGHTS = 1_200_000
"""Weights up to which stepping more seeds at once was faster on a CPU core with 16 MiB of cache: a
perceptron of 300 units took five at once best, one of 1,000 each alone."""


def seeds_at_once(model: nn.Module, device: torch.device) -> int:
    """Say how many networks like this one to step at once: on a GPU, any number."""
    if device.type != "cpu":
        return sys.maxsize
    return max(1, CACHED_WEIGHTS // sum(w.numel() for w in model.parameters()))


class SDLMLearner:
    """Steps S networks at once, each by one update per image.

    Args:
        models: S networks of one shape, on the device; `backpropagation.py` knows their layers.
        loss: What is made small.
        size: Rows and columns of the input, in pixels.
        eta: Global learning rate of each epoch; later epochs have the last one.
        mu: Added to every curvature, > 0: keeps the step finite where the curvature is small.
        curvature_images: Images on which the curvature is estimated before each epoch.
    """

    def __init__(
        self,
        models: Sequence[nn.Module],
        loss: CurvedLoss,
        size: tuple[int, int],
        *,
        eta: Sequence[float],
        mu: float = 0.02,
        curvature_images: int = 500,
    ) -> None:
        self.models = list(models)
        self.loss = loss
        self.eta = list(eta)
        self.mu = mu
        self.curvature_images = curvature_images
        self.epoch = 1
        last = [m for m in self.models[0].modules() if isinstance(m, nn.Linear | nn.Conv2d | RBF)][
            -1
        ]
        self.classes = len(last.centres if isinstance(last, RBF) else last.weight)
        rules = write_rules(self.models, size)
        self.rules = list(rules.values())
        self.weighted = {n: rule for n, rule in rules.items() if isinstance(rule, Weighted)}
        self.connected = {n: connected(r.layers[0]) for n, r in self.weighted.items()}
        self.curvature = {n: torch.zeros_like(r.weight) for n, r in self.weighted.items()}
        self.rates = {n: torch.zeros_like(r.weight) for n, r in self.weighted.items()}

    @property
    def learning_rate(self) -> float:
        """The global learning rate η of this epoch."""
        return self.eta[min(self.epoch, len(self.eta)) - 1]

    @torch.no_grad()
    def begin_epoch(self, epoch: int, sample: Sample) -> None:
        """Estimate the curvature anew; the first epoch is 1."""
        self.epoch = epoch
        inputs, targets = sample(self.curvature_images)
        for curvature in self.curvature.values():
            curvature.zero_()
        for image, target in zip(inputs.unbind(1), targets.unbind(1), strict=True):
            self._propagate(image, target, self.loss.curvature, power=2)
            for name, rule in self.weighted.items():
                self.curvature[name].add_(rule.derivatives, alpha=1 / inputs.shape[1])
        self._set_rates()

    @torch.no_grad()
    def learn(self, inputs: Tensor, targets: Tensor) -> BatchStats:
        """Make one update per image, in order.

        Args:
            inputs: Preprocessed images, float32 (S, B, C, H, W).
            targets: Labels, int64 (S, B), or shares of each class, float32 (S, B, classes).
        """
        shares = weigh_classes(targets, self.classes)
        updates = [
            (rule.weight, self.rates[n], rule.derivatives) for n, rule in self.weighted.items()
        ]
        # The images come one after another: each sees the weights that the one before it has left.
        outputs = []
        for image, target in zip(inputs.unbind(1), shares.unbind(1), strict=True):
            outputs.append(self._propagate(image, target, self.loss.gradient, power=1))
            for weight, rate, gradient in updates:
                weight.addcmul_(rate, gradient, value=-1)
        seen = torch.stack(outputs, 1)  # (S, B, classes)
        losses = torch.stack([self.loss(o, t) for o, t in zip(seen, shares, strict=True)])
        wrong = classify(seen, self.loss.outputs) != shares.argmax(2)
        return BatchStats(losses.double().sum(1), wrong.sum(1))

    def _propagate(
        self,
        image: Tensor,
        target: Tensor,
        derivative: Callable[[Tensor, Tensor], Tensor],
        power: int,
    ) -> Tensor:
        """Go forward and back, which leaves each rule its derivatives; return outputs
        (S, classes)."""
        states = image
        for rule in self.rules:
            states = rule.forward(states)
        delta = derivative(states, target)
        for rule in reversed(self.rules):
            delta = rule.backward(delta, power)
        return states

    def _set_rates(self) -> None:
        """Set each weight's own step size, zero where there is no connection."""
        for name, curvature in self.curvature.items():
            self.rates[name] = self.learning_rate / (self.mu + curvature) * self.connected[name]

    def state(self, index: int) -> dict[str, Tensor]:
        """Return the seed's weights, its curvature and the epoch."""
        # The step sizes follow from curvature and epoch: `load_state` computes them again.
        weights = {f"model.{n}": v.clone() for n, v in self.model(index).state_dict().items()}
        curvature = {f"curvature.{n}": h[index].clone() for n, h in self.curvature.items()}
        return weights | curvature | {"epoch": torch.tensor(self.epoch)}

    def load_state(self, index: int, state: dict[str, Tensor]) -> None:
        """Go back to where `state` was taken; see `Learner.load_state`."""
        check_layout(state, self.state(index))
        model = self.models[index]
        model.load_state_dict({n: state[f"model.{n}"] for n in model.state_dict()})
        for name, rule in self.weighted.items():
            rule.weight[index] = pack(rule.layers[index])
            self.curvature[name][index] = state[f"curvature.{name}"]
        self.epoch = int(state["epoch"])
        self._set_rates()

    def model(self, index: int) -> nn.Module:
        """Return the seed's network, with the weights as they are now."""
        for rule in self.weighted.values():
            unpack(rule.layers[index], rule.weight[index])
        return self.models[index]
