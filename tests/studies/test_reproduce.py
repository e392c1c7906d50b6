import json
import shlex
from pathlib import Path

import pytest

from lenet.config.load import load_config
from lenet.errors import RunError, UsageError
from lenet.figures import style
from lenet.figures.reproduction import draw_bars, draw_sizes
from lenet.runs.run import Run
from lenet.studies import reproduce
from lenet.studies.reproduce import ROWS, choose_rows, markdown, measure, table


def finish(root, name, errors, train_rate=0.0035):
    """Write folders of finished runs, one per error count."""
    for seed, count in enumerate(errors):
        config = load_config(f"paper/{name}", [f"seed={seed}"]).config
        run = Run.create(f"paper/{name}", config, root)
        run.append("metrics.jsonl", {"epoch": 20, "accuracy/train": 1 - train_rate})
        run.write_json("result.json", {"errors/test": count, "n/test": 10_000})


@pytest.fixture(autouse=True)
def nothing_published(monkeypatch):
    monkeypatch.setattr(reproduce, "PLACES", ())


def epochs(row):
    """How often a row's network sees 60,000 images: 20 times as in the paper, but for two kinds."""
    if row.name == "lush":
        return 30
    small_perceptron = row.name.startswith("mlp-") and "1000" not in row.name
    return 12 if small_perceptron else 20


def test_every_row_has_a_config_of_its_own_number_of_epochs_by_the_papers_rule():
    for row in ROWS.values():
        config = load_config(row.config).config
        assert config.optimizer.kind == "sdlm"
        assert config.train.order == "constant"
        assert config.train.epochs == epochs(row), row.name
        assert config.data.validation == 0


def test_distorted_rows_see_as_many_images_an_epoch_as_the_others():
    for name, row in ROWS.items():
        config = load_config(row.config).config
        if name.endswith("-distorted"):
            assert config.train.images_per_epoch == 60_000
            assert config.data.distorted_copies == 9


@pytest.mark.parametrize(
    ("errors", "verdict"),
    [([105, 105], "inside"), ([85, 85], "inside"), ([106, 106], "worse"), ([80, 88], "better")],
)
def test_verdict_is_inside_up_to_a_tenth_of_a_per_cent(tmp_path, errors, verdict):
    finish(tmp_path, "lenet5", errors)
    assert measure([ROWS["lenet5"]], tmp_path)[0].verdict == verdict


def test_numbers_come_from_the_finished_runs(tmp_path):
    finish(tmp_path, "lenet5", [90, 100, 98])
    finish(tmp_path, "lenet1", [170])
    (tmp_path / "paper/lenet5/2/result.json").unlink()
    lenet1, lenet5 = measure(choose_rows([]), tmp_path)
    assert lenet5.as_dict() == {
        "row": "lenet5",
        "label": "LeNet-5",
        "source": "Figure 9",
        "paper_percent": 0.95,
        "mean_percent": 0.95,
        "sd_percent": 0.0707,
        "seeds": 2,
        "train_percent": 0.35,
        "verdict": "inside",
    }
    assert "| LeNet-5 | 0.95 | 0.95 ± 0.07 | 2 | 0.35 | inside |" in markdown([lenet1, lenet5])
    assert "| [16x16] LeNet-1 | 1.70 | 1.70 | 1 |" in markdown([lenet1, lenet5])
    assert "0.95 ± 0.07" in table([lenet1, lenet5])


def test_no_finished_run_is_no_row(tmp_path):
    assert measure(choose_rows([]), tmp_path) == []
    assert table([]) == "no finished runs"


def test_unknown_rows_are_refused():
    with pytest.raises(UsageError, match="no row 'lenet6'; there are linear"):
        choose_rows(["lenet5", "lenet6"])


def test_what_is_finished_is_not_trained_again(tmp_path):
    finish(tmp_path, "lenet5", [95, 96])
    said = []
    reproduce.train_missing([ROWS["lenet5"]], 2, 1, tmp_path, say=said.append)
    assert said == []


def test_a_stage_waits_for_those_that_it_learns_from(tmp_path, monkeypatch):
    running, said = set(), []

    class Training:
        """Stands for the process: finished when first asked."""

        returncode = 0

        def __init__(self, command, **_):
            self.config = command[4]
            said.append((self.config, set(running), command[5:]))
            running.add(self.config)

        def poll(self):
            finish(tmp_path, self.config.removeprefix("paper/"), [80])
            running.discard(self.config)
            return 0

    monkeypatch.setattr(reproduce.subprocess, "Popen", Training)
    monkeypatch.setattr(reproduce, "POLL_SECONDS", 0)
    reproduce.train_missing([ROWS["boosted-lenet4"]], 1, 3, tmp_path)
    first, second, third = said
    assert [name for name, *_ in said] == [
        "paper/lenet4-distorted",
        "paper/boosted-lenet4-second",
        "paper/boosted-lenet4",
    ]
    assert all(beside == set() for _, beside, _ in said)
    assert "--set" not in first[2]
    one, other = (str(tmp_path / name) for name, *_ in said[:2])
    assert f'data.boosting.earlier=["{one}"]' in second[2]
    assert f'data.boosting.earlier=["{one}", "{other}"]' in third[2]


def test_a_training_that_fails_is_said_with_the_command_that_shows_why(tmp_path, monkeypatch):
    class Training:
        """Stands for a process that failed."""

        returncode = 2

        def __init__(self, *_, **__):
            pass

        def poll(self):
            return 2

    finish(tmp_path, "lenet4-distorted", [80])
    monkeypatch.setattr(reproduce.subprocess, "Popen", Training)
    monkeypatch.setattr(reproduce, "POLL_SECONDS", 0)
    with pytest.raises(RunError) as failure:
        reproduce.train_missing([ROWS["boosted-lenet4"]], 1, 1, tmp_path)
    command = shlex.split(str(failure.value).split("`")[1])
    assert command[:3] == ["lenet", "train", "paper/boosted-lenet4-second"]
    assert f'data.boosting.earlier=["{tmp_path}/paper/lenet4-distorted"]' in command


def test_rows_that_need_nothing_are_trained_beside_each_other(tmp_path, monkeypatch):
    most = []

    class Training:
        """Stands for the process: finished when asked for the second time."""

        returncode = 0
        alive = 0

        def __init__(self, command, **_):
            self.name, self.asked = command[4].removeprefix("paper/"), 0
            Training.alive += 1
            most.append(Training.alive)

        def poll(self):
            self.asked += 1
            if self.asked < 2:
                return None
            finish(tmp_path, self.name, [80])
            Training.alive -= 1
            return 0

    monkeypatch.setattr(reproduce.subprocess, "Popen", Training)
    monkeypatch.setattr(reproduce, "POLL_SECONDS", 0)
    reproduce.train_missing(choose_rows(["linear", "lenet1", "lenet5"]), 1, 2, tmp_path)
    assert most == [1, 2, 1]
    assert len(measure(choose_rows([]), tmp_path)) == 3


def test_a_boosted_row_counts_its_networks_together(tmp_path):
    finish(tmp_path, "boosted-lenet4", [400])
    result = tmp_path / "paper/boosted-lenet4/0/result.json"
    result.write_text('{"errors/test": 400, "errors/test-together": 70, "n/test": 10000}')
    (row,) = measure([ROWS["boosted-lenet4"]], tmp_path)
    assert row.percents == [0.7]
    assert row.verdict == "inside"


def test_progress_needs_a_finished_epoch_to_know_how_long_it_takes():
    assert reproduce._progress(40, 40, 12.0) == "0 of 40 epochs"
    assert reproduce._progress(40, 30, 600.0) == "10 of 40 epochs, about 30 minutes left"


def test_figures_are_drawn_from_any_rows(tmp_path):
    for name in ("lenet5-15k", "lenet5", "lenet5-distorted"):
        finish(tmp_path, name, [90, 91])
    measured = measure(choose_rows([]), tmp_path)
    for name, draw in (("figure9.png", draw_bars), ("figure6.png", draw_sizes)):
        style.save(draw(measured), Path(tmp_path) / name)
        assert (tmp_path / name).stat().st_size > 5_000


def test_rows_are_written_for_machines(tmp_path):
    finish(tmp_path, "lenet5", [95])
    content = json.dumps([m.as_dict() for m in measure(choose_rows(["lenet5"]), tmp_path)])
    assert json.loads(content)[0]["sd_percent"] is None
