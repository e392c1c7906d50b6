"""Perspective: corners move, straight lines stay straight."""

import torch
from torch import Tensor

from lenet.augment.arguments import number
from lenet.augment.sampling import Projection
from lenet.augment.transform import Parameters, Size


class RandomPerspective(Projection):
    """Change the perspective: each corner moves inwards by a random amount.

    Args:
        distortion_scale: Largest move of a corner as a fraction of half the image, in [0, 1].
        p: Probability of an image being transformed, in [0, 1].
        interpolation: ``bilinear`` or ``nearest``; None: as in neighbouring geometry.
        fill: Pixel value outside the image, in [0, 1]; None: as in neighbouring geometry.

    Images whose four corners coincide (one row or column) stay as they are.

    Deviation: torchvision counts the background twice on the frame's border; see
    `lenet.augment.sampling`.
    """

    perspective = True

    def __init__(
        self,
        distortion_scale: float = 0.5,
        p: float = 0.5,
        interpolation: str | None = "bilinear",
        fill: float | None = 0.0,
    ) -> None:
        super().__init__(interpolation, fill, p)
        self.distortion_scale = number(self, "distortion_scale", distortion_scale, 0, 1)

    def draw_parameters(
        self, batch: int, size: Size, generator: torch.Generator, labels: Tensor | None
    ) -> Parameters:
        """Draw ``corners``: new (x, y) in pixels, clockwise from the top left, (B, 4, 2)."""
        height, width = size
        reach_x = int(self.distortion_scale * (width // 2)) + 1
        reach_y = int(self.distortion_scale * (height // 2)) + 1
        inwards_x = torch.randint(reach_x, (batch, 4), generator=generator)
        inwards_y = torch.randint(reach_y, (batch, 4), generator=generator)
        right, lower = torch.tensor([0, 1, 1, 0]), torch.tensor([0, 0, 1, 1])
        x = torch.where(right == 1, width - 1 - inwards_x, inwards_x)
        y = torch.where(lower == 1, height - 1 - inwards_y, inwards_y)
        return {"corners": torch.stack([x, y], 2).float()}

    def matrices(self, parameters: Parameters, size: Size) -> Tensor:
        """Return the projections that take the corners back, (B, 3, 3)."""
        height, width = size
        corners = parameters["corners"].double()  # (B, 4, 2)
        right, lower = width - 1.0, height - 1.0
        start = corners.new_tensor([[0, 0], [right, 0], [right, lower], [0, lower]])
        x, y = corners.unbind(2)  # (B, 4)
        zero, one = torch.zeros_like(x), torch.ones_like(x)
        # start_x = (a x + b y + c) / (g x + h y + 1), start_y = (d x + e y + f) / (g x + h y + 1)
        for_x = torch.stack([x, y, one, zero, zero, zero, -start[:, 0] * x, -start[:, 0] * y], 2)
        for_y = torch.stack([zero, zero, zero, x, y, one, -start[:, 1] * x, -start[:, 1] * y], 2)
        wanted = start.T.reshape(1, 8, 1).expand(len(x), -1, -1)
        solved, _ = torch.linalg.solve_ex(torch.cat([for_x, for_y], 1), wanted)
        matrices = torch.cat([solved.squeeze(2), one[:, :1]], 1).view(-1, 3, 3)
        solvable = matrices.isfinite().flatten(1).all(1).view(-1, 1, 1)
        still = torch.eye(3, dtype=torch.float64, device=matrices.device)
        matrices = torch.where(solvable, matrices, still)
        # These are for places from the top left corner; ours are from the centre.
        centre = still.clone()
        centre[0, 2], centre[1, 2] = width / 2, height / 2
        return (centre.inverse() @ matrices @ centre).to(parameters["corners"].dtype)
