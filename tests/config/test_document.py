"""YAML documents: places, plainness, merging, overriding."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lenet.config.document import Node, Place, override, parse, read_document
from lenet.errors import UsageError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("5E4", 50000.0),
        ("-.5", -0.5),
        ("1.", 1.0),
        ("010", 10),
        ("on", "on"),
        ("No", "No"),
        ("true", True),
        ("~", None),
        ("1:30", "1:30"),
        ("2026-01-01", "2026-01-01"),
        ("'1'", "1"),
        ("[1, a]", [1, "a"]),
    ],
)
def test_scalars_are_read_as_yaml_1_2_reads_them(text: str, value: object) -> None:
    assert parse(text, "t").plain() == value


def test_every_value_knows_the_line_and_column_of_its_key() -> None:
    root = parse("a:\n  b: 1\n  c: [x, y]\n", "f.yaml")
    assert str(root.nearest(("a", "b")).place) == "f.yaml:2:3"
    assert str(root.nearest(("a", "c", 1)).place) == "f.yaml:3:10"


def test_the_nearest_written_parent_stands_for_a_missing_key() -> None:
    root = parse("a:\n  b: 1\n", "f.yaml")
    assert root.nearest(("a", "z")).place == Place("f.yaml", 1, 1)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a: 1\na: 2", "f:2:1: key 'a' is given twice, first at f:1:1"),
        ("a: [1", "f:1:6: not YAML"),
        ("a: &x 1\nb: *x", "f:1:4: aliases and deep nesting"),
        ("a: !!python/name:os.system x", "f:1:4: tags such as .*python/name"),
        ("? [1]\n: 2", "f:1:3: a key must be a word or a whole number"),
        ("true: 2", "f:1:1: a key must be a word or a whole number"),
        ("[" * 50 + "]" * 50, "deep nesting"),
        ("a: \x00", "f: not YAML"),
    ],
)
def test_what_is_no_plain_yaml_is_refused_with_its_place(text: str, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        parse(text, "f")


def test_merging_goes_key_by_key_and_replaces_lists() -> None:
    base = parse("a: {x: 1, y: 2}\nl: [1, 2]", "base")
    merged = base.merged(parse("a: {y: 3}\nl: [9]", "change"))
    assert merged.plain() == {"a": {"x": 1, "y": 3}, "l": [9]}
    assert merged.nearest(("a", "y")).place.source == "change"
    assert merged.nearest(("a", "x")).place.source == "base"


def test_a_section_of_another_kind_starts_afresh() -> None:
    base = parse("m: {kind: mlp, hidden: [3]}", "base")
    assert base.merged(parse("m: {kind: linear}", "c")).plain() == {"m": {"kind": "linear"}}
    same = base.merged(parse("m: {kind: mlp, dropout: 0.1}", "c")).plain()
    assert same == {"m": {"kind": "mlp", "hidden": [3], "dropout": 0.1}}


def test_an_override_reaches_into_sections_and_lists() -> None:
    root = parse("a: {b: 1}\nl: [{x: 1}, {x: 2}]", "f")
    assert override(root, "a.c.d=1e-3").plain()["a"] == {"b": 1, "c": {"d": 0.001}}
    assert override(root, "l.1.x=[3, 4]").plain()["l"] == [{"x": 1}, {"x": [3, 4]}]
    assert str(override(root, "a.b=2").nearest(("a", "b")).place) == "--set a.b=2"


@pytest.mark.parametrize("text", ["a", "=1", "l.2.x=1", "l.x=1", "a=[1"])
def test_an_impossible_override_is_refused_by_name(text: str) -> None:
    root = parse("l: [{x: 1}, {x: 2}]", "f")
    with pytest.raises(UsageError, match="--set"):
        override(root, text)


def test_a_document_must_be_a_readable_mapping(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    with pytest.raises(UsageError, match="cannot be read"):
        read_document(path)
    for content in (b"", b"- 1", b"word", b"\xff\xfe\x00"):
        path.write_bytes(content)
        with pytest.raises(UsageError, match=r"c\.yaml"):
            read_document(path)
    path.write_bytes(b"#" * 1_000_001)
    with pytest.raises(UsageError, match="1,000,001 bytes, more than the 1,000,000 allowed"):
        read_document(path)


@given(st.text(max_size=200))
def test_any_text_is_either_parsed_or_refused(text: str) -> None:
    try:
        node = parse(text, "f")
    except UsageError:
        return
    assert isinstance(node, Node)


def test_a_picture_that_is_named_as_a_config_is_told_from_one(tmp_path: Path) -> None:
    path = tmp_path / "1.jpg"
    path.write_bytes(b"\xff\xd8\xff")
    with pytest.raises(UsageError, match="no YAML file: byte 0 is no text in UTF-8; pictures are"):
        read_document(path)
