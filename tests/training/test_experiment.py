"""From a config to runs: what is checked before anything is written."""

from pathlib import Path

import pytest

from lenet.config.load import load_config
from lenet.errors import UsageError
from lenet.training.experiment import run_experiment


@pytest.mark.parametrize("batch_norm", [True, False])
def test_a_last_batch_of_one_image_is_refused_where_batch_norm_would_look_at_it(
    elsewhere: Path, batch_norm: bool
) -> None:
    model = f"model={{kind: lenet5-modern, batch_norm: {str(batch_norm).lower()}}}"
    settings = ["data.name=mnist-sample", "data.train_size=65", "train.batch_size=64"]
    config = load_config("quickstart", [*settings, model, "train.epochs=1"]).config
    if batch_norm:
        with pytest.raises(UsageError, match="the last batch of an epoch has one image"):
            run_experiment(config, "odd")
        assert not (elsewhere / "runs").exists()
    else:
        assert run_experiment(config, "odd").runs[0].finished
