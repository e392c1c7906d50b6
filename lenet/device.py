"""The device that a run computes on, and how far its results repeat."""

import os
from typing import Literal

import torch

from lenet.errors import UsageError

DeviceName = Literal["auto", "cpu", "cuda", "mps"]


def choose_device(name: str) -> torch.device:
    """Return the device of that name; ``auto`` is CUDA where there is one, else the CPU.

    MPS is taken only when asked for: on networks as small as these it is slower than the CPU.

    Raises:
        UsageError: There is no such device here.
    """
    present = {
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    if name == "auto":
        return torch.device("cuda" if present["cuda"] else "cpu")
    if not present.get(name, False):
        here = ", ".join(key for key, value in present.items() if value)
        raise UsageError(f"no device {name!r} here; there is {here}")
    return torch.device(name)


def set_determinism(deterministic: bool | None, device: torch.device) -> None:
    """Make results repeat to the bit; None does so on the CPU only, where it costs nothing."""
    wanted = device.type == "cpu" if deterministic is None else deterministic
    if wanted and device.type == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(wanted)
    # Nothing here reads memory before writing it, and filling it costs several per cent.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


def synchronize(device: torch.device) -> None:
    """Wait until the device has done what it was given, so that a clock can be read."""
    if device.type != "cpu":
        torch.accelerator.synchronize(device)
