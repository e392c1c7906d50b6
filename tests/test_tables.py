"""Tables for documents and for terminals."""

import io
from typing import Any

from rich.console import Console

from lenet.tables import BEST, Table

TABLE = Table(
    ["network", "test errors of 10,000", "of"],
    [["[dist] LeNet-5, a long label", "73.4 ± 5.9", "5 seeds"], ["MLP", "137", "1 seed"]],
    frozenset({0, 2}),
)


def printed(width: int, table: Table = TABLE, **settings: Any) -> str:
    stream = io.StringIO()
    Console(file=stream, width=width, **settings).print(table, crop=False)
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


def test_names_break_after_slashes_and_numbers_never() -> None:
    table = Table(
        ["experiment", "test"], [["modern/lenet5,epochs=60", "83 / 10,000"], ["60,000 %", "7"]]
    )
    assert [line.rstrip() for line in printed(25, table).splitlines()] == [
        "experiment           test",
        "─────────────────────────",
        "modern/       83 / 10,000",
        "lenet5,",
        "epochs=60",
        "60,000 %                7",
    ]


def test_a_narrow_terminal_leaves_optional_columns_out_and_names_them() -> None:
    table = Table(["run", "minutes", "errors"], [["a", "1.5", "83"]], optional=(1,))
    assert "minutes" in printed(30, table).splitlines()[0]
    head, _, row, *note = printed(12, table).splitlines()
    assert (head.split(), row.split()) == (["run", "errors"], ["a", "83"])
    assert " ".join(map(str.strip, note)) == "no room for: minutes"
    assert "minutes" in printed(40, table) and "no room" not in printed(40, table)


def test_a_table_that_cannot_fit_gives_way_to_another_or_stays_whole() -> None:
    wide = Table(["class", "1234567890", "errors"], [["a", "1", "2"]])
    assert "1234567890" in printed(10, wide)
    other = Table(["class"], [["a"]])
    assert "errors" not in printed(10, Table(wide.headings, wide.rows, otherwise=other))


def test_the_best_row_has_a_colour_on_a_terminal_only() -> None:
    table = Table(["run", "errors"], [["a", "83"], ["b", "79"]], styles={1: BEST})
    terminal = {"force_terminal": True, "color_system": "standard"}
    *_, a, b = printed(80, table, **terminal, no_color=False).splitlines()
    assert "32m" in b and "32m" not in a
    assert "32m" not in printed(80, table, **terminal, no_color=True)
    assert "\x1b" not in printed(80, table)


def test_markdown_has_notes_below_and_text_has_them_too() -> None:
    table = Table(["run"], [["a"]], notes=["mean: 3"])
    assert table.markdown().endswith("| a |\n\nmean: 3")
    assert str(table).endswith("mean: 3")


def test_numbers_stay_with_what_belongs_to_them() -> None:
    table = Table(["a"], [["of 41.4 ± 2.9 errors / 10,000"], ["the paper's ± 0.1 %"]])
    lines = [line.strip() for line in printed(11, table).splitlines()]
    assert lines[2:] == ["of", "41.4 ± 2.9", "errors /", "10,000", "the paper's", "± 0.1 %"]
    pairs = Table(["a"], [["115x 5 → 3, 7x 9 → 4"]])
    assert [line.strip() for line in printed(13, pairs).splitlines()[2:]] == [
        "115x 5 → 3,",
        "7x 9 → 4",
    ]


def test_notes_break_between_words_on_a_terminal_and_stay_whole_in_a_pipe() -> None:
    table = Table(["run"], [["a"]], notes=["one two three four"])
    shown = printed(10, table, force_terminal=True, color_system=None)
    assert [line.rstrip() for line in shown.splitlines()[-2:]] == ["one two", "three four"]
    assert printed(10, table).splitlines()[-1].rstrip() == "one two three four"


def test_headings_of_numbers_take_two_lines_at_most_where_there_is_room() -> None:
    head = printed(80, Table(["run", "errors of 10,000"], [["a", "9"]])).splitlines()[:2]
    assert [line.split() for line in head] == [["errors", "of"], ["run", "10,000"]]
