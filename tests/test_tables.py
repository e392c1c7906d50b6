"""Tables for documents and for terminals."""

import io

from rich.console import Console

from lenet.tables import Table

TABLE = Table(
    ["network", "test errors of 10,000", "of"],
    [["[dist] LeNet-5, a long label", "73.4 ± 5.9", "5 seeds"], ["MLP", "137", "1 seed"]],
    frozenset({0, 2}),
)


def printed(width: int) -> str:
    stream = io.StringIO()
    Console(file=stream, width=width).print(TABLE)
    return stream.getvalue()


def test_markdown_has_a_rule_that_aligns_numbers_right() -> None:
    assert TABLE.markdown().splitlines() == [
        "| network | test errors of 10,000 | of |",
        "|---|---:|---|",
        "| [dist] LeNet-5, a long label | 73.4 ± 5.9 | 5 seeds |",
        "| MLP | 137 | 1 seed |",
    ]


def test_a_heading_wraps_to_its_columns_width() -> None:
    assert [line.rstrip() for line in printed(80).splitlines()] == [
        "                              test errors",
        "network                         of 10,000  of",
        "──────────────────────────────────────────────────",
        "[dist] LeNet-5, a long label   73.4 ± 5.9  5 seeds",
        "MLP                                   137  1 seed",
    ]


def test_in_a_narrow_terminal_labels_wrap_and_numbers_stay_whole() -> None:
    lines = printed(40).splitlines()
    assert max(map(len, lines)) <= 40
    assert sum("73.4 ± 5.9" in line for line in lines) == 1
    assert not any("a long label" in line for line in lines)


def test_no_colour_is_written_where_there_is_no_terminal() -> None:
    assert "\x1b" not in printed(80)
