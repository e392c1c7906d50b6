"""The base of all transforms: draw parameters for each image, then apply them."""

from typing import Any

import torch
from PIL import Image
from torch import Tensor

from lenet.augment.arguments import number
from lenet.errors import UsageError

try:
    from torchvision.transforms import v2
    from torchvision.transforms.v2 import functional as F
    from torchvision.tv_tensors import Image as TVImage
    from torchvision.tv_tensors import TVTensor, wrap
except (ImportError, RuntimeError) as error:  # missing, or built for another torch
    raise UsageError(
        f"augmentation needs torchvision, which cannot be imported ({error}): install torch and"
        " torchvision together, with pip install --force-reinstall torch torchvision"
    ) from error

Parameters = dict[str, Tensor]
"""Parameters drawn for a batch: tensors whose first dimension is the batch's."""


MODES = ("L", "LA", "RGB", "RGBA")
"""Modes of PIL images whose values are brightness from 0 to 255."""

WIDE_INTEGERS = (torch.int32, torch.int64, torch.uint16, torch.uint32, torch.uint64)
"""Integer types too wide for float32, which torchvision does not convert."""

Size = tuple[int, int]
"""(height, width) in pixels."""


class BatchTransform(v2.Transform):  # type: ignore[misc]
    """A torchvision transform that draws one set of parameters per image of a batch.

    A `Pipeline` hands it a generator. In a `torchvision.transforms.v2.Compose` it derives one
    from torch's global random state and also takes single images, uint8 and PIL images. Masks,
    boxes, key points and videos are refused.

    Args:
        p: Probability of an image being transformed, in [0, 1].
    """

    _transformed_types = (Tensor, Image.Image)

    def __init__(self, p: float = 1.0) -> None:
        super().__init__()
        self.name = type(self).__name__
        self.p = number(self, "p", p, 0, 1)

    def draw(
        self,
        batch: int,
        size: Size,
        generator: torch.Generator,
        labels: Tensor | None = None,
    ) -> Parameters:
        """Draw the parameters of a batch, on the CPU.

        Args:
            batch: Number of images B.
            size: Their (height, width) in pixels.
            generator: On the CPU; the only source of randomness.
            labels: int64 (B,) on the CPU, for transforms that treat classes differently.

        Returns:
            Tensors of first dimension B. ``applied``, bool (B,), marks the images to transform.
        """
        applied = torch.rand(batch, generator=generator) < self.p
        return {"applied": applied, **self.draw_parameters(batch, size, generator, labels)}

    def draw_parameters(
        self,
        batch: int,
        size: Size,
        generator: torch.Generator,
        labels: Tensor | None,
    ) -> Parameters:
        """Draw the parameters that `draw` returns beside ``applied``."""
        return {}

    def output_size(self, size: Size) -> Size:
        """Return the size of the results for images of `size`."""
        return size

    def apply_to(self, images: Tensor, parameters: Parameters) -> Tensor:
        """Apply drawn parameters.

        Args:
            images: In [0, 1], float32 or float64 (B, C, H, W), on any device; left unchanged.
            parameters: As drawn, on the images' device.
        """
        applied = parameters["applied"].view(-1, 1, 1, 1)
        return torch.where(applied, self.change(images, parameters), images)

    def change(self, images: Tensor, parameters: Parameters) -> Tensor:
        """Transform all images, whether ``applied`` or not."""
        raise NotImplementedError

    def check_inputs(self, flat_inputs: list[Any]) -> None:
        """Refuse inputs that are not images; torchvision calls this before it transforms.

        Raises:
            TypeError: An input is a mask, a box, a key point, a video or a PIL image of a mode
                that is not among `MODES`, or there is no image at all.
        """
        for given in flat_inputs:
            if isinstance(given, TVTensor) and not isinstance(given, TVImage):
                raise TypeError(f"{self.name} transforms images, not {type(given).__name__}")
            if isinstance(given, Image.Image) and given.mode not in MODES:
                raise TypeError(
                    f"{self.name} transforms PIL images of mode {', '.join(MODES)}, not"
                    f" {given.mode!r}; convert it with convert('L')"
                )
        if not any(isinstance(given, self._transformed_types) for given in flat_inputs):
            kinds = ", ".join(type(given).__name__ for given in flat_inputs) or "nothing"
            raise TypeError(f"{self.name} transforms tensors and PIL images, not {kinds}")

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """Draw parameters; torchvision calls this once for all inputs of a call.

        Raises:
            TypeError: A tensor does not hold images.
        """
        for given in flat_inputs:
            if isinstance(given, Tensor) and (given.ndim < 3 or given.dtype in WIDE_INTEGERS):
                raise TypeError(
                    f"{self.name} transforms tensors (…, C, H, W) of floats, bytes or int16,"
                    f" not {tuple(given.shape)} of {given.dtype}"
                )
        images = flat_inputs[0]
        batch = 1 if isinstance(images, Image.Image) else images.shape[:-3].numel()
        seed = int(torch.randint(2**62, ()))
        return self.draw(batch, tuple(F.get_size(images)), torch.Generator().manual_seed(seed))

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Apply drawn parameters for torchvision; kind, dtype and shape of the image stay."""
        image = F.to_image(inpt) if isinstance(inpt, Image.Image) else inpt
        dtype = torch.float64 if image.dtype == torch.float64 else torch.float32
        images = F.to_dtype(image, dtype, scale=True).as_subclass(Tensor)
        flat = images.reshape(-1, *images.shape[-3:])
        if len(flat):
            changed = self.apply_to(flat, to_device(params, flat))
        else:
            changed = flat.new_empty(*flat.shape[:2], *self.output_size(tuple(flat.shape[-2:])))
        changed = changed.reshape(*images.shape[:-3], *changed.shape[-3:])
        if not image.is_floating_point():  # values outside [0, 1] would wrap around
            changed = changed.clamp(0, 1)
        result = F.to_dtype(changed, image.dtype, scale=True)
        if isinstance(inpt, TVTensor):
            return wrap(result, like=inpt)
        return F.to_pil_image(result) if isinstance(inpt, Image.Image) else result


def to_device(parameters: Parameters, images: Tensor) -> Parameters:
    """Move drawn parameters to the images' device, floats to the images' dtype."""
    return {
        name: value.to(
            images.device,
            images.dtype if value.is_floating_point() else value.dtype,
            non_blocking=True,
        )
        for name, value in parameters.items()
    }


def per_image(values: Tensor) -> Tensor:
    """Reshape (B,) to (B, 1, 1, 1), to broadcast against images."""
    return values.view(-1, 1, 1, 1)
