"""The networks, one file each, and the table that names them."""

from torch import nn

MODELS: dict[str, type[nn.Module]] = {}


def build_model(kind: str, **options: object) -> nn.Module:
    """Build the network that `MODELS` lists under `kind`; `options` are its constructor's."""
    return MODELS[kind](**options)
