"""Tables: as Markdown for a document, or fitted to the width of a terminal."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import rich.table


@dataclass(frozen=True)
class Table:
    """Cells of text in rows below headings.

    Attributes:
        headings: One per column.
        rows: Each with one cell per column.
        left: Columns whose cells begin at the left; numbers end at the right.
    """

    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    left: frozenset[int] = field(default=frozenset({0}))

    def markdown(self) -> str:
        """Return the table for a document."""
        rule = ("---" if column in self.left else "---:" for column in range(len(self.headings)))
        lines = [f"| {' | '.join(self.headings)} |", f"|{'|'.join(rule)}|"]
        return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in self.rows)])

    def __rich__(self) -> "rich.table.Table":
        """Return the table for a terminal: numbers stay whole, headings and first cells wrap."""
        import rich.box
        import rich.table
        from rich.text import Text

        table = rich.table.Table(
            box=rich.box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0)
        )
        for column, heading in enumerate(self.headings):
            widest = max((len(row[column]) for row in self.rows), default=0)
            # Wrapped here: a heading must not widen its column at the cost of the first one.
            narrowest = max(-(-len(heading) // 2), *map(len, heading.split()), 1)
            lines = textwrap.wrap(heading, max(widest, narrowest))
            table.add_column(
                Text("\n".join(lines)),
                justify="left" if column in self.left else "right",
                no_wrap=column > 0,
            )
        for row in self.rows:
            table.add_row(*map(Text, row))  # plain: brackets in a cell are no markup
        return table
