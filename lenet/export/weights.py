"""Export the weights alone, with the run's config as metadata."""

from pathlib import Path

from safetensors.torch import save

from lenet.config.load import dump_config
from lenet.errors import UsageError
from lenet.evaluation.classifier import Classifier
from lenet.runs.files import write_atomically
from lenet.runs.run import Run


def export_weights(run: Run, classifier: Classifier, path: Path, with_preprocessing: bool) -> str:
    """Write a safetensors file whose metadata hold the run's config as YAML.

    Raises:
        UsageError: `with_preprocessing` is true; the format holds no graph.
    """
    if with_preprocessing:
        raise UsageError("safetensors holds weights but no graph: leave out --preprocess")
    tensors = {name: value.contiguous() for name, value in classifier.model.state_dict().items()}
    metadata = {"model": run.config.model.kind, "config": dump_config(run.config)}
    write_atomically(path, save(tensors, metadata))
    return f"{sum(t.numel() for t in tensors.values()):,} weights"
