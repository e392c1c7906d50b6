"""What TensorBoard is given, read back from the event files."""

import errno
from pathlib import Path

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.custom_scalar import layout_pb2
from tensorboard.plugins.hparams import metadata as hparams_metadata
from tensorboard.summary.writer.record_writer import RecordWriter
from torch import nn

from lenet.cli.tensorboard import start_tensorboard
from lenet.config.load import load_config
from lenet.data.datasets import Dataset
from lenet.data.splits import make_splits
from lenet.errors import UsageError
from lenet.figures.seed_bands import write_seeds
from lenet.runs.run import Run
from lenet.training.tensorboard import (
    MOST_PICTURES,
    Dashboard,
    first_kernels,
    lacks_events,
    paint,
    write_events,
)
from lenet.training.train import train

ALL = {"images": 0, "scalars": 0, "tensors": 0, "histograms": 0}


def read(folder: Path) -> EventAccumulator:
    events = EventAccumulator(str(folder), size_guidance=ALL)
    events.Reload()
    return events


def begin(root: Path, *overrides: str, seed: int = 0) -> Run:
    settings = [
        "data.validation=100", "data.train_size=256", "train.epochs=2", "data.name=mnist-sample"
    ]  # fmt: skip
    config = load_config("quickstart", [*settings, *overrides], seed=seed).config
    return Run.create("small", config, root)


@pytest.fixture(scope="module")
def finished(sample: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Run:
    # 128 updates, of which the 50th and the 100th are looked at.
    settings = ["train.batch_size=4", "evaluate.histograms=true"]
    run = begin(tmp_path_factory.mktemp("runs"), *settings)
    train(
        run.config, [run], make_splits(sample, run.config, torch.device("cpu")), torch.device("cpu")
    )
    return run


def test_every_metric_is_a_scalar_of_the_same_name(finished: Run) -> None:
    events = read(finished.folder)
    lines = finished.lines("metrics.jsonl")
    for tag in set(lines[0]) - {"epoch"}:
        points = [(point.step, point.value) for point in events.Scalars(tag)]
        assert points == [(m["epoch"], pytest.approx(m[tag])) for m in lines], tag


def test_every_fiftieth_update_is_a_point_of_curves_of_its_own(finished: Run) -> None:
    events = read(finished.folder)
    tags = ("loss", "learning_rate", "gradient_norm", "images_per_second", "peak_memory_mb")
    curves = {tag: events.Scalars(f"step/{tag}") for tag in tags}
    assert all([point.step for point in curve] == [50, 100] for curve in curves.values())
    assert all(point.value > 0 for curve in curves.values() for point in curve)
    # One-cycle of two epochs of 64 updates: up to 0.05 after 32, then down to 0 after 128.
    expected = [0.05 * (128 - done) / 96 for done in (49, 99)]
    assert [point.value for point in curves["learning_rate"]] == pytest.approx(expected)


def test_the_errors_of_each_class_add_up_to_all(finished: Run) -> None:
    for line in finished.lines("metrics.jsonl"):
        for split in ("validation", "test"):
            by_class = [line[f"class_errors/{split}/{digit}"] for digit in range(10)]
            assert sum(by_class) == line[f"errors/{split}"]


def test_weights_have_histograms_if_the_config_says_so(finished: Run, tmp_path: Path) -> None:
    histograms = read(finished.folder).Histograms("weights/c1.weight")
    assert [each.step for each in histograms] == [1, 2]
    assert histograms[0].histogram_value.num == 150  # six kernels of 5×5
    dashboard = Dashboard(begin(tmp_path), 1)
    dashboard.show_weights(nn.Conv2d(1, 2, 3), 1)
    dashboard.close()
    assert read(dashboard.run.folder).Tags()["histograms"] == []


def test_a_resumed_run_keeps_the_updates_before_its_checkpoint_and_no_others(
    tmp_path: Path,
) -> None:
    run = begin(tmp_path)
    before = Dashboard(run, 1)
    for updates in (50, 100, 150):
        before.write_update(updates, {"step/loss": updates / 100})
    before.close()
    after = Dashboard(run, 2, updates=100)
    after.write_update(150, {"step/loss": 7.0})
    after.close()
    points = [(point.step, point.value) for point in read(run.folder).Scalars("step/loss")]
    assert points == [(50, 0.5), (100, 1.0), (150, 7.0)]


def test_the_result_is_written_once_beside_the_curves(finished: Run) -> None:
    events, result = read(finished.folder), finished.read_json("result.json")
    for part in ("train", "validation", "test"):
        (point,) = events.Scalars(f"Result/errors/{part}")
        assert (point.step, point.value) == (3, result[f"errors/{part}"])


def test_hyperparameters_are_written_without_describing_an_experiment(finished: Run) -> None:
    """The first description that TensorBoard finds would hide other runs' values."""
    content = read(finished.folder).summary_metadata
    tags = {tag for tag in content if tag.startswith("_hparams_")}
    assert tags == {
        hparams_metadata.SESSION_START_INFO_TAG,
        hparams_metadata.SESSION_END_INFO_TAG,
    }
    start = hparams_metadata.parse_session_start_info_plugin_data(
        content[hparams_metadata.SESSION_START_INFO_TAG].plugin_data.content
    )
    assert start.hparams["optimizer.lr"].number_value == 0.05
    assert start.hparams["model.kind"].string_value == "lenet5-modern"
    assert start.hparams["model.batch_norm"].string_value == "false"
    assert not any(key.startswith("evaluate.") for key in start.hparams)


def test_text_holds_config_and_result(finished: Run) -> None:
    events = read(finished.folder)
    (config,) = events.Tensors("config/text_summary")
    assert "kind: lenet5-modern" in config.tensor_proto.string_val[0].decode()
    (result,) = events.Tensors("result/text_summary")
    errors = finished.read_json("result.json")["errors/test"]
    assert f"{errors:,} errors / 1,000" in result.tensor_proto.string_val[0].decode()


def read_charts(folder: Path) -> dict[str, list[str]]:
    """Return the titles of the charts by category, and under each title what it draws."""
    (event,) = read(folder).Tensors("custom_scalars__config__")
    layout = layout_pb2.Layout.FromString(event.tensor_proto.string_val[0])
    return {
        f"{category.title}, {chart.title}": [
            *chart.multiline.tag, *(series.value for series in chart.margin.series)
        ]
        for category in layout.category
        for chart in category.chart
    }  # fmt: skip


def test_no_chart_is_laid_out_that_would_stay_empty(finished: Run, tmp_path: Path) -> None:
    assert "errors, validation: by epoch and class" in read_charts(finished.folder)
    Dashboard(begin(tmp_path, "data.validation=0"), 1).close()
    charts = read_charts(tmp_path / "small" / "0")
    assert charts["errors, by epoch"] == ["errors/(train|validation|test)$"]
    assert charts["errors, test: by epoch and class"] == ["class_errors/test/"]
    assert not any("validation" in title or "seeds" in title for title in charts)


def test_overwriting_a_run_removes_what_the_projector_had(finished: Run, tmp_path: Path) -> None:
    run = begin(tmp_path)
    (run.folder / "projector").mkdir()
    (run.folder / "projector" / "codes.tsv").write_text("1")
    (run.folder / "projector_config.pbtxt").write_text("")
    Run.create("small", run.config, tmp_path, overwrite=True)
    assert not (run.folder / "projector" / "codes.tsv").exists()
    assert not (run.folder / "projector_config.pbtxt").exists()


def test_a_run_that_concludes_again_hides_what_it_concluded_first(tmp_path: Path) -> None:
    run = begin(tmp_path)
    result = {"errors/test": 9, "n/test": 100, "kept_epoch": 2}
    for first_epoch, errors in ((1, 9), (3, 8)):
        dashboard = Dashboard(run, first_epoch)
        dashboard.conclude(result | {"errors/test": errors})
        dashboard.close()
    (point,) = read(run.folder).Scalars("Result/errors/test")
    assert point.value == 8


def break_files(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(RecordWriter, "write", fail)


def test_a_full_disk_costs_tensorboard_nothing_once_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, said = begin(tmp_path), list[str]()
    dashboard = Dashboard(run, 1, say=said.append)
    dashboard.write({"epoch": 1, "errors/test": 9})
    with monkeypatch.context() as broken:
        break_files(broken)
        dashboard.write({"epoch": 2, "errors/test": 8})
        dashboard.show_weights(nn.Conv2d(1, 2, 3), 2)
        assert [point.step for point in read(run.folder).Scalars("errors/test")] == [1]
    dashboard.write({"epoch": 3, "errors/test": 7})
    dashboard.close()
    assert "cannot be written: No space left on device" in said[0]
    assert len(said) == 2  # once, not at every epoch
    events = read(run.folder)
    assert [(p.step, p.value) for p in events.Scalars("errors/test")] == [(1, 9), (2, 8), (3, 7)]
    assert [image.step for image in events.Images("kernels")] == [2]
    assert len(list(run.folder.glob("events.out.tfevents.*"))) == 1


def test_a_finished_run_whose_events_are_lost_gets_them_back_from_its_numbers(
    sample: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = begin(tmp_path, "model={kind: linear}")
    splits = make_splits(sample, run.config, torch.device("cpu"))
    with monkeypatch.context() as broken:
        break_files(broken)
        train(run.config, [run], splits, torch.device("cpu"))
    assert run.finished
    assert lacks_events(run)
    write_events(run)
    assert not lacks_events(run)
    events = read(run.folder)
    for line in run.lines("metrics.jsonl"):
        for tag in set(line) - {"epoch"}:
            shown = {point.step: point.value for point in events.Scalars(tag)}
            assert shown[line["epoch"]] == pytest.approx(line[tag])
    assert len(events.Scalars("Result/errors/test")) == 1


def test_a_resumed_run_keeps_the_times_of_its_events(tmp_path: Path) -> None:
    run = begin(tmp_path)
    times = []
    for first_epoch in (1, 2):
        if first_epoch == 2:
            run.append("metrics.jsonl", {"epoch": 1, "errors/test": 9})
        dashboard = Dashboard(run, first_epoch)
        dashboard.write({"epoch": first_epoch, "errors/test": 9})
        dashboard.close()
        times.append(read(run.folder).Scalars("errors/test")[0].wall_time)
    assert times[0] == times[1]


def test_the_kernels_are_shown_by_epoch(finished: Run) -> None:
    assert [image.step for image in read(finished.folder).Images("kernels")] == [1, 2]


def test_many_epochs_show_their_kernels_evenly_spread(tmp_path: Path) -> None:
    run = begin(tmp_path, "train.epochs=120")
    dashboard = Dashboard(run, 1)
    for epoch in range(1, 121):
        dashboard.show_weights(nn.Conv2d(1, 2, 3), epoch)
    dashboard.close()
    steps = [image.step for image in read(run.folder).Images("kernels")]
    assert steps == list(range(3, 121, 3))
    assert len(steps) <= MOST_PICTURES


def test_kernels_are_blue_where_positive_and_orange_where_negative() -> None:
    painted = paint(torch.tensor([[[1.0, 0.0], [-1.0, 0.5]]]), zoom=1)
    assert painted.tolist() == [
        [[0, 114, 178], [255, 255, 255], [255, 255, 255]],
        [[213, 94, 0], [128, 184, 216], [255, 255, 255]],
    ]


def test_a_network_without_convolutions_has_no_kernels() -> None:
    assert first_kernels(nn.Linear(2, 2)) is None


def seeds_of(root: Path, *errors: list[int]) -> None:
    for seed, counts in enumerate(errors):
        run = begin(root, seed=seed)
        for number, count in enumerate(counts, 1):
            run.append("metrics.jsonl", {"epoch": number, "errors/test": count})
        run.write_json("result.json", {})


def test_means_over_seeds_are_a_run_of_their_own(tmp_path: Path) -> None:
    seeds_of(tmp_path, [100, 80], [110, 84])
    assert write_seeds(tmp_path) == {tmp_path / "small" / "seeds": 2}
    events = read(tmp_path / "small" / "seeds")
    shown = {
        bound: [(p.step, p.value) for p in events.Scalars(f"seeds/errors/test/{bound}")]
        for bound in ("mean", "low", "high")
    }
    sd = 8**0.5
    assert shown["mean"] == [(1, 105), (2, 82)]
    assert shown["low"] == [(1, pytest.approx(105 - 50**0.5)), (2, pytest.approx(82 - sd))]
    assert shown["high"] == [(1, pytest.approx(105 + 50**0.5)), (2, pytest.approx(82 + sd))]
    chart = {"errors, test: mean ± sd over seeds": ["seeds/errors/test/mean"]}
    assert read_charts(tmp_path / "small" / "seeds") == chart  # the others would be empty


def test_means_are_replaced_and_count_finished_seeds_only(tmp_path: Path) -> None:
    seeds_of(tmp_path, [100], [110])
    write_seeds(tmp_path)
    run = begin(tmp_path, seed=2)
    run.append("metrics.jsonl", {"epoch": 1, "errors/test": 900})
    write_seeds(tmp_path)
    folder = tmp_path / "small" / "seeds"
    assert len(list(folder.iterdir())) == 1
    assert [p.value for p in read(folder).Scalars("seeds/errors/test/mean")] == [105]


def test_means_are_written_again_only_when_more_seeds_have_finished(tmp_path: Path) -> None:
    seeds_of(tmp_path, [100], [110])
    known = write_seeds(tmp_path)
    said: list[str] = []
    assert write_seeds(tmp_path, said.append, known) == {} and said == []
    run = begin(tmp_path, seed=2)
    run.append("metrics.jsonl", {"epoch": 1, "errors/test": 120})
    run.write_json("result.json", {})
    assert write_seeds(tmp_path, said.append, known) == {tmp_path / "small" / "seeds": 3}
    assert "over 3 seeds" in said[0]


def test_an_experiment_whose_numbers_are_damaged_is_named_and_the_others_go_on(
    tmp_path: Path,
) -> None:
    seeds_of(tmp_path / "bad", [100], [110])
    seeds_of(tmp_path / "good", [100], [110])
    damaged = tmp_path / "bad" / "small" / "0" / "metrics.jsonl"
    damaged.write_text("{")
    blocked = tmp_path / "worse"
    seeds_of(blocked, [100], [110])
    (blocked / "small" / "seeds").write_text("in the way")
    said: list[str] = []
    known = write_seeds(tmp_path, said.append)
    assert set(known.values()) == {2}
    first, _, second = said
    assert str(damaged) in first
    assert first.startswith("no mean ± sd of ") and second.startswith("no mean ± sd of ")


def test_a_single_seed_has_no_mean(tmp_path: Path) -> None:
    seeds_of(tmp_path, [100])
    assert write_seeds(tmp_path) == {}


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nowhere is no folder"):
        start_tensorboard(tmp_path / "nowhere")
