"""Export the weights alone, with the run's config and its classes as metadata."""

from safetensors.torch import save

from lenet.errors import UsageError
from lenet.export.request import Request
from lenet.runs.files import write_atomically


def export_weights(request: Request) -> str:
    """Write a safetensors file with the run's `Request.metadata`.

    Raises:
        UsageError: Preprocessing or fewer bits are asked for; the format holds no graph.
    """
    if request.preprocess or request.quantize:
        raise UsageError(
            "safetensors holds weights but no graph: leave out --preprocess and --quantize"
        )
    state = request.float_classifier.model.state_dict()
    tensors = {name: value.contiguous() for name, value in state.items()}
    write_atomically(request.path, save(tensors, request.metadata()))
    return f"{sum(t.numel() for t in tensors.values()):,} parameters"
