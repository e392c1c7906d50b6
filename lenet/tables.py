"""Tables: as Markdown for a document, or fitted to the width of a terminal."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from io import StringIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import rich.console
    import rich.table

GAP = 2  # columns between two columns
BEST, WRONG, TOTAL = "bold green", "red", "bold"
"""How a terminal shows the best row, a wrong cell, and sums."""


@dataclass(frozen=True)
class Table:
    """Cells of text in rows below headings.

    Attributes:
        headings: One per column; none at all for a plain list.
        rows: Each with one cell per column.
        left: Columns of text, whose cells begin at the left and wrap; numbers end at the right and
            stay whole.
        optional: Columns that a narrow terminal leaves out, the first of them first.
        styles: How a terminal shows a row, or the cell of a (row, column): `BEST`, `WRONG`, …
        notes: Lines below the table.
        otherwise: What a terminal shows that is too narrow for this table.
    """

    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    left: frozenset[int] = field(default=frozenset({0}))
    optional: Sequence[int] = ()
    styles: Mapping[int | tuple[int, int], str] = field(default_factory=dict)
    notes: Sequence[str] = ()
    otherwise: "Table | None" = None

    def markdown(self) -> str:
        """Return the table for a document, with all columns."""
        rule = ("---" if column in self.left else "---:" for column in range(len(self.headings)))
        lines = [f"| {' | '.join(self.headings)} |", f"|{'|'.join(rule)}|"]
        lines += [f"| {' | '.join(row)} |" for row in self.rows]
        return "\n".join([*lines, *(f"\n{note}" for note in self.notes)])

    def __str__(self) -> str:
        """Return the table as text, as wide as it needs to be."""
        from rich.console import Console

        stream = StringIO()
        Console(file=stream, width=10_000).print(self)
        return "\n".join(line.rstrip() for line in stream.getvalue().splitlines())

    @property
    def narrowest(self) -> int:
        """Columns of a terminal below which words or numbers would break."""
        shown = [n for n in range(len(self._widest)) if n not in self.optional]
        return _total([self._narrowest[n] for n in shown])

    @cached_property
    def _widest(self) -> list[int]:
        """Return each column's width where there is room; headings of numbers take two lines."""
        widest = []
        for column, cells in enumerate(self._columns):
            heading, room = self._heading(column), max(map(len, cells), default=0)
            lines = 1 if column in self.left else 2
            widths = range(_longest_word(heading), len(heading) + 1)
            widest.append(max(room, next(w for w in widths if len(_wrap(heading, w)) <= lines)))
        return widest

    @cached_property
    def _narrowest(self) -> list[int]:
        """Return the width of each column's longest word, or of its longest number."""
        measure = (_longest_word if n in self.left else len for n in range(len(self._columns)))
        return [
            max(max(map(length, cells), default=0), _longest_word(self._heading(column)))
            for column, (length, cells) in enumerate(zip(measure, self._columns, strict=True))
        ]

    @property
    def _columns(self) -> list[tuple[str, ...]]:
        columns = list(zip(*self.rows, strict=True))
        return columns or [()] * len(self.headings)

    def _heading(self, column: int) -> str:
        return self.headings[column] if self.headings else ""

    def _fit(self, width: int) -> dict[int, int]:
        """Return the columns that a terminal has room for, and their widths."""
        shown = list(range(len(self._widest)))
        for column in self.optional:
            if _total([self._narrowest[n] for n in shown]) <= width:
                break
            shown.remove(column)
        widths = {n: self._widest[n] for n in shown}
        while _total(list(widths.values())) > width:
            shrinkable = [n for n in shown if widths[n] > self._narrowest[n]]
            if not shrinkable:
                break
            widths[max(shrinkable, key=lambda n: widths[n])] -= 1
        return widths

    def __rich_console__(
        self, console: "rich.console.Console", options: "rich.console.ConsoleOptions"
    ) -> "rich.console.RenderResult":
        """Yield the table for a terminal: text wraps between words, numbers stay whole."""
        import rich.box
        import rich.table
        from rich.text import Text

        if self.otherwise and self.narrowest > options.max_width:
            yield self.otherwise
            return
        widths = self._fit(options.max_width)
        table = rich.table.Table(
            box=rich.box.SIMPLE_HEAD if self.headings else None,
            show_edge=False,
            pad_edge=False,
            padding=(0, 1 if self.headings else GAP, 0, 0),
            show_header=bool(self.headings),
        )
        for column, width in widths.items():
            table.add_column(
                Text("\n".join(_wrap(self._heading(column), width))),
                justify="left" if column in self.left else "right",
                vertical="top",
                width=width,
                no_wrap=True,
            )
        styled = {key if isinstance(key, int) else key[0] for key in self.styles}
        plain: list[list[str]] = []  # rows of a line each, which are drawn faster as one

        def add_plain() -> None:
            if plain:
                table.add_row(*(Text("\n".join(cells)) for cells in zip(*plain, strict=True)))
                plain.clear()

        for number, row in enumerate(self.rows):
            cells = ["\n".join(_wrap(row[column], width)) for column, width in widths.items()]
            if number not in styled and not any("\n" in cell for cell in cells):
                plain.append(cells)
                continue
            add_plain()
            table.add_row(  # plain text: brackets in a cell are no markup
                *(
                    Text(cell, style=self.styles.get((number, column), ""))
                    for column, cell in zip(widths, cells, strict=True)
                ),
                style=self.styles.get(number),
            )
        add_plain()
        # What has no room wraps in the terminal, rather than be cut.
        room = max(options.max_width, _total(list(widths.values())))
        yield from console.render(table, options.update(width=room))
        for note in self.notes:
            # On a terminal lines break between words; in a pipe they stay whole.
            if options.is_terminal:
                yield Text("\n".join(_wrap(note, options.max_width)), overflow="fold")
            else:
                yield Text(note, overflow="ignore")
        hidden = [heading for n, heading in enumerate(self.headings) if n not in widths]
        if hidden:
            yield Text(f"no room for: {', '.join(hidden)}", style="dim")


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + GAP * (len(widths) - 1)


def _words(text: str) -> list[str]:
    """Split text where it may break: after blanks, and after - / , before a word, as in a/the.

    What belongs to a number stays with it: ``5 %``, ``41.4 ± 2.9``, ``82 / 10,000``, ``3x 4 → 9``.
    """
    blank = r"(?<= )(?![%→])(?<![±→] )(?<!\dx )(?<!\d / )(?!(?<=\d )[±/] \d)"
    return re.split(rf"{blank}|(?<=[/,-])(?=[^\W\d]{{2}})", text)


def _longest_word(text: str) -> int:
    return max((len(word.rstrip()) for word in _words(text)), default=0)


def _wrap(text: str, width: int) -> list[str]:
    """Break text into lines of at most `width`, unless a word is longer."""
    if len(text) <= width:
        return [text]
    lines = [""]
    for word in _words(text):
        if lines[-1] and len((lines[-1] + word).rstrip()) > width:
            lines[-1] = lines[-1].rstrip()
            lines.append("")
        lines[-1] += word
    return [line.rstrip() for line in lines]
