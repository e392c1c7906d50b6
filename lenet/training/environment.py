"""What a run was made with: versions, machine, commit, images, and the networks it learned from."""

import platform
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from lenet import __version__
from lenet.data.datasets import Dataset
from lenet.errors import UsageError
from lenet.runs.run import Run


def describe_environment(
    device: torch.device, dataset: Dataset, checksums: Mapping[str, Sequence[str]]
) -> dict[str, Any]:
    """Return what a result may depend on besides the config.

    Names of folders and machines, and passwords, are left out: the file is meant to be published.

    Args:
        device: Where the run computes.
        dataset: Its images.
        checksums: SHA-256 sums of the networks that it learns from, by the config's key.
    """
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor()
    return {
        "lenet": __version__,
        "commit": _commit(),
        "command": _command(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "torchvision": _version("torchvision"),
        "platform": f"{platform.system()} {platform.machine()}",
        "device": f"{device.type} {name}".strip(),
        "threads": torch.get_num_threads(),
        "dataset": dataset.name,
        "images": {"train": len(dataset.train), "test": len(dataset.test)},
        "md5": dataset.checksums,
        "sha256": dict(checksums),
    }


def check_origin(run: Run, dataset: Dataset, checksums: Mapping[str, Sequence[str]]) -> None:
    """Refuse to continue a run on other images, or with other teachers, than it began with.

    Args:
        run: A run that may have begun; what its ``environment.json`` does not record is not
            compared.
        dataset: The images at hand.
        checksums: As for `describe_environment`.

    Raises:
        UsageError: Something differs.
        RunError: The run's ``environment.json`` is damaged.
    """
    if not run.begun:
        return
    begun = run.read_json("environment.json")
    name = begun.get("dataset", dataset.name)
    if name != dataset.name:
        raise UsageError(
            f"{run.folder} was begun on {name} and cannot continue with {dataset.name}:"
            f" --data FOLDER says where {name} lies, --overwrite begins anew"
        )
    for file, md5 in begun.get("md5", {}).items():
        if md5 != dataset.checksums.get(file):
            raise UsageError(
                f"{run.folder} was begun with another {file} of {name}: its MD5 sum was {md5},"
                f" now it is {dataset.checksums.get(file)}"
            )
    for key, sums in begun.get("sha256", {}).items():
        if sums != checksums.get(key):
            raise UsageError(
                f"{run.folder} was begun with other weights of {key} than there are now;"
                " put them back, or begin anew with --overwrite",
                tuple(key.split(".")),
            )


def _version(package: str) -> str | None:
    """Return the installed version of a package, if it is installed; it is not imported."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def redact_passwords(text: str) -> str:
    """Replace the passwords of URLs by ``***``.

    >>> redact_passwords("postgresql://me:secret@host/db")
    'postgresql://me:***@host/db'
    """
    # Up to the last @: a password that was not percent-encoded may hold one, or a slash.
    text = re.sub(r"(://[^:/@\s]*):\S*@", r"\1:***@", text)
    return re.sub(r"([?&](?:\w*password|pwd)=)[^&\s]*", r"\1***", text, flags=re.IGNORECASE)


def _command() -> list[str]:
    """Return the command that trains: ``lenet …``, or the Python script or notebook."""
    program, *arguments = sys.argv or [""]
    path = Path(program)
    if path.stem == "lenet" or (path.name == "__main__.py" and path.parent.name == "lenet"):
        return ["lenet", *map(_presentable, arguments)]
    return ["python", *map(_presentable, (program, *arguments))]


def _presentable(argument: str) -> str:
    """Shorten an absolute path to its last part, as folders differ elsewhere; hide passwords."""
    return Path(argument).name if Path(argument).is_absolute() else redact_passwords(argument)


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
