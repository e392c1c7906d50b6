"""From a config to runs: what is checked before anything is written."""

from pathlib import Path

import pytest

from lenet.config.load import load_config
from lenet.errors import UsageError
from lenet.training.experiment import check, run_experiment


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


@pytest.mark.parametrize("size", [20, 32])
def test_distorted_copies_are_as_large_as_the_images(size: int) -> None:
    settings = [f"data.distort=[{{Resize: {{size: {size}}}}}]", "data.distorted_copies=1"]
    config = load_config("quickstart", settings).config
    with pytest.raises(UsageError, match=f"must be of 28×28 pixels, not {size}×{size}") as caught:
        check(config)
    assert caught.value.path == ("data", "distort")
