"""A name on the command line means one run or several."""

from functools import partial
from pathlib import Path

import pytest

from lenet.config.load import load_config
from lenet.errors import UsageError
from lenet.runs.find import find_earlier, name_run, open_runs
from lenet.runs.run import Run


def finished_run(root: Path, seed: int) -> Run:
    run = Run.create("net", load_config("modern/plain", seed=seed).config, root)
    run.write_json("result.json", {})
    return run


def test_a_folder_is_one_run_and_its_parent_all_seeds(tmp_path: Path) -> None:
    runs = [finished_run(tmp_path, seed) for seed in (0, 1)]
    Run.create("net", load_config("modern/plain", seed=2).config, tmp_path)  # unfinished
    assert open_runs(str(runs[1].folder)) == [runs[1]]
    assert open_runs(str(tmp_path / "net")) == runs


def test_a_run_is_named_as_commands_find_it(tmp_path: Path, monkeypatch) -> None:
    run = finished_run(tmp_path, 3)
    assert name_run(run) == str(tmp_path / "net" / "3")
    monkeypatch.chdir(tmp_path)
    (published,) = open_runs("published:lenet5/2")
    assert name_run(published) == "published:lenet5/2"


def test_what_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is neither a run nor a folder of runs"):
        open_runs(str(tmp_path))
    with pytest.raises(UsageError, match="no published run 'lenet-6'; did you mean 'lenet5'"):
        open_runs("published:lenet-6")
    with pytest.raises(UsageError, match=r"no published run '[.]{2}/"):
        open_runs("published:../..")


OWN = ["data.name=files", "data.path=a", "data.classes=[x, y]", "data.size=28", "data.channels=1"]


@pytest.mark.parametrize(
    ("theirs", "ours", "held_out"),
    [
        ([], ["data.validation=100"], "validation"),
        (["data.validation=200"], ["data.validation=100"], "validation"),
        (["data.validation=100"], ["data.validation=100", "data.split_seed=1"], "validation"),
        ([], ["data.name=mnist-sample", "data.validation=100"], "validation"),
        (OWN, [*OWN, "data.split_seed=1"], "test"),
        (OWN, [*OWN, "data.test_share=0.5"], "test"),
        (OWN, [*OWN, "data.validation=2"], "validation"),
        # Other images: nothing of them is held out.
        ([], ["data.name=fashion-mnist", "data.validation=100"], None),
        ([], [*OWN, "data.validation=2"], None),
        (OWN, [*OWN, "data.path=b", "data.validation=2", "data.split_seed=1"], None),
        (["data.validation=100"], ["data.validation=100"], None),
        (["data.validation=100"], [], None),
    ],
)
def test_a_network_that_has_learned_from_held_out_images_is_no_start(
    theirs: list[str], ours: list[str], held_out: str | None, tmp_path: Path
) -> None:
    run = Run.create("net", load_config("modern/plain", theirs).config, tmp_path)
    run.write_json("result.json", {})
    config = load_config("modern/plain", ours).config
    earlier = partial(find_earlier, str(run.folder), config, ("train", "from"), same_classes=False)
    if held_out is None:
        assert earlier() == [run]
    else:
        with pytest.raises(UsageError, match=f"from images that are {held_out} images here"):
            earlier()


@pytest.mark.parametrize(
    ("ours", "message"),
    [
        (["data.name=fashion-mnist"], "knows other classes than there are here"),
        (["data.name=svhn"], "sees 1 channel, not 3"),
    ],
)
def test_teachers_know_the_same_classes_in_as_many_channels(
    ours: list[str], message: str, tmp_path: Path
) -> None:
    run = finished_run(tmp_path, 0)
    config = load_config("modern/plain", ours).config
    with pytest.raises(UsageError, match=message) as refused:
        find_earlier(str(run.folder), config, ("distil", "teacher"))
    assert refused.value.path == ("distil", "teacher")
