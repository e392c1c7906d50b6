"""What a run was made with: versions, machine, commit, data."""

import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch
import torchvision

from lenet import __version__
from lenet.data.datasets import Dataset


def describe_environment(device: torch.device, dataset: Dataset) -> dict[str, Any]:
    """Return what a result may depend on besides the config; no names of folders or machines."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor()
    return {
        "lenet": __version__,
        "commit": _commit(),
        "command": ["lenet", *(_without_folder(argument) for argument in sys.argv[1:])],
        "python": platform.python_version(),
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
        "platform": f"{platform.system()} {platform.machine()}",
        "device": f"{device.type} {name}".strip(),
        "threads": torch.get_num_threads(),
        "dataset": dataset.name,
        "images": {"train": len(dataset.train), "test": len(dataset.test)},
        "md5": dataset.checksums,
    }


def _without_folder(argument: str) -> str:
    """Shorten an absolute path to its last part: where things lie here helps nobody elsewhere."""
    return Path(argument).name if Path(argument).is_absolute() else argument


def _commit() -> str | None:
    """Return the commit of the clone that the package runs from, with ``+`` if it was changed."""
    here = Path(__file__).parent

    def git(*arguments: str) -> str:
        result = subprocess.run(
            ["git", "-C", str(here), *arguments], capture_output=True, text=True, check=True
        )
        return result.stdout.strip()

    try:
        git("ls-files", "--error-unmatch", "__init__.py")
        return git("rev-parse", "HEAD") + ("+" if git("status", "--porcelain") else "")
    except (OSError, subprocess.CalledProcessError):
        return None
