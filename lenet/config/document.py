"""YAML documents whose values know where they were written.

The YAML is the plain part of YAML 1.2: ``1e-3`` is a number, ``on`` is a word, a key given twice is
an error, and there are no anchors, aliases or tags.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from lenet.errors import UsageError, read_plain

KeyPath = tuple[str | int, ...]

PLAIN_TAGS = {
    f"tag:yaml.org,2002:{t}" for t in ("null", "bool", "int", "float", "str", "seq", "map")
}
MAX_BYTES = 1_000_000
MAX_DEPTH = 40


@dataclass(frozen=True, order=True)
class Place:
    """Where something was written."""

    source: str
    """The file, or the option on the command line."""
    line: int = 0
    """The first is 1; 0 for an option."""
    column: int = 0

    def __str__(self) -> str:
        return f"{self.source}:{self.line}:{self.column}" if self.line else self.source


@dataclass(frozen=True)
class Node:
    """A value and where it was written; a key's value stands where the key does."""

    value: Any
    """A dict of nodes, a list of nodes, or a plain value."""
    place: Place

    def plain(self) -> Any:
        """Return the value without places."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value

    def child(self, key: str | int) -> "Node | None":
        """Return what stands under a key or list index, or None."""
        found: Node | None = None
        if isinstance(self.value, dict):
            found = self.value.get(key)
        elif isinstance(self.value, list) and isinstance(key, int) and key < len(self.value):
            found = self.value[key]
        return found

    def nearest(self, path: KeyPath) -> "Node":
        """Return the node at a path, or its nearest parent that was written."""
        node = self
        for key in path:
            child = node.child(key)
            if child is None:
                break
            node = child
        return node

    def merged(self, change: "Node") -> "Node":
        """Lay `change` over this node: sections key by key, anything else as a whole.

        A section whose `kind` changes starts afresh: the old kind's keys mean nothing to the new.
        """
        if not isinstance(self.value, dict) or not isinstance(change.value, dict):
            return change
        old_kind, new_kind = self.child("kind"), change.child("kind")
        if old_kind and new_kind and old_kind.value != new_kind.value:
            return change
        merged = dict(self.value)
        for key, node in change.value.items():
            merged[key] = merged[key].merged(node) if key in merged else node
        return Node(merged, change.place)


def read_document(path: Path) -> Node:
    """Read a file that holds a mapping.

    Raises:
        UsageError: It cannot be read, is no plain YAML, or holds no mapping.
    """
    try:
        text = read_plain(path, MAX_BYTES).decode()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{path}: no YAML file: byte {error.start} is no text in UTF-8; pictures are named by"
            " the folder that holds a folder per class"
        ) from error
    node = parse(text, str(path))
    if not isinstance(node.value, dict):
        raise UsageError(f"{node.place}: expected sections such as `model:`")
    return node


def parse(text: str, source: str) -> Node:
    """Parse YAML.

    Args:
        text: The document.
        source: What stands for it in messages.

    Raises:
        UsageError: It is no plain YAML; the message says where.
    """
    try:
        loader = _Loader(text)
        tree = loader.get_single_node()
        if tree is None:
            return Node(None, Place(source, 1, 1))
        return _node(loader, tree, source, set(), 0)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = Place(source, mark.line + 1, mark.column + 1) if mark else source
        raise UsageError(f"{where}: not YAML: {error.problem or error.context}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UsageError(f"{source}: not YAML: {error}") from error


def as_node(value: Any, place: Place) -> Node:
    """Return plain values, as a YAML file would hold them, as a node; all stand at one place."""
    if isinstance(value, Mapping):
        return Node({key: as_node(item, place) for key, item in value.items()}, place)
    if isinstance(value, list | tuple):
        return Node([as_node(item, place) for item in value], place)
    return Node(value, place)


def override(root: Node, text: str) -> Node:
    """Apply one ``section.key=value``; a list's entries are reached by number.

    Raises:
        UsageError: It has another form, or the list has no such entry.
    """
    dotted, equals, value = text.partition("=")
    option = f"--set {text if len(text) <= 80 else text[:79] + '…'}"
    if not equals or not dotted.strip():
        raise UsageError(f"{option}: expected section.key=value")
    place = Place(option)
    parsed = parse(value, option)
    words = dotted.strip().split(".")
    if len(words) > MAX_DEPTH:
        raise UsageError(f"{option[:60]}…: a key has at most {MAX_DEPTH} parts")
    keys = [int(word) if re.fullmatch("[0-9]{1,9}", word) else word for word in words]

    def changed(node: Node | None, rest: Sequence[str | int]) -> Node:
        if not rest:
            new = Node(parsed.value, place)
            return node.merged(new) if node else new
        first, *others = rest
        if node is not None and isinstance(node.value, list):
            if not isinstance(first, int) or first >= len(node.value):
                raise UsageError(f"{option}: {dotted}: the list has {len(node.value)} entries")
            items = list(node.value)
            items[first] = changed(items[first], others)
            return Node(items, node.place)
        change = Node({first: changed(node.child(first) if node else None, others)}, place)
        return node.merged(change) if node else change

    return changed(root, keys)


def dotted(path: KeyPath) -> str:
    """Write a path as ``section.key``."""
    return ".".join(map(str, path))


class _Loader(yaml.SafeLoader):
    """Safe YAML with YAML 1.2's numbers and booleans."""


_Loader.yaml_implicit_resolvers = {
    first: [
        (tag, pattern)
        for tag, pattern in resolvers
        if tag.rsplit(":", 1)[1] not in ("bool", "float", "int", "timestamp")
    ]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
for _tag, _pattern, _first in (
    ("bool", r"^(?:true|false)$", "tf"),
    ("int", r"^[-+]?[0-9]+$", "-+0123456789"),
    (
        "float",
        r"^[-+]?(?:(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+)$",
        "-+.0123456789",
    ),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), list(_first))
# YAML 1.1 reads 010 as eight; here it is ten.
_Loader.add_constructor("tag:yaml.org,2002:int", lambda loader, node: int(node.value))


def _node(loader: _Loader, tree: yaml.Node, source: str, seen: set[int], depth: int) -> Node:
    """Turn a node of PyYAML's into ours."""
    place = Place(source, tree.start_mark.line + 1, tree.start_mark.column + 1)
    if id(tree) in seen or depth > MAX_DEPTH:
        raise UsageError(f"{place}: aliases and deep nesting are not supported")
    seen.add(id(tree))
    if tree.tag not in PLAIN_TAGS:
        raise UsageError(f"{place}: tags such as {tree.tag} are not supported")
    if isinstance(tree, yaml.SequenceNode):
        return Node([_node(loader, item, source, seen, depth + 1) for item in tree.value], place)
    if not isinstance(tree, yaml.MappingNode):
        return Node(loader.construct_object(tree), place)
    values: dict[str | int, Node] = {}
    for key_tree, value_tree in tree.value:
        key = _node(loader, key_tree, source, seen, depth + 1)
        if isinstance(key.value, bool) or not isinstance(key.value, str | int):
            raise UsageError(f"{key.place}: a key must be a word or a whole number")
        if key.value in values:
            first = values[key.value].place
            raise UsageError(f"{key.place}: key {key.value!r} is given twice, first at {first}")
        value = _node(loader, value_tree, source, seen, depth + 1)
        values[key.value] = Node(value.value, key.place)
    return Node(values, place)
