from pathlib import Path

import pytest
import torch

from lenet.config.load import load_config
from lenet.config.schema import Config
from lenet.errors import RunError, UsageError
from lenet.runs.files import write_tensors
from lenet.runs.find import find_runs
from lenet.runs.run import DAMAGED, Position, Run, check_name

CONFIG = Config.model_validate(
    {"model": {"kind": "linear"}, "loss": {"kind": "cross-entropy"}, "optimizer": {"kind": "sgd"}}
)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.create("name", CONFIG, tmp_path)


def save(run: Run, value: float, position: Position) -> None:
    run.save_state({"w": torch.tensor([value])}, position)


def test_a_run_opens_as_it_was_created(run: Run) -> None:
    assert Run.open(run.folder) == run
    assert run.folder.parts[-2:] == ("name", "0")
    assert not run.begun
    assert not run.finished


def test_the_config_in_the_folder_runs_again_as_it_is(run: Run) -> None:
    assert load_config(run.folder / "config.yaml").config == CONFIG


def test_a_run_is_not_replaced_unasked(run: Run, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds an unfinished run; --resume continues it"):
        Run.create("name", CONFIG, tmp_path)
    run.write_json("result.json", {})
    with pytest.raises(UsageError, match="holds a finished run; --overwrite replaces it"):
        Run.create("name", CONFIG, tmp_path)


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("file", ["thesis.json", "weights.safetensors", "result.json", "figures"])
def test_a_folder_with_files_that_make_no_run_is_left_alone(
    file: str, overwrite: bool, tmp_path: Path
) -> None:
    folder = tmp_path / "name" / "0"
    folder.mkdir(parents=True)
    (folder / file).mkdir() if file == "figures" else (folder / file).write_text("mine")
    with pytest.raises(UsageError, match=f"no config.yaml, but it is not empty: it holds '{file}'"):
        Run.create("name", CONFIG, tmp_path, overwrite=overwrite)
    assert [path.name for path in folder.iterdir()] == [file]


def test_a_run_begins_where_one_was_cut_short_before_its_config(tmp_path: Path) -> None:
    folder = tmp_path / "name" / "0"
    folder.mkdir(parents=True)
    for left in ("lock", ".config.yaml.tmp"):
        (folder / left).touch()
    assert Run.create("name", CONFIG, tmp_path).folder == folder


def test_a_replaced_run_leaves_nothing_of_its_own_but_what_others_put_there(run: Run) -> None:
    save(run, 1.0, Position(1, 5))
    run.append("metrics.jsonl", {"epoch": 1})
    run.figures.mkdir()
    (run.figures / "curves.png").touch()
    own = ["figures/thesis.odt", "notes.txt", "plan.json"]
    for name in own:
        (run.folder / name).write_text("mine")
    Run.create("name", CONFIG, run.folder.parent.parent, overwrite=True)
    left = [p.relative_to(run.folder).as_posix() for p in run.folder.rglob("*") if p.is_file()]
    assert sorted(left) == ["config.yaml", *own]


@pytest.mark.parametrize("name", ["", "..", "a/../../b", "/etc", "a//b", ".hidden", "a\\b", "a b"])
def test_names_cannot_leave_their_folder(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is no name for a run"):
        Run.create(name, CONFIG, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_names_may_have_parts() -> None:
    check_name("paper/lenet5,lr=0.1")


def test_what_is_no_run_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is no run folder"):
        Run.open(tmp_path)


def test_runs_with_damaged_configs_are_not_listed(run: Run, tmp_path: Path) -> None:
    other = Run.create("other", CONFIG, tmp_path)
    (run.folder / "config.yaml").write_text("model: [")
    assert find_runs(tmp_path) == [other]


def test_lines_come_back_in_order(run: Run) -> None:
    run.append("metrics.jsonl", {"epoch": 1, "errors/test": 100})
    run.append("metrics.jsonl", {"epoch": 2, "errors/test": 90})
    assert [line["errors/test"] for line in run.lines("metrics.jsonl")] == [100, 90]
    assert run.lines("timing.jsonl") == []


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b'{"epoch": 1}\n{"epoch"', "is damaged"),
        (b"\xff\xfe", "is damaged"),
        (b"[" * 100_000, "is damaged"),
        (b"[1]\n", "metrics.jsonl:1 is damaged: expected an epoch's numbers"),
        (b'{"epoch": 1}\n{"errors": 3}\n', "metrics.jsonl:2 is damaged"),
        (b'{"epoch": 1, "errors/test": "many"}\n', "errors/test is no number"),
    ],
)
def test_damaged_lines_are_named(run: Run, content: bytes, fault: str) -> None:
    (run.folder / "metrics.jsonl").write_bytes(content)
    with pytest.raises(RunError, match=fault):
        run.lines("metrics.jsonl")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b"[" * 100_000, b"9" * 10_000])
def test_damaged_json_is_named(run: Run, content: bytes) -> None:
    (run.folder / "result.json").write_bytes(content)
    with pytest.raises(RunError, match=r"result\.json is damaged"):
        run.read_json("result.json")


def test_the_two_newest_checkpoints_are_kept(run: Run) -> None:
    for step in (1, 2, 3):
        save(run, float(step), Position(1, step))
    states = run.load_states()
    assert [(position.step, state["w"].item()) for position, state in states.items()] == [
        (3, 3.0),
        (2, 2.0),
    ]


def test_a_damaged_checkpoint_is_named_set_aside_and_the_one_before_it_used(run: Run) -> None:
    for step in (1, 2):
        save(run, float(step), Position(1, step))
    newest = run.folder / "state.safetensors"
    newest.write_bytes(newest.read_bytes()[:-1] + b"\x80")
    said: list[str] = []
    assert list(run.load_states(said.append)) == [Position(1, 1)]
    assert f"{newest} is damaged" in said[0]
    assert "the other checkpoint is used" in said[1]
    assert not newest.exists()
    # The next checkpoint does not push the good one out for the damaged one.
    save(run, 3.0, Position(1, 3))
    assert list(run.load_states()) == [Position(1, 3), Position(1, 1)]
    assert (run.folder / DAMAGED).exists()


def test_when_all_checkpoints_are_damaged_nothing_is_touched(run: Run) -> None:
    for step in (1, 2):
        save(run, float(step), Position(1, step))
    names = ["state.safetensors", "state.previous.safetensors"]
    for name in names:
        (run.folder / name).write_bytes(b"damaged")
    for _ in range(2):
        with pytest.raises(RunError) as error:
            run.load_states()
        assert all(name in str(error.value) for name in names)
        assert "--overwrite begins anew" in str(error.value)


def test_a_checkpoint_of_another_format_is_not_passed_over(run: Run) -> None:
    save(run, 1.0, Position(1, 1))
    state = run.folder / "state.safetensors"
    state.write_bytes(state.read_bytes().replace(b'format\\": \\"1', b'format\\": \\"2'))
    with pytest.raises(RunError, match="has format 2"):
        run.load_states()


def test_a_checkpoint_that_does_not_say_how_far_it_had_come_is_damaged(run: Run) -> None:
    write_tensors(run.folder / "state.safetensors", {"w": torch.ones(1)}, {"epoch": "one"})
    with pytest.raises(RunError, match="does not say how far it had come"):
        run.load_states()


def test_a_kill_between_moving_and_replacing_leaves_a_checkpoint(run: Run) -> None:
    save(run, 1.0, Position(1, 1))
    state = run.folder / "state.safetensors"
    state.replace(run.folder / "state.previous.safetensors")
    assert list(run.load_states()) == [Position(1, 1)]


def test_rewinding_drops_later_epochs_and_files_cut_short(run: Run) -> None:
    for number in (1, 2, 3):
        run.append("metrics.jsonl", {"epoch": number, "loss/test": 0.1 * number})
    before = (run.folder / "metrics.jsonl").read_text().splitlines()
    (run.folder / ".weights.safetensors.tmp").write_bytes(b"half")
    (run.folder / "events.out.tfevents.1").write_bytes(b"")
    run.rewind(Position(3, 7))
    assert (run.folder / "metrics.jsonl").read_text().splitlines() == before[:2]
    assert not (run.folder / ".weights.safetensors.tmp").exists()
    assert (run.folder / "events.out.tfevents.1").exists()


def test_weights_come_back(run: Run) -> None:
    run.save_weights({"w": torch.tensor([1.0, 2.0])})
    torch.testing.assert_close(run.load_weights(), {"w": torch.tensor([1.0, 2.0])})
