"""Search for the config with the fewest validation errors, with Optuna.

All workers, on any number of machines, share a storage: a journal file on a shared disk, or a
database. Each trial is an ordinary run, in ``RUNS/NAME/trial-0007/SEED``. Workers record a
heartbeat; if it stops, another worker continues the trial from its last checkpoint.
"""

import io
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock
from optuna.trial import FrozenTrial, Trial, TrialState
from sqlalchemy.exc import SQLAlchemyError

from lenet.config.load import dump_config, load_config
from lenet.config.schema import Config
from lenet.data.datasets import Dataset
from lenet.data.own import complete, is_complete
from lenet.data.splits import Splits, make_splits
from lenet.device import choose_device
from lenet.errors import DivergedError, LenetError, RunError, UsageError, count, shell
from lenet.runs.files import write_atomically
from lenet.runs.lock import is_locked, lock
from lenet.runs.run import Run
from lenet.statistics import describe_accuracy
from lenet.studies.search_space import Range, Space
from lenet.training.build import build, check_images
from lenet.training.distributed import World
from lenet.training.environment import check_origin, redact_passwords
from lenet.training.experiment import begin_runs, load_data
from lenet.training.train import train

SILENCE_SECONDS = 120.0
"""Time without a heartbeat after which another worker continues the trial."""

HEARTBEAT, CONTINUES = "heartbeat", "continues"
"""Attributes of a trial: the time of its last heartbeat, and the trial that it continues."""

BEGUN = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING)
"""States of trials that count; one that failed is continued by another."""

SEARCH = "search"
"""Attribute of the study that holds the config and the space."""


class Journal(JournalFileBackend):  # type: ignore[misc]  # mypy does not look into Optuna
    """A journal that survives a writer who died, or whose disk was full, in the middle of a line.

    Nobody has read such a line. Left where it is, the next one would be glued to it.

    Args:
        path: The file, made if need be.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self.path = path

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Cut off half a line at the end, then append."""
        if not self._is_whole():
            lock = JournalFileSymlinkLock(str(self.path))
            lock.acquire()
            try:  # once more, now that nobody else is writing
                if not self._is_whole():
                    os.truncate(self.path, self.path.read_bytes().rfind(b"\n") + 1)
            finally:
                lock.release()
        super().append_logs(logs)

    def _is_whole(self) -> bool:
        with self.path.open("rb") as stream:
            size = stream.seek(0, os.SEEK_END)
            stream.seek(max(size - 1, 0))
            return stream.read() in (b"", b"\n")


@dataclass(frozen=True)
class Sweep:
    """A search, as each of its workers sees it.

    Attributes:
        source: The config file that the trials change.
        overrides: Changes that all trials share.
        space: What is searched.
        name: Of the study; its runs lie below ``root/name``.
        root: The folder of the runs.
        storage: A database's URL; None: the file ``root/name/study.journal``.
        seed: What the sampler derives from.
        silence_seconds: Time without a heartbeat after which another worker continues a trial.
    """

    source: str
    overrides: list[str]
    space: Space
    name: str
    root: Path
    storage: str | None = None
    seed: int = 0
    silence_seconds: float = SILENCE_SECONDS

    @property
    def folder(self) -> Path:
        """Where the trials' runs, the journal and the best config lie."""
        return self.root / self.name

    def open(self, worker: int = 0) -> optuna.Study:
        """Create the study, or join it.

        Raises:
            UsageError: The storage cannot be used, or holds another search of this name.
        """
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            storage: BaseStorage = (
                RDBStorage(self.storage, engine_kwargs={"pool_pre_ping": True})
                if self.storage
                else JournalStorage(Journal(self.folder / "study.journal"))
            )
            study = optuna.create_study(
                storage=storage,
                study_name=self.name,
                sampler=optuna.samplers.TPESampler(seed=self.seed + worker),
                pruner=optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=1),
                direction="minimize",
                load_if_exists=True,
            )
        except Exception as error:  # whatever a database driver raises
            first = redact_passwords(str(error).splitlines()[0])
            raise UsageError(f"the storage {self.place} cannot be used: {first}") from error
        self._check_same(study)
        return study

    @property
    def place(self) -> str:
        """The storage, without a password, for messages."""
        return redact_passwords(self.storage or str(self.folder / "study.journal"))

    def _check_same(self, study: optuna.Study) -> None:
        """Write into a new study what it searches; refuse one that searches something else."""
        search = {
            "config": self.config({}).model_dump(mode="json"),
            "space": {key: values.model_dump() for key, values in self.space.items()},
        }
        known = study.user_attrs.get(SEARCH)
        if known is None:
            study.set_user_attr(SEARCH, search)
            return
        for part, now in search.items():
            for key in now.keys() | known[part].keys():
                if now.get(key) != known[part].get(key):
                    raise UsageError(
                        f"{self.name} is another search, in {part} {key}: choose another --name"
                    )

    def config(self, values: dict[str, Any]) -> Config:
        """Return the config of a trial.

        Raises:
            UsageError: A key is unknown or a value illegal.
        """
        changes = [f"{key}={json.dumps(value)}" for key, value in values.items()]
        return load_config(self.source, [*self.overrides, *changes]).config


def work(
    sweep: Sweep,
    trials: int,
    *,
    worker: int = 0,
    device: str = "auto",
    data: Path | None = None,
    stop: Callable[[], bool] = lambda: False,
    say: Callable[[str], None] = lambda line: None,
) -> None:
    """Run trials until the study has `trials` finished ones, of all workers together.

    Raises:
        UsageError: The config has no validation images, or the storage cannot be used.
        RunError: The data are missing, a training failed, or the storage is gone meanwhile.
    """
    with _explaining(sweep):
        _work(sweep, trials, worker, device, data, stop, say)


@contextmanager
def _explaining(sweep: Sweep) -> Iterator[None]:
    """Turn what a storage raises that was there at first into a sentence."""
    try:
        yield
    except (SQLAlchemyError, StorageInternalError, OSError) as error:
        cause = error.__cause__ if isinstance(error, StorageInternalError) else error
        first = redact_passwords(str(cause or error).strip().splitlines()[0])
        raise RunError(
            f"the storage {sweep.place} is gone: {first}\nthe same command continues from here"
        ) from error


def _work(
    sweep: Sweep,
    trials: int,
    worker: int,
    device: str,
    data: Path | None,
    stop: Callable[[], bool],
    say: Callable[[str], None],
) -> None:
    study = sweep.open(worker)
    chosen = choose_device(device)
    cache: dict[str, tuple[Dataset, Splits]] = {}

    while not stop():
        _requeue_lost(study, sweep)
        waiting = study.get_trials(deepcopy=False, states=[TrialState.WAITING])
        begun = study.get_trials(deepcopy=False, states=BEGUN)
        if len(begun) >= trials and not waiting:
            if all(t.state.is_finished() for t in begun):
                return
            time.sleep(min(1.0, sweep.silence_seconds / 4))  # another worker's trial may be lost
            continue
        trial = study.ask()
        before = [t for t in study.get_trials(False, BEGUN) if t.number < trial.number]
        if len(before) >= trials and CONTINUES not in trial.user_attrs:
            study.tell(trial, state=TrialState.FAIL)  # other workers began the last ones meanwhile
            continue
        trial.set_user_attr(HEARTBEAT, time.time())
        try:
            values = {key: _suggest(trial, key, sweep) for key in sweep.space}
            config = sweep.config(values)
            if config.data.validation == 0:
                raise UsageError("a sweep needs data.validation: the test set chooses nothing")
            key = config.data.model_dump_json()
            dataset, splits = cache.get(key, (None, None))
            if not is_complete(config):
                dataset = dataset or load_data(config, data, say)
                config = complete(config, dataset)
            components = build(config, [config.seed], chosen)
            if dataset is None or splits is None:
                dataset = dataset or load_data(config, data, say)
                splits = make_splits(dataset, config, chosen, components.distort)
                cache[key] = dataset, splits
            check_images(components, splits)
            run = _open_run(sweep, trial, config)
            check_origin(run, dataset, components.checksums(config.seed))
            begin_runs([run], components, dataset, splits, World(0, 1, chosen), say)
            watch = _Watch(study, trial, run, stop)
            with lock(run.folder):
                done = train(config, [run], splits, chosen, stop=watch, components=components)
        except UpdateFinishedTrialError:
            say(f"trial {trial.number}: continued by another worker, as the heartbeat was late")
            continue
        except DivergedError:
            _tell(study, trial, None)
            say(f"trial {trial.number}: diverged with {describe_values(values)}")
            continue
        except LenetError:
            study.tell(trial, state=TrialState.FAIL)
            raise
        described = describe_values(values)
        if done is not None:
            errors = done[0]["errors/validation"]
            _tell(study, trial, errors)
            say(f"trial {trial.number}: {describe_trial(config, errors)} with {described}")
        elif watch.pruned:
            _tell(study, trial, None)
            say(f"trial {trial.number}: pruned after epoch {watch.epochs} with {described}")
        else:  # stopped; whoever comes next continues it
            _requeue(study, study.trials[trial.number])


def describe_values(values: Mapping[str, Any]) -> str:
    """Write what a trial tries, floats to four digits: ``optimizer.lr=0.03538``."""
    texts = (
        f"{key}={v:.4g}" if isinstance(v, float) else f"{key}={v}" for key, v in values.items()
    )
    return ", ".join(texts)


def write_best(sweep: Sweep) -> tuple[Path, FrozenTrial]:
    """Write the best trial's config as YAML, ready for `lenet train`, and the importance plot.

    Raises:
        UsageError: No trial is complete.
    """
    with _explaining(sweep):
        study = sweep.open()
        complete = study.get_trials(deepcopy=False, states=[TrialState.COMPLETE])
    if not complete:
        raise UsageError(f"no trial of {sweep.name} is complete")
    best = min(complete, key=lambda t: (t.value, t.number))
    path = sweep.folder / "best.yaml"
    config = sweep.config(best.params)
    header = (
        f"# The best of {len(complete)} complete trials of {sweep.name}: trial {best.number},"
        f" {describe_trial(config, best.value)}.\n# Command: {shell('lenet', 'train', path)}\n"
    )
    write_atomically(path, (header + dump_config(config)).encode())
    if len(complete) > 1 and len({t.value for t in complete}) > 1:
        _plot_importances(study, sweep.folder / "importance.png")
    return path, best


def describe_trial(config: Config, errors: float) -> str:
    """Write the errors of a trial's config as ``52 validation errors (accuracy 99.48 %)``."""
    accuracy = describe_accuracy(errors, config.data.validation)
    return f"{count(int(errors), 'validation error')} (accuracy {accuracy})"


def _tell(study: optuna.Study, trial: Trial, errors: int | None) -> None:
    """End a trial with its errors, or None if it was pruned."""
    state = TrialState.COMPLETE if errors is not None else TrialState.PRUNED
    # Skipped if another worker ended it, to go on with it: that one's result is the same.
    study.tell(trial, errors, state=state, skip_if_finished=True)


class _Watch:
    """Called after each step of a trial: reports its epochs, and says when to prune or stop."""

    def __init__(
        self, study: optuna.Study, trial: Trial, run: Run, stop: Callable[[], bool]
    ) -> None:
        self.study, self.trial, self.run, self.stop = study, trial, run, stop
        self.metrics = run.folder / "metrics.jsonl"
        self.epochs = 0
        self.pruned = False
        self.size = 0
        self.spoke = time.monotonic()

    def __call__(self) -> bool:
        if time.monotonic() - self.spoke > 10:
            self.trial.set_user_attr(HEARTBEAT, time.time())
            self.spoke = time.monotonic()
        size = self.metrics.stat().st_size if self.metrics.exists() else 0
        if size != self.size:
            self.size = size
            for line in self.run.lines("metrics.jsonl")[self.epochs :]:
                self.epochs = line["epoch"]
                if "errors/validation" in line:
                    self.trial.report(line["errors/validation"], self.epochs)
            self.pruned = self.trial.should_prune()
        return self.pruned or self.stop()


def _open_run(sweep: Sweep, trial: Trial, config: Config) -> Run:
    """Create the run of a trial, or open that of the lost trial that it continues.

    Raises:
        UsageError: The folder holds a run of another config.
    """
    first = trial.user_attrs.get(CONTINUES, trial.number)
    folder = sweep.folder / f"trial-{first:04d}" / str(config.seed)
    if (folder / "config.yaml").is_file():
        run = Run.open(folder)
        if run.config != config:
            raise UsageError(f"{folder} is another search's: remove it, or choose another --name")
        return run
    return Run.create(f"{sweep.name}/trial-{first:04d}", config, sweep.root)


def _suggest(trial: Trial, key: str, sweep: Sweep) -> Any:
    values = sweep.space[key]
    if not isinstance(values, Range):
        return trial.suggest_categorical(key, values.choices)
    if values.whole:
        return trial.suggest_int(
            key, int(values.low), int(values.high), step=int(values.step or 1), log=values.log
        )
    return trial.suggest_float(key, values.low, values.high, step=values.step, log=values.log)


def _requeue_lost(study: optuna.Study, sweep: Sweep) -> None:
    """Requeue trials without a heartbeat whose run is not locked by a live process."""
    for trial in study.get_trials(deepcopy=False, states=[TrialState.RUNNING]):
        spoke = trial.user_attrs.get(HEARTBEAT)
        if spoke is None:
            assert trial.datetime_start is not None
            spoke = trial.datetime_start.timestamp()
        # A busy worker may miss heartbeats, but holds the lock.
        if time.time() - spoke > sweep.silence_seconds:
            first = trial.user_attrs.get(CONTINUES, trial.number)
            locks = (sweep.folder / f"trial-{first:04d}").glob("*/lock")
            if not any(is_locked(path.parent) for path in locks):
                _requeue(study, trial)


def _requeue(study: optuna.Study, trial: FrozenTrial) -> None:
    """End a trial, and queue one that continues it."""
    try:
        study.tell(trial.number, state=TrialState.FAIL)
    except (ValueError, RuntimeError):
        return  # another worker was faster
    first = trial.user_attrs.get(CONTINUES, trial.number)
    study.enqueue_trial(trial.params, user_attrs={CONTINUES: first})


def _plot_importances(study: optuna.Study, path: Path) -> None:
    """Plot Optuna's importance of each searched key for the validation errors."""
    import warnings

    import matplotlib

    matplotlib.use("Agg")
    with warnings.catch_warnings():  # Optuna says that its matplotlib plots are experimental
        warnings.simplefilter("ignore")
        axes = optuna.visualization.matplotlib.plot_param_importances(
            study, evaluator=optuna.importance.PedAnovaImportanceEvaluator()
        )
    picture = io.BytesIO()
    axes.figure.savefig(picture, format="png", dpi=150, bbox_inches="tight")
    write_atomically(path, picture.getvalue())
