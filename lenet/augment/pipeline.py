"""Pipelines of transforms from a config."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from lenet.errors import UsageError

Spec = dict[str, dict[str, Any]]


def build_pipeline(specs: Sequence[Spec]) -> Callable[[Tensor, Tensor, torch.Generator], Tensor]:
    """Build the transforms of images; none are known yet."""
    for i, spec in enumerate(specs):
        for name in spec:
            raise UsageError(f"unknown transform {name!r}", (i, name))
    return lambda images, labels, generator: images


def build_mixing(
    specs: Sequence[Spec],
) -> Callable[[Tensor, Tensor, torch.Generator], tuple[Tensor, Tensor]]:
    """Build the transforms that mix images and labels; none are known yet."""
    build_pipeline(specs)
    return lambda images, labels, generator: (images, labels)
