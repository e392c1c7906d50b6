"""Networks through torch.hub, from a clone."""

from pathlib import Path

import pytest
import torch

import lenet
from lenet.data.datasets import Dataset

TOP = Path(__file__).parent.parent
RUNS = {
    "lenet5": "published:lenet5/0",
    "lenet5_1998": "published:paper/lenet5/0",
    "handwriting": "published:handwriting/0",
}


@pytest.mark.parametrize("name", RUNS)
def test_a_network_gives_the_probabilities_of_the_published_run(name: str, sample: Dataset) -> None:
    network = torch.hub.load(str(TOP), name, source="local")
    images = sample.test.images[::100]
    with torch.inference_mode():
        probabilities = network(images / 255)
    torch.testing.assert_close(probabilities, lenet.load(RUNS[name])(images))


def test_an_untrained_network_begins_as_a_run_of_its_seed() -> None:
    first, again, other = (
        torch.hub.load(str(TOP), "lenet5", source="local", pretrained=False, seed=seed)
        for seed in (0, 0, 1)
    )
    torch.testing.assert_close(first.state_dict(), again.state_dict())
    assert not torch.equal(first.model.c1.weight, other.model.c1.weight)
