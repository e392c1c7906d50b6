"""What a run was made with."""

import sys

import pytest
import torch

from lenet.data.datasets import load_dataset
from lenet.training.environment import describe_environment


def test_folders_of_this_machine_are_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    command = ["/usr/bin/lenet", "train", "modern/plain", "--runs", "/home/ada/runs", "--seed", "1"]
    monkeypatch.setattr(sys, "argv", command)
    told = describe_environment(torch.device("cpu"), load_dataset("mnist-sample"))
    assert told["command"] == ["lenet", "train", "modern/plain", "--runs", "runs", "--seed", "1"]
    assert told["images"] == {"train": 4000, "test": 1000}
