"""Contrast-limited adaptive histogram equalization."""

from collections.abc import Sequence

import torch
from torch import Tensor

from lenet.augment.arguments import integer, interval, is_sequence, number, refuse
from lenet.augment.draws import uniform
from lenet.augment.sampling import reflect
from lenet.augment.tone import LEVELS
from lenet.augment.transform import BatchTransform, Parameters, Size

CHUNK = 16
"""Images at a time: their histograms, 256 numbers per tile, stay in the processor's cache."""


class CLAHE(BatchTransform):
    """Equalize the histogram of each tile with limited steepness, and blend between tiles.

    Args:
        clip_limit: (min, max) steepness, each in [1, 1000]; a number is (1, number).
        tile_grid_size: Number of (rows, columns) of tiles, each in [1, 64].
        p: Probability of an image being transformed, in [0, 1].

    Source: Zuiderveld 1994, in the form of OpenCV's ``createCLAHE``; names and defaults are
    albumentations'. On a CPU the 256 grey levels are OpenCV's exactly, for every grid and image
    size, since sums and roundings follow its order.
    """

    def __init__(
        self,
        clip_limit: float | Sequence[float] = 4.0,
        tile_grid_size: Sequence[int] = (8, 8),
        p: float = 0.5,
    ) -> None:
        super().__init__(p)
        if is_sequence(clip_limit, 2):
            self.clip_limit = interval(self, "clip_limit", clip_limit, 1, 1000)
        else:
            self.clip_limit = (1.0, number(self, "clip_limit", clip_limit, 1, 1000))
        if not is_sequence(tile_grid_size, 2):
            raise refuse(self, "tile_grid_size", tile_grid_size, "two whole numbers in [1, 64]")
        rows, columns = (integer(self, "tile_grid_size", side, 1, 64) for side in tile_grid_size)
        self.tile_grid_size = (rows, columns)

    def draw_parameters(
        self, batch: int, size: Size, generator: torch.Generator, labels: Tensor | None
    ) -> Parameters:
        """Draw ``clip_limit``, (B,)."""
        return {"clip_limit": uniform(batch, *self.clip_limit, generator)}

    def change(self, images: Tensor, parameters: Parameters) -> Tensor:
        """Equalize chunk by chunk."""
        limits = parameters["clip_limit"].repeat_interleave(images.shape[1])
        levels = (images.clamp(0, 1) * (LEVELS - 1)).round().long().flatten(0, 1)  # (B·C, H, W)
        chunks = zip(torch.split(levels, CHUNK), torch.split(limits, CHUNK), strict=True)
        changed = [equalize_tiles(chunk, limit, self.tile_grid_size) for chunk, limit in chunks]
        return (torch.cat(changed).to(images.dtype) / (LEVELS - 1)).view_as(images)


def equalize_tiles(levels: Tensor, limits: Tensor, grid: tuple[int, int]) -> Tensor:
    """Apply CLAHE to grey levels.

    Args:
        levels: int64 (N, H, W), 0 to 255.
        limits: Largest steepness of the tone curve, (N,), at least 1.
        grid: Number of (rows, columns) of tiles.

    Returns:
        float32 (N, H, W), whole numbers 0 to 255.
    """
    n, height, width = levels.shape
    tile = [_tile_length(height, width, *grid), _tile_length(width, height, *grid[::-1])]
    padded = levels
    for dim, (length, count) in enumerate(zip(tile, grid, strict=True), start=1):
        at = reflect(torch.arange(length * count, device=levels.device), levels.shape[dim])
        padded = padded.index_select(dim, at)
    area = tile[0] * tile[1]
    tiles = padded.view(n, grid[0], tile[0], grid[1], tile[1]).transpose(2, 3)
    tiles = tiles.reshape(n * grid[0] * grid[1], area)
    counts = torch.zeros(len(tiles), LEVELS, dtype=torch.int32, device=levels.device)
    counts.scatter_add_(1, tiles, counts.new_ones(1, 1).expand_as(tiles))
    limit = (limits.double() * area / LEVELS).int().clamp_(min=1).view(n, 1, 1)
    counts = torch.minimum(counts.view(n, -1, LEVELS), limit)
    cumulated = counts.cumsum(2, dtype=torch.int32)  # (N, tiles, 256)
    # Clipped counts are spread evenly over all levels, the remainder one by one at equal distances.
    excess = area - cumulated[..., -1]  # (N, tiles)
    equal, rest = (excess // LEVELS).float(), (excess % LEVELS).float()
    distance = (LEVELS / rest.clamp(min=1)).floor()

    rows = _neighbours(height, tile[0], grid[0], levels.device)
    columns = _neighbours(width, tile[1], grid[1], levels.device)
    curves, flat = cumulated.reshape(n, -1), levels.reshape(n, -1)
    # Blended along rows, then between rows: OpenCV's order, for its rounding.
    result = torch.zeros(n, height, width, device=levels.device)
    for row, row_share in rows:
        blended = torch.zeros_like(result)
        for column, column_share in columns:
            at = (row[:, None] * grid[1] + column).flatten()  # (H·W,): which tile
            kept = curves.gather(1, flat + at * LEVELS)
            shared = equal.index_select(1, at) * (flat + 1)
            turns = (flat / distance.index_select(1, at)).floor_().add_(1)
            single = torch.minimum(rest.index_select(1, at), turns)
            value = ((kept + shared + single) * ((LEVELS - 1) / area)).round_()
            blended += value.clamp_(max=LEVELS - 1).view_as(result).mul_(column_share)
        result += blended.mul_(row_share[:, None])
    return result.round_()


def _tile_length(length: int, other: int, count: int, other_count: int) -> int:
    """Return a tile's height (or width); like OpenCV, both are padded if either must be."""
    if length % count == 0 and other % other_count == 0:
        return length // count
    return (length + count - length % count) // count


def _neighbours(
    length: int, tile: int, count: int, device: torch.device
) -> list[tuple[Tensor, Tensor]]:
    """Return, for each pixel, the two nearest tiles along an axis and their shares."""
    # By the reciprocal in float32, as OpenCV does it.
    at = torch.arange(length, device=device) * (1 / torch.tensor(tile, device=device)) - 0.5
    first = at.floor()
    share = at - first
    lower, upper = first.long().clamp(min=0), (first.long() + 1).clamp(max=count - 1)
    return [(lower, 1 - share), (upper, share)]
