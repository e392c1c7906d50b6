"""The device that a run computes on, and how far its results repeat."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch

from lenet.errors import RunError, UsageError

DeviceName = Literal["auto", "cpu", "cuda", "mps"]

NO_MEMORY = "can't allocate memory"
"""What PyTorch's error says if the system gives none."""


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
    # `use_deterministic_algorithms` does the same, and imports PyTorch's compiler: two seconds.
    torch.set_deterministic_debug_mode("error" if wanted else "default")
    # Nothing here reads memory before writing it, and filling it costs several per cent.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


def synchronize(device: torch.device) -> None:
    """Wait until the device has done what it was given, so that a clock can be read."""
    if device.type != "cpu":
        torch.accelerator.synchronize(device)


def total_memory(device: torch.device) -> int | None:
    """Return the bytes of memory that a device has, or None where the system does not say."""
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    if device.type != "cpu" or not hasattr(os, "sysconf"):
        return None
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def peak_memory(device: torch.device) -> dict[str, float]:
    """Return the most MB that tensors on a GPU, or this process on a CPU, have held at once.

    Returns:
        ``step/peak_memory_mb``, or nothing where the system does not say: on Windows and MPS.
    """
    if device.type == "cuda":
        return {"step/peak_memory_mb": torch.cuda.max_memory_allocated(device) / 1e6}
    if device.type != "cpu" or sys.platform == "win32":
        return {}
    import resource

    unit = 1 if sys.platform == "darwin" else 1024  # macOS counts in bytes
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"step/peak_memory_mb": held * unit / 1e6}


@contextmanager
def naming_memory(setting: str, size: int) -> Iterator[None]:
    """Say which setting to change when memory runs out.

    Args:
        setting: The config's key.
        size: Its value.

    Raises:
        RunError: The memory ran out.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        on_gpu = isinstance(error, torch.OutOfMemoryError)
        if not on_gpu and not isinstance(error, MemoryError) and NO_MEMORY not in str(error):
            raise
        raise RunError(
            f"the {'GPU' if on_gpu else 'machine'}'s memory ran out with {setting}={size}:"
            f" try --set {setting}={max(size // 2, 1)}"
        ) from error


@contextmanager
def torch_threads(n: int) -> Iterator[None]:
    """Let PyTorch compute on n threads of the CPU.

    Its threads spin for some milliseconds after each operation, in the way of any others.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)
