"""Beyond MNIST: what networks that learned from MNIST get wrong in other people's handwriting.

A picture of a digit is read as by ``lenet predict``, a line as by ``lenet scan``: it is right if
all its digits are. Of grids, as by ``lenet scan --grid``, each cell counts. Networks that read
lines are asked for lines alone.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from lenet.data.pictures import Picture, PictureError, guarded_decoding, read_picture
from lenet.data.written import SETS, HandwrittenSet, Written, find_written
from lenet.evaluation.classifier import Ensemble, load_classifier
from lenet.reading.digitize import prepare
from lenet.reading.grid import cut_cells, find_grid, read_cells
from lenet.reading.lines import scan_lines
from lenet.reading.scan import PAGE_SIDE, Found, cut_marks, order_lines
from lenet.statistics import summarize
from lenet.studies.study import Column, Measured, Row, Study


@dataclass(frozen=True)
class SetReading:
    """A set of pictures, to be read by one network after another.

    Attributes:
        name: Its key in `SETS`.
        written: Its pictures and what is written in them.
        say: Takes a progress message per network.
    """

    name: str
    written: Written
    say: Callable[[str], None]
    _wrong: dict[tuple[str, bool], list[int]] = field(default_factory=dict, repr=False)

    @property
    def kind(self) -> HandwrittenSet:
        """What the set is."""
        return SETS[self.name]

    def count_wrong(self, measured: Measured) -> list[int]:
        """Count what each seed of a row, or its ensemble, reads wrongly; nothing if it cannot."""
        row = measured.row
        if self.kind.shows != "line" and _reads_lines(measured):
            return []
        key = row.experiment, row.ensemble
        if key not in self._wrong:
            self.say(f"{self.kind.label}: {row.label}")
            seeds = [load_classifier(run, lines=True) for run in measured.runs]
            together = [seeds] if row.ensemble else [[seed] for seed in seeds]
            self._wrong[key] = [self._count(Ensemble(networks)) for networks in together]
        return self._wrong[key]

    @cached_property
    def n(self) -> int:
        """What can be wrong: pictures, or cells of grids."""
        texts = self.written.texts
        return sum(len(t.replace("\n", "")) for t in texts) if self.is_grid else len(texts)

    @property
    def is_grid(self) -> bool:
        """Whether its cells count one by one."""
        return self.kind.shows == "grid"

    def _count(self, network: Ensemble) -> int:
        if self.is_grid:
            grids = (read_cells(network, *cut).text() if cut else "" for cut in self._grids)
            return self.n - sum(
                cell == right != "\n"
                for read, text in zip(grids, self.written.texts, strict=True)
                for cell, right in zip(read, text, strict=False)
            )
        if network.classifiers[0].reads_lines:
            read = [_scan(network, picture) for picture in self.written.pictures]
            return sum(a != b for a, b in zip(read, self.written.texts, strict=True))
        inks, marks = self._cut
        digits = network(torch.from_numpy(inks)).argmax(dim=1).tolist()
        texts = ("".join(str(digits[mark]) for mark in found) for found in marks)
        return sum(text != right for text, right in zip(texts, self.written.texts, strict=True))

    @cached_property
    def _grids(self) -> list[tuple[Any, Any] | None]:
        with guarded_decoding():
            pairs = zip(self.written.pictures, self.written.texts, strict=True)
            return [_cut_grid(picture, text.split("\n")) for picture, text in pairs]

    @cached_property
    def _cut(self) -> tuple[npt.NDArray[np.float32], list[list[int]]]:
        """The marks of all pictures, (N, 28, 28), and of each picture theirs in reading order."""
        if self.kind.shows == "digit":
            found = [
                ([seen.ink], [0]) if seen else ([], [])
                for _, seen, _ in prepare(self.written.pictures)
            ]
        else:
            with guarded_decoding():
                found = [_cut_line(picture) for picture in self.written.pictures]
        starts = np.cumsum([0, *(len(inks) for inks, _ in found)])
        marks = [
            [int(start) + mark for mark in order]
            for start, (_, order) in zip(starts, found, strict=False)
        ]
        return np.stack([ink for inks, _ in found for ink in inks]), marks


def _reads_lines(measured: Measured) -> bool:
    """Whether a row's networks read lines; their test errors are composed strings, not digits."""
    return measured.runs[0].config.data.strings is not None


def _scan(network: Ensemble, given: Path | Picture) -> str:
    """Return what a network that reads lines reads in a picture; nothing if it cannot be read."""
    try:
        with guarded_decoding():
            picture = read_picture(given, PAGE_SIDE) if isinstance(given, Path) else given
        return scan_lines(network, picture).text()
    except PictureError:
        return ""


def _cut_grid(given: Path | Picture, rows: list[str]) -> tuple[Any, Any] | None:
    """Return a grid's crossings and cells, or None if it is not found."""
    try:
        picture = read_picture(given, PAGE_SIDE) if isinstance(given, Path) else given
        nodes = find_grid(picture, (len(rows), len(rows[0])))
        return nodes, cut_cells(picture, nodes)
    except PictureError:
        return None


def _cut_line(given: Path | Picture) -> tuple[list[npt.NDArray[np.float32]], list[int]]:
    """Return a picture's marks, and their numbers in reading order."""
    try:
        picture = read_picture(given, PAGE_SIDE) if isinstance(given, Path) else given
        inks, boxes = cut_marks(picture)
    except PictureError:
        return [], []
    lines = order_lines([Found(mark, 1.0, box) for mark, box in enumerate(boxes)])
    return [*inks], [found.digit for line in lines for found in line if found.digit is not None]


def _complete(study: Study, data: Path | None, say: Callable[[str], None]) -> Study:
    """Return the study with a column per set that is found, and a note on each."""
    columns, notes, readings = list(study.columns), list(study.notes), []
    for name, kind in SETS.items():
        written = find_written(name, data)
        if isinstance(written, str):
            notes.append(f"{kind.label}: skipped, {written}.")
            continue
        reading = SetReading(name, written, say)
        readings.append(reading)
        columns.append(Column(kind.label, partial(_percent, reading), optional=True))
        shown = "cell" if reading.is_grid else kind.shows
        notes.append(f"{kind.label}: {reading.n:,} {shown}s ({written.about}).")

    def details(measured: Measured) -> dict[str, Any]:
        counted = {r.name: (r.count_wrong(measured), r.n) for r in readings}
        return {name: {"wrong": wrong, "n": n} for name, (wrong, n) in counted.items()}

    return replace(study, columns=tuple(columns), notes=tuple(notes), details=details)


def _percent(reading: SetReading, measured: Measured) -> str:
    wrong = reading.count_wrong(measured)
    if not wrong:
        return "–"
    return f"{summarize([100 * n / reading.n for n in wrong]):.1f}"


BEYOND = Study(
    "beyond",
    "wrong, %",
    (
        Row(label="linear", config="paper/linear"),
        Row(label="LeNet-1", config="paper/lenet1"),
        Row(label="LeNet-4", config="paper/lenet4"),
        Row(label="LeNet-5 of 1998", config="paper/lenet5"),
        Row(label="LeNet-5 of 1998, distortions", config="paper/lenet5-distorted"),
        Row(label="LeNet-5 without F6", config="paper/lush"),
        Row(label="modern LeNet-5, two epochs", config="modern/speedrun"),
        Row(label="modern LeNet-5, plain", config="modern/plain"),
        Row(label="modern LeNet-5", config="modern/lenet5"),
        Row(label="five of these LeNet-5s", config="modern/lenet5", ensemble=True),
        Row(label="compact", config="modern/compact"),
        Row(label="five of these compact", config="modern/compact", ensemble=True),
        Row(label="handwriting", config="modern/handwriting", seeds=1),
        Row(label="line-base", config="reading/line-base", runs="line-base", seeds=1),
        Row(label="line", config="reading/line", runs="line", seeds=1),
    ),
    (Column("MNIST", lambda m: "–" if _reads_lines(m) else f"{m.percent:.2f}"),),
    complete=_complete,
    trains=False,
)
"""The published networks that come with weights; nobody trains for this."""
