"""A model together with what it needs to look at pictures and to be judged."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy.typing as npt
import torch
from torch import Tensor, nn

from lenet.config.schema import MLP, Config, Layers
from lenet.data.datasets import Split
from lenet.data.preprocessing import Preprocessing
from lenet.data.sources import Description, describe_dataset
from lenet.device import naming_memory
from lenet.errors import RunError, UsageError, count
from lenet.evaluation.evaluate import Result, count_errors, infer, infer_draws, to_floats
from lenet.kernels.plan import NotCoveredError, plan_network, values_of
from lenet.kernels.support import missing
from lenet.losses import LOSSES, Loss, classify, probabilities
from lenet.models import build_model
from lenet.models.quantization import quantize_model
from lenet.rng import derive_seed
from lenet.runs.files import check_layout
from lenet.runs.run import Run

if TYPE_CHECKING:
    from lenet.kernels.network import FastNetwork


@dataclass(frozen=True)
class Classifier:
    """A model with the preprocessing of its input, its loss, and the meaning of its outputs.

    Called on images, it returns the probability of each class.
    """

    model: nn.Module
    preprocess: Preprocessing
    loss: Loss
    """Outputs (B, classes), or of lines (B, T, classes + 1), and targets → losses (B,)."""
    data: Description
    """The classes, and the format of the images, that it was built for."""
    batch_size: int = 1000
    """Images at a time when evaluating."""
    kernels: Literal["torch", "fast"] = "torch"
    """What infers many images; compiled kernels where they cover the network."""
    network: "FastNetwork | None" = None
    """The weights as the kernels keep them, if they no longer change; see `freeze`."""

    @property
    def outputs(self) -> str:
        """``penalties`` (small is good), ``logits`` (large is good), or ``columns`` of a line."""
        return str(self.model.outputs)

    def __call__(self, images: Tensor | npt.NDArray[Any]) -> Tensor:
        """Return the probability of each class, (N, classes), on the network's device.

        Of lines, it is that in each column, (N, T, classes + 1); the last is the blank's.

        Args:
            images: (N, C, H, W) or, if grey, (N, H, W), uint8 or float in [0, 1], 0 is background.

        Raises:
            UsageError: The images have another shape or type.
        """
        batch = torch.as_tensor(images)
        batch = batch[:, None] if batch.dim() == 3 else batch
        if batch.dim() != 4 or batch.shape[1] != self.data.channels:
            raise UsageError(
                f"images are (N, {self.data.channels}, H, W)"
                f"{' or (N, H, W)' if self.data.channels == 1 else ''}, not {tuple(batch.shape)}"
            )
        if batch.dtype != torch.uint8 and not batch.is_floating_point():
            raise UsageError(f"images are uint8 or float in [0, 1], not {batch.dtype}")
        if batch.is_floating_point():
            batch = batch.float()  # NumPy's are float64
        device = next((weight.device for weight in self.model.parameters()), batch.device)
        return probabilities(self.infer(batch.to(device)), self.outputs)

    def classify(self, outputs: Tensor) -> Tensor:
        """Outputs (B, classes) → labels (B,); of lines, see `lenet.losses.classify`."""
        return classify(outputs, self.outputs)

    def evaluate(self, split: Split) -> Result:
        """Count the errors on a split that lies on the model's device."""
        outputs = self.infer(split.images)
        return count_errors(outputs, split.labels, self.loss, self.classify, split.classes)

    def count(self, outputs: Tensor, labels: Tensor) -> Result:
        """Count the errors of outputs (N, classes) against labels (N,)."""
        return count_errors(outputs, labels, self.loss, self.classify, self.data.classes)

    def evaluate_draws(
        self,
        split: Split,
        augment: Callable[[Tensor, None, torch.Generator], Tensor],
        draws: int,
        seed: int,
    ) -> Result:
        """Count the errors of the mean outputs over augmented draws; see `infer_draws`."""
        with naming_memory("evaluate.batch_size", self.batch_size):
            outputs = infer_draws(
                self.model, self.preprocess, split.images, augment, draws, seed, self.batch_size
            )
            return self.count(outputs, split.labels)

    @property
    def reads_lines(self) -> bool:
        """Whether it reads whole lines of characters instead of single images."""
        return self.outputs == "columns"

    def infer(self, images: Tensor) -> Tensor:
        """Images (N, C, H, W), uint8 or float in [0, 1] → outputs (N, classes)."""
        pays_off = self.kernels == "fast" and len(images) >= MANY and images.device.type == "cpu"
        frozen = self.freeze() if pays_off else self
        if frozen.network is not None:
            return frozen._infer_fast(frozen.network, images)
        with naming_memory("evaluate.batch_size", self.batch_size):
            return infer(self.model, self.preprocess, images, self.batch_size)

    def freeze(self) -> "Classifier":
        """Return it with its weights of now in compiled kernels, if they cover the network.

        From then on few images pay off, too.
        """
        if missing():
            return self
        try:
            plan = plan_network(self.model, self.data.channels, self.preprocess.size)
        except NotCoveredError:
            return self
        from lenet.kernels.network import FastNetwork

        network = FastNetwork(plan, torch.get_num_threads(), self.preprocess.plain_levels)
        plan.pack(values_of(self.model), network.weights)
        return replace(self, network=network)

    def _infer_fast(self, network: "FastNetwork", images: Tensor) -> Tensor:
        if self.preprocess.is_plain:
            return network.infer(images)
        prepare = self.preprocess
        batches = torch.split(images, self.batch_size)
        return torch.cat([network.infer(prepare(to_floats(batch))) for batch in batches])


@dataclass(frozen=True)
class Ensemble:
    """Networks that decide together: called on images, it returns their mean probabilities."""

    classifiers: list[Classifier]

    @property
    def data(self) -> Description:
        """The classes, and the format of the images, of all of them."""
        return self.classifiers[0].data

    def __call__(self, images: Tensor | npt.NDArray[Any]) -> Tensor:
        """Return the probability of each class, (N, classes); see `Classifier.__call__`."""
        return torch.stack([classifier(images) for classifier in self.classifiers]).mean(dim=0)


MANY = 1000
"""Images from which on it pays to hand a network to compiled kernels."""

MAX_PARAMETERS = 100_000_000
"""So that a typing error does not fill the memory; the largest network here has 25 million."""


def build_classifier(config: Config, seed: int | None = None) -> Classifier:
    """Build the untrained network of a config; its weights derive from the seed (the config's).

    Raises:
        UsageError: The images do not fit into its input, the model cannot be built, or it would
            have more than `MAX_PARAMETERS` parameters; the path is that of the key to blame.
    """
    data = describe_dataset(config.data)
    _check_input(config, data)
    try:
        _check_size(config, data)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(config.seed if seed is None else seed, "weights"))
            model = _build_model(config, data, config.model.options())
    except UsageError as error:
        raise UsageError(str(error), ("model", *(error.path or ()))) from error
    if config.quantize is not None:
        try:
            bits, size = config.quantize.weights, config.input.size
            quantize_model(model, bits, data.channels, size)
        except UsageError as error:
            raise UsageError(str(error), ("quantize",)) from error
    return Classifier(
        model,
        Preprocessing(**config.input.model_dump()),
        LOSSES[config.loss.kind](**config.loss.options()),
        data,
        config.evaluate.batch_size,
    )


def load_classifier(
    run: Run, device: torch.device | str = "cpu", *, lines: bool = False
) -> Classifier:
    """Build a run's network and load the weights of its result.

    Args:
        run: The run.
        device: Where the network will compute.
        lines: Whether it may read lines of characters; otherwise it must read single images.

    Raises:
        UsageError: It reads lines and may not.
        RunError: The weights are missing, damaged, or another network's.
    """
    if run.config.data.strings is not None and not lines:
        raise UsageError(
            f"{run.folder} reads lines, not single images:"
            " `lenet scan`, without --way, reads pictures with it"
        )
    classifier = build_classifier(run.config)
    take_weights(classifier.model, run)
    classifier.model.to(device).eval()
    return classifier


def take_weights(model: nn.Module, run: Run) -> None:
    """Load the weights of a run's result into its network.

    Raises:
        RunError: The weights are missing, damaged, or another network's.
    """
    weights = run.load_weights()
    try:
        check_layout(weights, model.state_dict())
    except RunError as error:
        raise RunError(f"{run.folder} holds the weights of another network: {error}") from error
    model.load_state_dict(weights)


def _build_model(config: Config, data: Description, options: dict[str, Any]) -> nn.Module:
    return build_model(
        config.model.kind,
        config.input.size,
        in_channels=data.channels,
        classes=len(data.classes),
        **options,
    )


def _check_input(config: Config, data: Description) -> None:
    """Check that a dataset's images fit into the input.

    Raises:
        UsageError: They are larger.
    """
    size, width, side = config.input.size, config.input.width, data.size
    images = f"{config.data.path or config.data.name} has images of {side}×{side} pixels"
    if size < side:
        raise UsageError(
            f"{images}, which do not fit into {size}×{size}: --set input.size={side}, if the"
            " network takes it",
            ("input", "size"),
        )
    if int(side * config.input.scale) < 1:
        raise UsageError(f"{images}, of which this scale leaves none", ("input", "scale"))
    for name in ("mean", "std"):
        given = getattr(config.input, name)
        if given is not None and len(given) != data.channels:
            channels = count(data.channels, "channel")
            raise UsageError(f"{len(given)} numbers for images of {channels}", ("input", name))
    if config.data.strings is not None and data.channels > 1:
        raise UsageError(
            f"{images} in colour; lines are composed of grey ones", ("data", "strings")
        )
    if width is not None and width > side:
        raise UsageError(f"{images}, too narrow for digits of {width}", ("input", "width"))


def _check_size(config: Config, data: Description) -> None:
    """Refuse a network with sizes of the user's choice that is too large."""
    options = config.model.options()
    if isinstance(config.model, Layers):
        options["init"] = "torch"  # the others look at values, which there are none of on "meta"
    elif not isinstance(config.model, MLP):
        return
    with torch.device("meta"):  # shapes without memory
        model = _build_model(config, data, options)
    parameters = sum(weight.numel() for weight in model.parameters())
    if parameters > MAX_PARAMETERS:
        raise UsageError(f"{parameters:,} parameters are more than the {MAX_PARAMETERS:,} allowed")
