"""Finished runs for studies, without training."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lenet.config.load import load_config
from lenet.runs.run import Run

Finish = Callable[..., None]


@pytest.fixture
def finish(tmp_path: Path) -> Finish:
    """Write finished runs, one per error count, into the test's folder.

    Called with the experiment and the error counts; options are another root, another config, the
    training error rate, and further keys of the results.
    """

    def write(
        experiment: str,
        errors: list[int],
        *,
        root: Path = tmp_path,
        config: str = "",
        train_rate: float = 0.0035,
        **results: int,
    ) -> None:
        for seed, count in enumerate(errors):
            run = Run.create(experiment, load_config(config or experiment, seed=seed).config, root)
            run.append("metrics.jsonl", {"epoch": 1, "accuracy/train": 1 - train_rate})
            run.append("timing.jsonl", {"epoch": 1, "seconds": 60.0})
            run.append("timing.jsonl", {"epoch": 2, "seconds": 30.0})
            extra = {key.replace("_", "/", 1).replace("_", "-"): n for key, n in results.items()}
            run.write_json("result.json", {"errors/test": count, "n/test": 10_000} | extra)

    return write
