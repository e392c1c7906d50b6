"""Memory and work grow with the batch and with nothing else."""

import weakref
from functools import partial

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from lenet.augment.catalogue import MIXINGS, build_mixing, build_pipeline
from lenet.bench.augment import CASES
from lenet.rng import generator


class Allocations(TorchDispatchMode):
    """Counts the bytes of tensors made within the block: all in sum, and the most at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.total = self.alive = self.peak = 0
        self.known: set[int] = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        before = {t.untyped_storage()._cdata for t in tree_leaves((args, kwargs)) if _is_tensor(t)}
        made = func(*args, **(kwargs or {}))
        for tensor in filter(_is_tensor, tree_leaves(made)):
            storage = tensor.untyped_storage()
            if storage._cdata not in before and storage._cdata not in self.known:
                self.known.add(storage._cdata)
                self.total += storage.nbytes()
                self.alive += storage.nbytes()
                self.peak = max(self.peak, self.alive)
                weakref.finalize(storage, self._freed, storage._cdata, storage.nbytes())
        return made

    def _freed(self, key: int, size: int) -> None:
        self.known.discard(key)
        self.alive -= size


def _is_tensor(leaf: object) -> bool:
    return isinstance(leaf, torch.Tensor)


def count(name: str, batch: int) -> Allocations:
    build = partial(build_mixing, classes=10) if name in MIXINGS else build_pipeline
    images, labels = torch.rand(batch, 1, 28, 28), torch.arange(batch) % 10
    work = build(CASES[name])
    work(images, labels, generator(0, "test"))  # fills caches
    with Allocations() as counted:
        work(images, labels, generator(0, "test"))
    return counted


@pytest.mark.parametrize("name", CASES)
def test_no_more_than_twelve_copies_of_the_batch_are_alive(name):
    assert count(name, 256).peak <= 12 * 256 * 28 * 28 * 4


@pytest.mark.parametrize("name", CASES)
def test_twice_the_images_take_twice_the_memory(name):
    once, twice = count(name, 1024), count(name, 2048)
    # Policies draw other operations for the other images, which take a little more or less.
    assert twice.total <= 2.2 * once.total
    assert twice.peak <= 2.2 * once.peak
