"""Experiments made of several runs: train what is missing, tabulate what is there.

A new study is a module with a `Study`, and a line in the table `STUDIES`.
"""

from collections.abc import Sequence
from dataclasses import replace

from lenet.errors import UsageError
from lenet.studies.beyond import BEYOND
from lenet.studies.fashion import FASHION
from lenet.studies.figure9 import FIGURE9
from lenet.studies.frontier import FRONTIER
from lenet.studies.ladder import LADDER
from lenet.studies.lecture import NEIGHBOURS, PADDING, POOLING, PRIOR_KNOWLEDGE
from lenet.studies.records import RECORDS
from lenet.studies.study import Study

STUDIES: dict[str, Study] = {
    study.name: study
    for study in (
        FIGURE9, LADDER, RECORDS, FRONTIER, POOLING, PADDING, NEIGHBOURS, PRIOR_KNOWLEDGE, FASHION,
        BEYOND,
    )
}  # fmt: skip
"""The studies by name."""


def choose_studies(names: Sequence[str]) -> list[Study]:
    """Return the named studies; rows of Figure 9 may be named instead of all of it.

    Args:
        names: Of studies and of rows of Figure 9; without any, Figure 9 is meant.

    Raises:
        UsageError: There is no such study or row.
    """
    rows = {row.name: row for row in FIGURE9.rows}
    for name in names:
        if name not in STUDIES and name not in rows:
            raise UsageError(
                f"no study {name!r}; there are {', '.join(STUDIES)},"
                f" and the rows of {FIGURE9.name}: {', '.join(rows)}"
            )
    named = tuple(row for name, row in rows.items() if name in names)
    chosen = {name: study for name, study in STUDIES.items() if name in names}
    if named and FIGURE9.name not in chosen:
        chosen = {FIGURE9.name: replace(FIGURE9, rows=named)} | chosen
    return [*chosen.values()] or [FIGURE9]
