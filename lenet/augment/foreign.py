"""Transforms of other libraries by name: the rest of torchvision's, kornia's, albumentations'.

Names come from tables; a config cannot reach any other attribute of a library. torchvision's and
albumentations' transforms run on uint8, so their arguments refer to pixels from 0 to 255; kornia's
run on floats from 0 to 1.
"""

import functools
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F

from lenet.augment.arguments import MOST, number, refuse
from lenet.augment.transform import BatchTransform, Parameters, Size
from lenet.errors import RunError, UsageError, how_to_install

TRIALS = 8
"""Trial runs to find out whether a transform changes the size at random."""


class ForeignTransform(BatchTransform):
    """A transform of another library, seeded with a drawn number.

    Args:
        name: As in the config.
        foreign: The library's object.

    Attributes:
        channels: Of the images on which it is tried out.
    """

    def __init__(self, name: str, foreign: Any) -> None:
        super().__init__()
        self.name = name
        self.foreign = foreign
        self.channels = 1
        self._output_sizes: dict[Size, Size] = {}

    def output_size(self, size: Size) -> Size:
        """Return the size of the results, found by transforming blank images.

        Raises:
            UsageError: The library refuses the arguments or images of this size, or the results
                are empty, too large or of several sizes.
        """
        if size not in self._output_sizes:
            self._output_sizes[size] = self._try_out(size)
        return self._output_sizes[size]

    def _try_out(self, size: Size) -> Size:
        sizes = set()
        with _certain(self.foreign):
            for seed in range(TRIALS):
                try:
                    blank = torch.zeros(1, self.channels, *size)
                    tried = self.apply_to(blank, {"seed": torch.tensor([seed])})
                except RunError as error:
                    raise UsageError(str(error), (self.name,)) from error
                height, width = tried.shape[-2:]
                if not 1 <= min(height, width) <= max(height, width) <= MOST:
                    raise UsageError(
                        f"{self.name} makes {height}×{width} pixels of {size[0]}×{size[1]};"
                        f" there may be 1 to {MOST} each way",
                        (self.name,),
                    )
                sizes.add((height, width))
        if len(sizes) > 1 or (sizes != {size} and self._may_skip):
            raise UsageError(
                f"{self.name} makes images of several sizes; those of a batch must be alike",
                (self.name,),
            )
        (found,) = sizes
        return found

    @property
    def _may_skip(self) -> bool:
        """Whether the library's transform leaves some images unchanged."""
        return any(getattr(self.foreign, chance) < 1 for chance in _chances(self.foreign))

    def draw_parameters(
        self, batch: int, size: Size, generator: torch.Generator, labels: Tensor | None
    ) -> Parameters:
        """Draw a ``seed`` per image, int64 (B,)."""
        return {"seed": torch.randint(2**31, (batch,), generator=generator)}

    def apply_to(self, images: Tensor, parameters: Parameters) -> Tensor:
        """Apply; the foreign transform decides by its own `p` whether to change an image."""
        try:
            changed = self.change(images, parameters)
        except Exception as error:  # libraries raise exceptions of any kind
            raise RunError(f"{self.name} fails on these images: {_in_a_line(error)}") from error
        if changed.shape[:2] != images.shape[:2]:
            raise RunError(
                f"{self.name} makes {tuple(changed.shape)} of {tuple(images.shape)} images;"
                " the number of channels must stay"
            )
        if not changed.isfinite().all():
            raise RunError(f"{self.name} makes values of these images that are not finite")
        return changed


class TorchvisionTransform(ForeignTransform):
    """Runs torchvision's transform image by image, on uint8, which all of them accept."""

    def change(self, images: Tensor, parameters: Parameters) -> Tensor:
        """Seed and transform one image after another."""
        changed = []
        with forked(images.device):
            for image, seed in zip(_to_uint8(images), parameters["seed"].tolist(), strict=True):
                torch.manual_seed(seed)
                changed.append(self.foreign(image))
        scaled: Tensor = F.to_dtype(torch.stack(changed), images.dtype, scale=True)
        return scaled


class ResizingTransform(TorchvisionTransform):
    """Runs a transform of torchvision's that changes sizes at random, and resizes the results.

    Images of a batch must have one size, so each result is resized to its original size.
    """

    def change(self, images: Tensor, parameters: Parameters) -> Tensor:
        """Seed, transform and resize one image after another."""
        size = list(images.shape[-2:])
        transform = self.foreign
        resizing = TorchvisionTransform(
            self.name, lambda image: F.resize(transform(image), size, antialias=True)
        )
        return resizing.change(images, parameters)


class KorniaTransform(ForeignTransform):
    """Runs kornia's transform on the batch; kornia draws per image."""

    def change(self, images: Tensor, parameters: Parameters) -> Tensor:
        """Seed and transform the batch."""
        with forked(images.device):
            torch.manual_seed(int(parameters["seed"][0]))
            changed: Tensor = self.foreign(images)
        return changed


class AlbumentationsTransform(ForeignTransform):
    """Runs albumentations' transform image by image, on uint8 arrays on the CPU."""

    def change(self, images: Tensor, parameters: Parameters) -> Tensor:
        """Seed and transform one image after another."""
        arrays = _to_uint8(images).permute(0, 2, 3, 1).cpu().numpy()
        changed = []
        for array, seed in zip(arrays, parameters["seed"].tolist(), strict=True):
            self.foreign.set_random_seed(seed)
            result = torch.from_numpy(self.foreign(image=array)["image"])
            changed.append(result.view(*result.shape[:2], -1).permute(2, 0, 1))
        together = torch.stack(changed).to(images.device)
        scaled: Tensor = F.to_dtype(together, images.dtype, scale=True)
        return scaled


TORCHVISION: dict[str, tuple[Callable[..., Any], type[ForeignTransform]]] = {
    "CenterCrop": (v2.CenterCrop, TorchvisionTransform),
    "Grayscale": (v2.Grayscale, TorchvisionTransform),
    "Identity": (v2.Identity, TorchvisionTransform),
    "JPEG": (v2.JPEG, TorchvisionTransform),
    "Pad": (v2.Pad, TorchvisionTransform),
    "RandomChannelPermutation": (v2.RandomChannelPermutation, TorchvisionTransform),
    "RandomEqualize": (v2.RandomEqualize, TorchvisionTransform),
    "RandomGrayscale": (v2.RandomGrayscale, TorchvisionTransform),
    "RandomPhotometricDistort": (v2.RandomPhotometricDistort, TorchvisionTransform),
    "RandomPosterize": (v2.RandomPosterize, TorchvisionTransform),
    "RandomResize": (v2.RandomResize, ResizingTransform),
    "RandomShortestSize": (v2.RandomShortestSize, ResizingTransform),
    "RandomSolarize": (v2.RandomSolarize, TorchvisionTransform),
    "RandomZoomOut": (v2.RandomZoomOut, ResizingTransform),
    "Resize": (v2.Resize, TorchvisionTransform),
    "ScaleJitter": (v2.ScaleJitter, ResizingTransform),
}
"""torchvision's transforms that take an image and plain arguments and have no version of ours."""

BOXES = "it is for boxes and key points, which digits do not have"
NUMBERS = "images are tensors already, and input.levels sets their range"
MANY = "it makes several images or channels of one, and a network takes one of each"
REFUSED = {
    "ClampBoundingBoxes": BOXES,
    "ClampKeyPoints": BOXES,
    "ConvertBoundingBoxFormat": BOXES,
    "ConvertImageDtype": NUMBERS,
    "FiveCrop": MANY,
    "Denormalize": NUMBERS,
    "FromFloat": NUMBERS,
    "Lambda": "a function cannot be written in YAML",
    "LinearTransformation": "a matrix of a row for each pixel cannot be written in YAML",
    "Normalize": NUMBERS,
    "PILToTensor": NUMBERS,
    "RandomFisheye": "its arguments are tensors, which cannot be written in YAML",
    "RGB": MANY,
    "RandomIoUCrop": BOXES,
    "SanitizeBoundingBoxes": BOXES,
    "SanitizeKeyPoints": BOXES,
    "SetClampingMode": BOXES,
    "TenCrop": MANY,
    "ToDtype": NUMBERS,
    "ToImage": NUMBERS,
    "ToPILImage": NUMBERS,
    "ToPureTensor": NUMBERS,
    "ToTensor": NUMBERS,
    "UniformTemporalSubsample": "it is for videos",
}
"""Classes of any library that make no sense in a config, and why."""


def find_foreign(name: str) -> Callable[..., BatchTransform] | None:
    """Return a function that makes another library's transform from its arguments, or None.

    Args:
        name: ``CenterCrop``, ``kornia.RandomRain`` or ``albumentations.Affine``, for instance.

    Raises:
        UsageError: The library is not installed, or the transform is one of `REFUSED`.
    """
    library, dot, short = name.rpartition(".")
    if short in REFUSED and library in ("", *LIBRARIES):
        raise UsageError(f"{name} cannot be used here: {REFUSED[short]}")
    if not dot:
        return _adopt(name, *TORCHVISION[name]) if name in TORCHVISION else None
    known = foreign_names(library) if library in LIBRARIES else {}
    return _adopt(name, known[short], LIBRARIES[library][1]) if short in known else None


def foreign_names(library: str) -> dict[str, Any]:
    """Return the transforms of ``kornia`` or ``albumentations`` that take one image.

    Raises:
        UsageError: It is not installed.
    """
    try:
        return LIBRARIES[library][0]()
    except ImportError as error:
        raise UsageError(f"{library} is not installed; {how_to_install(library)}") from error


def _kornia() -> dict[str, Any]:
    from kornia import augmentation

    return _subclasses(augmentation, (augmentation.AugmentationBase2D,))


def _albumentations() -> dict[str, Any]:
    # Otherwise importing it looks for a newer version on the network.
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
    import albumentations

    a = albumentations
    return _subclasses(a, (a.ImageOnlyTransform, a.DualTransform, a.Transform3D))


LIBRARIES: dict[str, tuple[Callable[[], dict[str, Any]], type[ForeignTransform]]] = {
    "kornia": (_kornia, KorniaTransform),
    "albumentations": (_albumentations, AlbumentationsTransform),
}


def _subclasses(module: Any, bases: tuple[type, ...]) -> dict[str, Any]:
    return {
        name: value
        for name, value in vars(module).items()
        if isinstance(value, type)
        and issubclass(value, bases)
        and value not in bases
        and "Base" not in name
    }


def _adopt(
    name: str, foreign: Callable[..., Any], wrapper: type[ForeignTransform]
) -> Callable[..., BatchTransform]:
    @functools.wraps(foreign, updated=())  # so that its arguments can be looked up
    def make(**arguments: Any) -> BatchTransform:
        if "p" in arguments:  # not all libraries check it
            number(foreign, "p", arguments["p"], 0, 1, name=name)
        _check_sizes(name, arguments)
        if wrapper is KorniaTransform:  # it refuses lists, and YAML has no tuples
            arguments = {argument: _to_tuple(value) for argument, value in arguments.items()}
        try:
            return wrapper(name, foreign(**arguments))
        except Exception as error:  # libraries raise exceptions of any kind
            raise UsageError(f"{name}: {_in_a_line(error)}", (name,)) from error

    return make


BOUNDS = {
    "size": MOST,
    "height": MOST,
    "width": MOST,
    "padding": MOST,
    "scale_limit": 10,
    "scale_range": 10,
    "side_range": 10,
}
"""Largest values, in pixels or image sizes, of arguments whose names contain these words."""


def _check_sizes(name: str, arguments: Mapping[str, Any]) -> None:
    """Refuse sizes that would use up all memory, since libraries accept them.

    Raises:
        UsageError: An argument of `BOUNDS` is a string or a number above its bound.
    """
    for argument, value in arguments.items():
        for word, most in BOUNDS.items():
            if word in argument and not argument.endswith("mode"):
                sides = value if isinstance(value, list | tuple) else [value]
                if any(_exceeds(side, most) for side in sides):
                    raise refuse(None, argument, value, f"at most {most}", name)


def _exceeds(value: object, most: float) -> bool:
    """Tell whether a value is too large, or a string, which some libraries parse as a number."""
    return isinstance(value, str) or (isinstance(value, int | float) and value > most)


def _to_tuple(value: Any) -> Any:
    return tuple(_to_tuple(v) for v in value) if isinstance(value, list) else value


def _in_a_line(error: Exception) -> str:
    """Return a library's error message in one line; of several errors the first."""
    several = getattr(error.__cause__ or error, "errors", None)  # pydantic's
    if callable(several):
        first = several()[0]
        return ": ".join([*map(str, first["loc"]), first["msg"]])
    return " ".join(str(error).split())


def _chances(foreign: Any) -> list[str]:
    """Return the attributes that hold a transform's probabilities; kornia has two."""
    return [
        name for name in ("p", "p_batch") if isinstance(getattr(foreign, name, None), int | float)
    ]


@contextmanager
def _certain(foreign: Any) -> Iterator[None]:
    """Set a transform's probabilities to 1 for a while."""
    before = {chance: getattr(foreign, chance) for chance in _chances(foreign)}
    for chance in before:
        setattr(foreign, chance, 1.0)
    try:
        yield
    finally:
        for chance, p in before.items():
            setattr(foreign, chance, p)


@contextmanager
def forked(device: torch.device) -> Iterator[None]:
    """Restore torch's global random states afterwards, the CPU's and the device's."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        yield


def _to_uint8(images: Tensor) -> Tensor:
    return (images.clamp(0, 1) * 255).round_().to(torch.uint8)
