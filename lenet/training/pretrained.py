"""Starting from a trained network, and leaving some of its layers as they are.

Source: Yosinski et al. 2014, "How transferable are features in deep neural networks?".
"""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from lenet.config.schema import Config
from lenet.data.sources import describe_dataset
from lenet.errors import UsageError, nearest
from lenet.evaluation.classifier import Classifier
from lenet.models.quantization import BOUNDS
from lenet.runs.files import compute_checksum
from lenet.runs.find import find_earlier, pick_seed

FROM = ("train", "from")


@dataclass(frozen=True)
class Start:
    """What a network took over from a trained one.

    Attributes:
        run: The trained network's run, as the config names it, and its seed: ``letters/0``.
        loaded: Names of the tensors that were taken over.
        fresh: Names of those that begin at random, of the last layer.
        checksum: SHA-256 sum of the trained weights.
    """

    run: str
    loaded: list[str]
    fresh: list[str]
    checksum: str

    def describe(self) -> str:
        """Return a line for the user."""
        line = f"starting from {self.run} (SHA-256 {self.checksum[:8]}…):"
        line += f" {len(self.loaded)} tensors taken over"
        if self.fresh:
            line += f"; {', '.join(self.fresh)} begin at random, for the classes are others"
        return line


def load_start(config: Config, seed: int, classifier: Classifier) -> Start | None:
    """Copy the weights of the network that ``train.from`` names into a new one.

    Args:
        config: Names a run, or a folder of several seeds, of which the same seed is taken.
        seed: Of the new network.
        classifier: The new network, changed in place.

    Raises:
        UsageError: There is no such run, it is another network, or it has learned from images that
            are held out here.
        RunError: Its weights are missing or damaged.
    """
    name = config.train.from_
    if name is None:
        return None
    runs = find_earlier(name, config, FROM, same_classes=False)
    run = pick_seed(runs, seed, name, FROM)
    weights = run.load_weights()
    # The grids of quantized states begin anew.
    theirs, ours = (
        {key: tensor for key, tensor in state.items() if not key.endswith(f".{BOUNDS}")}
        for state in (weights, classifier.model.state_dict())
    )
    last = _last_layer(classifier.model)
    fitting = [key for key, tensor in ours.items() if _fits(tensor, theirs.get(key))]
    fresh = [key for key in ours if key not in fitting]
    odd = [key for key in fresh if key.rpartition(".")[0] != last]
    odd += sorted(key for key in theirs if key not in ours)
    if odd or not any(key.rpartition(".")[0] != last for key in fitting):
        there, here = run.config.model.kind, config.model.kind
        channels = describe_dataset(run.config.data).channels
        hint = ""
        if channels != classifier.data.channels and config.data.path is not None:
            what = "grey images" if channels == 1 else "images in colour"
            hint = f"; it learned from {what}: --set data.channels={channels} reads yours as such"
        raise UsageError(
            f"{name} ({there}) is another network than this {here}: they differ in"
            f" {', '.join(odd[:4] or fresh)}{' …' if odd[4:] else ''}{hint}",
            FROM,
        )
    if fresh:  # all of the last layer, not its bias alone
        fresh = [key for key in ours if key.rpartition(".")[0] == last]
        fitting = [key for key in fitting if key not in fresh]
    classifier.model.load_state_dict({key: theirs[key] for key in fitting}, strict=False)
    where = f"{name}/{run.seed}" if len(runs) > 1 else name
    return Start(where, fitting, fresh, compute_checksum(weights))


def _fits(ours: Tensor, theirs: Tensor | None) -> bool:
    return theirs is not None and ours.shape == theirs.shape


def _last_layer(model: nn.Module) -> str:
    """Return the name of the last layer that has parameters."""
    *_, last = (n for n, layer in model.named_modules() if [*layer.parameters(recurse=False)])
    return str(last)


def freeze(model: nn.Module, names: Sequence[str]) -> None:
    """Let layers keep their weights; `GradientLearner` keeps their batch statistics, too.

    Args:
        model: Changed in place.
        names: Of layers, as `lenet summary` and the weight files call them.

    Raises:
        UsageError: There is no layer of that name, or none would learn.
    """
    known = [name for name, layer in model.named_modules() if name and [*layer.parameters()]]
    for place, name in enumerate(names):
        if name not in known:
            raise UsageError(
                f"the network has no layer {name!r} with parameters; {nearest(name, known)}",
                ("train", "freeze", place),
            )
        model.get_submodule(name).requires_grad_(False)
    if not any(weight.requires_grad for weight in model.parameters()):
        raise UsageError("no layer is left that learns", ("train", "freeze"))


def keep_statistics(model: nn.Module, frozen: Sequence[str]) -> None:
    """Put the frozen layers of a network in training mode back into evaluation mode."""
    for name in frozen:
        model.get_submodule(name).eval()
