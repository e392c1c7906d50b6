"""Counter-based randomness: a generator derived from what it is for.

Every random number in a run comes from `generator(seed, purpose, *counters)`. Two runs that ask
for the same (seed, purpose, counters) get the same numbers, whatever happened before; so resuming
or jumping to any step is exact without a stream of generator states to save.
"""

import hashlib

import torch


def derive_seed(seed: int, purpose: str, *counters: int) -> int:
    """Hash (seed, purpose, counters) to a 63-bit seed, the same on every machine."""
    text = ":".join([str(seed), purpose, *map(str, counters)])
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def generator(seed: int, purpose: str, *counters: int) -> torch.Generator:
    """Return a CPU generator for one purpose at one place of a run.

    Args:
        seed: The run's seed.
        purpose: What the numbers are for, e.g. ``"order"`` or ``"augment"``.
        counters: Where in the run they are used, e.g. epoch and step.
    """
    return torch.Generator().manual_seed(derive_seed(seed, purpose, *counters))
