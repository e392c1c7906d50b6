"""The layers of any network and their states, found by running it."""

from collections import Counter
from dataclasses import dataclass, replace

from torch import Tensor, nn


@dataclass(frozen=True)
class Layer:
    """One layer of a network and its states for some images."""

    name: str
    """Its name in the model, ``c1``; numbered by kind, ``linear 2``, where the model has none."""
    module: nn.Module
    """What changes the shape: a convolution, a subsampling, a fully connected layer."""
    state: Tensor
    """Its output, after normalization and activation if there are any: (B, channels, H, W) or
    (B, units)."""

    @property
    def planes(self) -> bool:
        """Whether its states have positions in the picture."""
        return self.state.dim() == 4 and self.state.shape[-1] > 1

    @property
    def stride(self) -> float:
        """From one of its positions to the next, in positions of the layer before."""
        stride = getattr(self.module, "stride", 1)
        across = float(stride if isinstance(stride, int) else stride[0])
        return 1 / across if isinstance(self.module, nn.ConvTranspose2d) else across

    @property
    def units(self) -> Tensor:
        """Its states as a row, (B, units)."""
        return self.state.flatten(1)

    @property
    def size(self) -> str:
        """Its size in the paper's notation: ``6 @ 28×28``, or the number of its units."""
        if self.planes:
            _, channels, height, width = self.state.shape
            return f"{channels} @ {height}×{width}"
        return f"{self.units.shape[1]:,}"

    @property
    def parameters(self) -> int:
        """The number of its trainable parameters."""
        return sum(p.numel() for p in self.module.parameters() if p.requires_grad)


def observe(model: nn.Module, inputs: Tensor) -> list[Layer]:
    """Run a network on images and return its layers in the order in which they ran.

    A module begins a layer if it changes the number of values, or has a weight of two or more
    dimensions. Modules after it that keep the shape, such as an activation or a normalization,
    belong to the layer. Flattening alone begins none.

    Args:
        model: The network; it is put into evaluation mode. Gradients flow if they are enabled.
        inputs: Preprocessed images, float32 (B, 1, H, W).
    """
    names = {module: name.rpartition(".")[2] for name, module in model.named_modules()}
    worked: list[tuple[nn.Module, bool, Tensor]] = []

    def note(module: nn.Module, given: tuple[Tensor, ...], made: Tensor) -> None:
        reshapes = made[0].numel() != given[0][0].numel()
        connects = any(parameter.dim() > 1 for parameter in module.parameters())
        worked.append((module, reshapes or connects, made))

    leaves = [module for module in model.modules() if not list(module.children())]
    hooks = [leaf.register_forward_hook(note) for leaf in leaves]
    try:
        model.eval()
        model(inputs)
    finally:
        for hook in hooks:
            hook.remove()

    layers: list[Layer] = []
    kinds: Counter[str] = Counter()
    for module, begins, state in worked:
        if begins:
            kind = type(module).__name__.lower().removesuffix("2d")
            kinds[kind] += 1
            name = names[module]
            named = name[:1].isalpha()
            layers.append(Layer(name if named else f"{kind} {kinds[kind]}", module, state))
        elif layers and state.shape == layers[-1].state.shape:
            layers[-1] = replace(layers[-1], state=state)
    return layers
