"""Export the weights alone, with the run's config as metadata."""

from safetensors.torch import save

from lenet.config.load import dump_config
from lenet.errors import UsageError
from lenet.export.request import Request
from lenet.runs.files import write_atomically


def export_weights(request: Request) -> str:
    """Write a safetensors file whose metadata hold the run's config as YAML.

    Raises:
        UsageError: Preprocessing or fewer bits are asked for; the format holds no graph.
    """
    if request.preprocess or request.quantize:
        raise UsageError(
            "safetensors holds weights but no graph: leave out --preprocess and --quantize"
        )
    state = request.classifier.model.state_dict()
    tensors = {name: value.contiguous() for name, value in state.items()}
    config = request.run.config
    metadata = {"model": config.model.kind, "config": dump_config(config)}
    write_atomically(request.path, save(tensors, metadata))
    return f"{sum(t.numel() for t in tensors.values()):,} parameters"
