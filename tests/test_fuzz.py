"""No file can hurt: whatever is in it, it is read or refused in a sentence.

$LENET_FUZZ is the number of examples of each test, four times that of those that train;
`scripts/fuzz` makes it large.
"""

import gzip
import inspect
import io
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from legal_configs import legal_configs
from PIL import Image

from lenet.augment.catalogue import (
    AUGMENTATIONS,
    CONTAINERS,
    MIXINGS,
    PRESETS,
    build_mixing,
    build_pipeline,
)
from lenet.augment.foreign import TORCHVISION
from lenet.config.load import config_names, find_config, flatten_config, load_config
from lenet.config.schema import Config
from lenet.data.datasets import Dataset, Split, load_dataset
from lenet.data.idx import read_idx
from lenet.data.pictures import PictureError, decode_scaled
from lenet.data.splits import Splits, make_splits
from lenet.errors import LenetError, RunError, UsageError
from lenet.evaluation.classifier import load_classifier
from lenet.reading.digitize import digitize, group_marks, is_in_column
from lenet.reading.ink import find_ink
from lenet.rng import generator
from lenet.runs.files import write_tensors
from lenet.runs.history import list_runs, table
from lenet.runs.run import Run
from lenet.training import experiment
from lenet.training.build import build
from lenet.training.train import train

EXAMPLES = int(os.environ.get("LENET_FUZZ", "40"))
fuzz = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize="LENET_FUZZ" not in os.environ,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
slow_fuzz = settings(fuzz, max_examples=max(EXAMPLES // 4, 1))
CPU = torch.device("cpu")
CONFIGS = [find_config(name).read_text() for name in config_names()]

ODD_VALUES = (
    """
null|true|[]|{}|-1|0|1|28|1e999|-1e999|1e-320|99999999999|0.5|''|..|/etc|~|nan|.inf|[[1]]|{a: 1}
{1: 1}|&a|*a|!!python/object:os.system|sgd|lenet5|mnist|1_000|0x1F|2024-01-01|"\\0"|☃|[1, 1]
[{RandomErasing: {p: 2}}]|[{RandomAffine: {degrees: x}}]|[{RandomAffine: {degrees: 1e999}}]
[{RandomErasing: {}}]|[{MixUp: {alpha: 0}}]|{kind: mlp, hidden: [9999999, 9999999]}
{kind: layers, layers: []}|{kind: layers, layers: [{conv: {maps: 9999999, size: 5}}]}
""".replace("\n", "|")
    .strip("|")
    .split("|")
)
odd_values = st.sampled_from(ODD_VALUES)
WORDS = {
    argument
    for made in (*AUGMENTATIONS.values(), *CONTAINERS.values(), *MIXINGS.values())
    for argument in inspect.signature(made).parameters
} | {"size", "padding", "degrees", "bits"}
"""Names of the transforms' arguments."""
plain_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4)
    | st.sampled_from([0, 1, 3, 28, 0.5, 1000, "bilinear", "random"]),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.sampled_from([*AUGMENTATIONS, "p", "a"]), inner, max_size=2),
    max_leaves=5,
)  # fmt: skip
"""What YAML can give."""
mutations = st.lists(
    st.tuples(
        st.sampled_from(["flip", "cut", "repeat", "insert", "zero"]),
        st.floats(0, 1, exclude_max=True),
        st.integers(1, 64),
        st.integers(0, 255),
    ),
    min_size=1,
    max_size=4,
)


def mutate(content: bytes, changes: list[tuple[str, float, int, int]]) -> bytes:
    """Flip, cut out, repeat, insert or zero bytes."""
    for kind, place, length, byte in changes:
        at = int(place * len(content))
        part = content[at : at + length]
        new = {
            "flip": bytes(b ^ (byte or 1) for b in part[:1]) + part[1:],
            "cut": b"",
            "repeat": part * 2,
            "insert": bytes([byte]) + part,
            "zero": bytes(len(part)),
        }[kind]
        content = content[:at] + new + content[at + length :]
    return content


@fuzz
@given(text=st.sampled_from(CONFIGS), changes=mutations)
def test_mutated_configs(text: str, changes: list[tuple[str, float, int, int]], tmp_path: Path):
    path = tmp_path / "config.yaml"
    path.write_bytes(mutate(text.encode(), changes))
    try:
        build(load_config(path).config, [0])
    except LenetError as error:
        assert str(error)


@fuzz
@given(
    name=st.sampled_from(config_names()),
    keys=st.lists(
        st.sampled_from(sorted(flatten_config(load_config("quickstart").config))),
        min_size=1,
        max_size=3,
    ),
    values=st.lists(
        odd_values | st.integers().map(str) | st.floats().map(str), min_size=3, max_size=3
    ),
)
def test_odd_values_in_configs(name: str, keys: list[str], values: list[str]) -> None:
    overrides = [f"{key}={value}" for key, value in zip(keys, values, strict=False)]
    try:
        build(load_config(name, overrides).config, [0])
    except LenetError as error:
        assert str(error)


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Fifty training images of the sample, and ten test images."""
    whole = load_dataset("mnist-sample")
    return replace(
        whole,
        train=whole.train.take(torch.arange(0, 4000, 80)),
        test=whole.test.take(torch.arange(0, 1000, 100)),
    )


@slow_fuzz
@given(content=legal_configs(), seeds=st.integers(1, 2))
def test_any_config_that_is_accepted_trains(
    content: dict[str, Any],
    seeds: int,
    few: Dataset,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two steps are made; losses and weights may come out infinite, which is said."""
    monkeypatch.setattr(experiment, "load_data", lambda *arguments: few)
    try:
        config = load_config(content).config
        build(config, [config.seed])
    except LenetError:
        return
    steps = iter([False, False])
    root = tmp_path_factory.mktemp("runs")
    try:
        experiment.run_experiment(
            config, "run", seeds=seeds, device="cpu", root=root, stop=lambda: next(steps, True)
        )
    except LenetError as error:
        assert str(error)
    shutil.rmtree(root)


@fuzz
@given(
    header=st.sampled_from(
        [
            b"\0\0\x08\3\0\0\0\2\0\0\0\2\0\0\0\2",
            b"\0\0\x0c\2\0\0\0\2\0\0\0\1",
            b"\0\0\x08\1\0\0\0\x08",
        ]
    ),
    changes=mutations,
    packed=st.booleans(),
)
def test_mutated_idx_files(
    header: bytes, changes: list[tuple[str, float, int, int]], packed: bool, tmp_path: Path
) -> None:
    content = header + bytes(range(8))
    path = tmp_path / ("file.gz" if packed else "file")
    path.write_bytes(mutate(gzip.compress(content, mtime=0) if packed else content, changes))
    try:
        array, _ = read_idx(path)
    except LenetError as error:
        assert str(path) in str(error)
    else:
        assert array.dim() >= 1


@fuzz
@given(
    kind=st.sampled_from(["PNG", "JPEG", "BMP", "WEBP", "TIFF", "PPM"]),
    mode=st.sampled_from(["L", "RGB", "RGBA", "P", "1", "I;16", "F", "CMYK", "LA"]),
    size=st.tuples(st.integers(1, 90), st.integers(1, 90)),
    seed=st.integers(0, 99),
    changes=mutations,
)
def test_mutated_pictures(
    kind: str,
    mode: str,
    size: tuple[int, int],
    seed: int,
    changes: list[tuple[str, float, int, int]],
) -> None:
    """A digit is read in it, or the page, or it is refused."""
    tones = np.random.default_rng(seed).integers(0, 4, size, dtype=np.uint8) // 3 * 255
    image, file = Image.fromarray(tones), io.BytesIO()
    with suppress(OSError, KeyError, ValueError):  # no format knows all modes
        image = image.convert(mode)
        image.save(file, kind)
    for use in (digitize, lambda picture: group_marks(find_ink(picture), is_in_column)):
        try:
            use(decode_scaled(io.BytesIO(mutate(file.getvalue(), changes)), 100)[0])
        except PictureError as error:
            assert str(error)


@fuzz
@given(
    name=st.sampled_from([*AUGMENTATIONS, *CONTAINERS, *PRESETS, *TORCHVISION, *MIXINGS, "Foo"]),
    arguments=st.dictionaries(
        st.sampled_from(sorted(WORDS)) | st.text(max_size=3), plain_values, max_size=3
    )
    | plain_values,
    mixes=st.booleans(),
)
def test_odd_arguments_of_transforms(name: str, arguments: Any, mixes: bool) -> None:
    """They are refused, with their place, or digits come out as finite pixels."""
    images = torch.rand(3, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([0, 1, 2])
    try:
        if mixes:
            mixed, shares = build_mixing([{name: arguments}], 10)(images, labels, generator(0, "x"))
            assert mixed.isfinite().all() and shares.isfinite().all()
            return
        pipeline = build_pipeline([{name: arguments}])
        size = pipeline.output_size((28, 28))
        assert pipeline(images, labels, generator(0, "x")).isfinite().all()
        assert min(size) >= 1
    except UsageError as error:
        assert str(error) and error.path and error.path[0] == 0
    except RunError as error:  # another library's transform that fails on some images
        assert name in str(error)


class Begun:
    """A run stopped in its second epoch, its data, and the bytes of its files.

    No dataclass, for Hypothesis would print all fields of one, and refuse to print so much.
    """

    def __init__(self, run: Run, splits: Splits, files: dict[str, bytes]) -> None:
        self.run, self.splits, self.files = run, splits, files


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Begun:
    config = Config.model_validate(
        {
            "data": {"name": "mnist-sample", "train_size": 40},
            "model": {"kind": "mlp", "hidden": [4]},
            "loss": {"kind": "cross-entropy"},
            "optimizer": {"kind": "adamw"},
            "train": {"epochs": 2, "batch_size": 20, "ema": 0.9},
            "evaluate": {"pictures": False},  # seconds of each example, and they read nothing more
        }
    )
    splits = make_splits(load_dataset("mnist-sample"), config, CPU)
    test: Split = splits.test.take(torch.arange(0, 1000, 100))
    splits = Splits(splits.dataset, splits.train, splits.validation, test)
    run = Run.create("fuzz", config, tmp_path_factory.mktemp("runs"))
    steps: Iterator[bool] = iter([False, False, True, True])
    assert train(config, [run], splits, CPU, stop=lambda: next(steps)) is None
    run.write_json("environment.json", {})
    run.write_json(
        "result.json",
        {"seed": 0, "dataset": "mnist-sample", "epochs": 2, "errors/train": 3}
        | {"errors/test": 4, "n/test": 10, "loss/test": 0.5},
    )
    files = {p.name: p.read_bytes() for p in run.files() if "tfevents" not in p.name}
    return Begun(run, splits, files)


def restore(run: Run, files: dict[str, bytes]) -> None:
    for path in run.files():
        path.unlink()
    for name, content in files.items():
        (run.folder / name).write_bytes(content)


@slow_fuzz
@given(
    name=st.sampled_from(
        [
            "state.safetensors",
            "state.previous.safetensors",
            "weights.safetensors",
            "config.yaml",
            "metrics.jsonl",
            "timing.jsonl",
            "result.json",
        ]
    ),
    changes=mutations,
)
def test_run_folders_with_a_mutated_file(
    name: str,
    changes: list[tuple[str, float, int, int]],
    begun: Begun,
) -> None:
    run, splits, files = begun.run, begun.splits, begun.files
    restore(run, files)
    (run.folder / name).write_bytes(mutate(files[name], changes))
    for use in (
        lambda: table(list_runs(run.folder.parent.parent)),
        lambda: load_classifier(Run.open(run.folder)),
        lambda: train(run.config, [Run.open(run.folder)], splits, CPU),
    ):
        try:
            use()
        except LenetError as error:
            assert str(error)
    assert not list(run.folder.glob(".*.tmp"))


tensors = st.builds(
    lambda shape, dtype, value: torch.full(shape, value).to(dtype),
    st.lists(st.integers(0, 5), max_size=3),
    st.sampled_from([torch.float32, torch.float64, torch.float16, torch.int64, torch.bool]),
    st.sampled_from([0.0, 1.0, -3.0, 1e30, float("nan"), float("inf")]),
)


@slow_fuzz
@example(file="state", place=17, tensor=torch.tensor(-3.0), name=None, labels={})
@given(
    file=st.sampled_from(["state", "weights"]),
    place=st.integers(0, 60),
    tensor=tensors | st.none(),
    name=st.none() | st.text(max_size=20),
    labels=st.dictionaries(
        st.sampled_from(["epoch", "step", "format"]), st.sampled_from(["1", "2", "-1", "x", ""])
    ),
)
def test_checkpoints_made_to_deceive(
    file: str,
    place: int,
    tensor: torch.Tensor | None,
    name: str | None,
    labels: dict[str, str],
    begun: Begun,
) -> None:
    """Their checksums are right; a tensor is dropped, replaced, renamed or added."""
    run, splits, files = begun.run, begun.splits, begun.files
    restore(run, {n: c for n, c in files.items() if n != "state.previous.safetensors"})
    content: dict[str, Any] = (
        run.load_weights() if file == "weights" else next(iter(run.load_states().values()))
    )
    key = sorted(content)[place % len(content)]
    old = content.pop(key)
    if tensor is not None or name is not None:
        content[key if name is None else name] = old if tensor is None else tensor
    try:
        write_tensors(
            run.folder / f"{file}.safetensors", content, {"epoch": "1", "step": "1"} | labels
        )
        load_classifier(run)
        train(run.config, [run], splits, CPU)
    except LenetError as error:
        assert str(error)
