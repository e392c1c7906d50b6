"""The public functions: load, train, predict, build, load_dataset.

They are used as ``lenet.load(…)``; the command line does the same with the same functions below it.
"""

import inspect
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from PIL import Image
from torch import Tensor, nn

from lenet.config.load import ConfigFile, load_config
from lenet.config.schema import Config
from lenet.data.datasets import load_dataset
from lenet.data.pictures import Picture, list_pictures, reduce_array, reduce_image
from lenet.device import choose_device
from lenet.errors import UsageError, nearest
from lenet.evaluation.classifier import Classifier, Ensemble, load_classifier
from lenet.models import MODELS
from lenet.reading.digitize import WORK_SIDE
from lenet.reading.predict import Reading, read_digits
from lenet.runs.find import open_runs
from lenet.training.experiment import Experiment, run_experiment

__all__ = ["build", "load", "load_dataset", "predict", "train"]

AnyPicture = str | Path | npt.NDArray[Any] | Image.Image


def load(name: str | Path, device: str = "cpu") -> Classifier | Ensemble:
    """Load a trained network, or the ensemble of several seeds.

    Both are called on images, (N, C, H, W) or, if grey, (N, H, W), uint8 or float in [0, 1] with
    background 0, and return the probability of each class, (N, classes). A `Classifier` also has
    the PyTorch module (``.model``) and counts errors (``.evaluate``).

    Args:
        name: A run's folder (``runs/quickstart/0``), a folder of several seeds
            (``runs/quickstart``), or a network that was published (``published:lenet5``,
            ``published:lenet5/2``).
        device: ``cpu``, ``cuda``, ``mps``, or ``auto``: CUDA where there is one.

    Raises:
        UsageError: There is no such run or device.
        RunError: Weights are missing or damaged.

    Example:
        >>> import lenet
        >>> network = lenet.load("published:handwriting")
        >>> images = lenet.load_dataset("mnist-sample").test.images  # it learned from them
        >>> network(images[500:503]).argmax(dim=1)
        tensor([5, 5, 5])
    """
    chosen = choose_device(device)
    classifiers = [load_classifier(run, chosen) for run in open_runs(str(name))]
    return classifiers[0] if len(classifiers) == 1 else Ensemble(classifiers)


def train(
    config: str | Path | Mapping[str, Any] | Config,
    *,
    seeds: int = 1,
    seed: int | None = None,
    device: str = "auto",
    data: str | Path | None = None,
    runs: str | Path = "runs",
    name: str | None = None,
    resume: bool = False,
    overwrite: bool = False,
    verbose: bool = True,
) -> Experiment:
    """Train a network as a config says; ``lenet train`` in Python.

    Interrupted training (Ctrl-C, a notebook's stop button) continues from its last checkpoint when
    called again with ``resume=True``.

    Args:
        config: A name from ``lenet config list``, a YAML file, what such a file would hold as a
            dict (``extends`` included), or a `Config`.
        seeds: How many networks to train, with seeds from the config's on.
        seed: Replaces the config's seed.
        device: ``auto`` (CUDA where there is one), ``cpu``, ``cuda`` or ``mps``.
        data: A folder to look for the dataset in first.
        runs: Where the runs are written, as ``runs/name/seed``.
        name: Of the experiment; by default the config's, for a dict or a `Config` "experiment".
        resume: Continue runs that are there; those not begun are begun.
        overwrite: Replace runs that are there.
        verbose: Print a line per epoch on standard error.

    Returns:
        The finished experiment: ``.results`` holds a dict per seed, ``.runs`` the run folders,
        ``.folder`` is what `load` takes.

    Raises:
        UsageError: The config is wrong, or a run is there already.
        RunError: The data are missing or damaged, or the training failed.

    Example:
        >>> import lenet
        >>> experiment = lenet.train(
        ...     {
        ...         "extends": "quickstart",
        ...         "data": {"name": "mnist-sample", "train_size": 500},
        ...         "train": {"epochs": 2},
        ...     },
        ...     overwrite=True,
        ...     verbose=False,
        ... )
        >>> experiment.results[0]["n/test"]
        1000
        >>> network = lenet.load(experiment.folder)
    """
    source = _read(config, seed)
    say = _print if verbose else _ignore
    with source.explaining():
        experiment = run_experiment(
            source.config,
            name or source.name,
            seeds=seeds,
            device=device,
            data=Path(data) if data is not None else None,
            root=Path(runs),
            resume=resume,
            overwrite=overwrite,
            say=say,
            progress=verbose and sys.stderr is not None and sys.stderr.isatty(),
        )
    from lenet.figures.tensorboard import complete_events  # Matplotlib takes a second

    complete_events(experiment.runs, Path(data) if data is not None else None, device, say)
    return experiment


def predict(
    network: str | Path | Callable[[Tensor], Tensor],
    pictures: AnyPicture | Iterable[AnyPicture],
) -> list[Reading]:
    """Read photographs or drawings of one digit each; ``lenet predict`` in Python.

    Each digit is found, scaled and centred as in MNIST before the network sees it. For images that
    are like MNIST's already, call the network itself.

    Args:
        network: From `load`, or what `load` takes.
        pictures: One or several of: a file, a folder, a glob such as ``"digits/*.png"``, a PIL
            image, an array (H, W) or (H, W, 3) of bytes or of floats in [0, 1].

    Returns:
        One reading per picture: ``.digit``, ``.probability``, ``.probabilities`` of all ten. Where
        no digit was found, or a letter or scribble, ``.digit`` is None and ``.complaint`` says why.

    Raises:
        UsageError: There is no such network, or no picture is named.
        PictureError: An array has another shape or type.

    Example:
        >>> import lenet
        >>> import numpy as np
        >>> paper = np.full((100, 100), 255, dtype=np.uint8)
        >>> paper[20:80, 48:54] = 0  # a vertical stroke
        >>> [reading.digit for reading in lenet.predict("published:handwriting", paper)]
        [1]
    """
    reader = load(network) if isinstance(network, str | Path) else network
    one = isinstance(pictures, str | Path | np.ndarray | Image.Image)
    given = [pictures] if one else list(cast("Iterable[AnyPicture]", pictures))
    if not given:
        raise UsageError("name at least one picture")
    found: list[Path | Picture] = []
    for picture in given:
        if isinstance(picture, str | Path):
            found += list_pictures([str(picture)])
        elif isinstance(picture, Image.Image):
            found.append(reduce_image(picture, WORK_SIDE))
        else:
            found.append(reduce_array(np.asarray(picture), WORK_SIDE))
    return list(read_digits(reader, found, workers=1, data=getattr(reader, "data", None)))


def build(kind: str, **options: Any) -> nn.Module:
    """Build an untrained network as a plain PyTorch module.

    Args:
        kind: Its name under ``model.kind`` in a config: ``lenet5`` is the network of 1998,
            ``lenet5-modern`` today's.
        options: The arguments of its class, such as ``size`` (pixels), as far as it has them.

    Raises:
        UsageError: There is no network of that name, it has no such option, or a value is illegal.

    Example:
        >>> import lenet
        >>> model = lenet.build("lenet5-modern", dropout=0.2)
        >>> sum(weight.numel() for weight in model.parameters())
        61706
    """
    if kind not in MODELS:
        raise UsageError(f"no network {kind!r}; there are {', '.join(MODELS)}")
    known = inspect.signature(MODELS[kind]).parameters
    for option in options:
        if option not in known:
            raise UsageError(f"{kind} has no option {option}; {nearest(option, known)}")
    return MODELS[kind](**options)


def _read(config: str | Path | Mapping[str, Any] | Config, seed: int | None) -> ConfigFile:
    """Return a config and its name, whatever it was given as."""
    given = config.model_dump() if isinstance(config, Config) else config
    return load_config(given, seed=seed)


def _print(line: str) -> None:
    print(line, file=sys.stderr)


def _ignore(line: str) -> None:
    pass
