"""Random numbers for whole batches, on the CPU, from an explicit generator."""

import torch
from torch import Tensor


def uniform(batch: int, low: float, high: float, generator: torch.Generator) -> Tensor:
    """Draw uniform numbers of [low, high], float32 (B,)."""
    return torch.rand(batch, generator=generator) * (high - low) + low


def beta(batch: int, alpha: float, generator: torch.Generator) -> Tensor:
    """Draw from Beta(alpha, alpha), float32 (B,); alpha is above 0."""
    return dirichlet(batch, 2, alpha, generator)[:, 0]


def dirichlet(batch: int, n: int, alpha: float, generator: torch.Generator) -> Tensor:
    """Draw n shares that sum to 1 from Dirichlet(alpha, …, alpha), float32 (B, n).

    Shares of gamma variables; each is drawn at alpha + 1 and brought down in logarithms by
    Gamma(a) = Gamma(a + 1) · U^(1/a), since at a small alpha all might round to zero.
    torch's distributions take no generator; `_standard_gamma`, which they rest on, does.
    """
    shape = torch.full((batch, n), alpha + 1.0, dtype=torch.float64)
    logarithms = torch._standard_gamma(shape, generator=generator).log()
    logarithms += torch.rand(batch, n, generator=generator, dtype=torch.float64).log() / alpha
    return torch.softmax(logarithms, 1).float()
