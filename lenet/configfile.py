"""YAML files read into configs: where each value stands, what it extends, what overrides it.

The YAML is YAML 1.2's plain part: ``1e-3`` is a number, ``on`` is a word, a key given twice is an
error, and there are no anchors, aliases or tags.
"""

import difflib
import hashlib
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from lenet.config import Config, contradictions
from lenet.errors import UsageError

KeyPath = tuple[str | int, ...]

_PACKAGE = Path(__file__).parent
CONFIGS = next(
    (folder for folder in (_PACKAGE / "configs", _PACKAGE.parent / "configs") if folder.is_dir()),
    _PACKAGE / "configs",
)
"""The folder of the configs that come with the project."""

MAX_BYTES = 1_000_000
MAX_DEPTH = 40


@dataclass(frozen=True)
class Node:
    """A YAML value and where it was written."""

    value: Any  # dict[str | int, Node], list[Node] or a plain value
    origin: str  # "file:line:column" or "--set"

    def plain(self) -> Any:
        """Return the value without origins."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value

    def child(self, key: str | int) -> "Node | None":
        """Return what stands under a key or list index, or None."""
        if isinstance(self.value, dict):
            found: Node | None = self.value.get(key)
            return found
        if isinstance(self.value, list) and isinstance(key, int) and key < len(self.value):
            item: Node = self.value[key]
            return item
        return None


@dataclass(frozen=True)
class ConfigFile:
    """A config and where each of its values comes from."""

    config: Config
    name: str
    """The experiment's name; its runs lie in ``runs/<name>/<seed>``."""
    root: Node

    def origin(self, path: KeyPath) -> str:
        """Return where a key was written, or its nearest parent: ``file:line:column``."""
        return _locate(self.root, path).origin

    def values(self) -> Iterator[tuple[str, Any, str]]:
        """Yield each key, its value, and where it was written (``default`` if nowhere)."""

        def walk(value: Any, node: Node | None, path: KeyPath) -> Iterator[tuple[str, Any, str]]:
            if isinstance(value, dict) and value:
                for key, item in value.items():
                    yield from walk(item, node.child(key) if node else None, (*path, key))
            else:
                yield _dotted(path), value, node.origin if node else "default"

        yield from walk(self.config.model_dump(), self.root, ())

    @contextmanager
    def explaining(self) -> Iterator[None]:
        """Put ``file:line:column`` before the message of any UsageError that names a key."""
        try:
            yield
        except UsageError as error:
            if error.path is None:
                raise
            where, key = self.origin(error.path), _dotted(error.path)
            raise UsageError(f"{where}: {key}: {error}") from error


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


def load(
    source: str | Path,
    overrides: Sequence[str] = (),
    *,
    seed: int | None = None,
) -> ConfigFile:
    """Read an experiment.

    Args:
        source: A YAML file, or the name of a config that comes with the project.
        overrides: ``section.key=value`` texts; values are YAML. A list's entries are reached by
            number: ``augment.0.RandomErasing.p=0.5``.
        seed: Replaces the config's seed.

    Raises:
        UsageError: The file is missing, not YAML, extends itself, or holds anything that `Config`
            does not allow; all faults are listed, each with its place.
    """
    path = find(source)
    root = _extended(path, ())
    for override in overrides:
        root = _override(root, override)
    if seed is not None:
        root = _merge(root, Node({"seed": Node(seed, "--seed")}, "--seed"))
    config = _validate(root)
    return ConfigFile(config, _name(path, overrides), root)


def find(source: str | Path) -> Path:
    """Return the file that a path or a config's name means.

    Raises:
        UsageError: There is none; the message names the nearest config.
    """
    path = Path(source)
    for candidate in (path, CONFIGS / f"{source}.yaml", CONFIGS / path):
        if candidate.is_file():
            return candidate
    known = names()
    near = difflib.get_close_matches(str(source), known, n=1)
    advice = f"did you mean {near[0]!r}?" if near else "`lenet config list` shows those there are"
    raise UsageError(f"no config {str(source)!r}; {advice}")


def names() -> list[str]:
    """Return the names of the configs that come with the project."""
    return sorted(
        path.relative_to(CONFIGS).with_suffix("").as_posix() for path in CONFIGS.rglob("*.yaml")
    )


def header(path: Path) -> str:
    """Return the comment at the top of a config file, without its number signs."""
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        if not line.startswith("# yaml-language-server"):
            lines.append(line.removeprefix("#").removeprefix(" "))
    return "\n".join(lines)


def dump(config: Config) -> str:
    """Return the whole resolved config as YAML that runs again as it is."""
    return yaml.safe_dump(config.model_dump(), sort_keys=False, allow_unicode=True)


def schema() -> dict[str, Any]:
    """Return the JSON Schema of config files, in the draft that YAML editors read."""
    result = Config.model_json_schema()
    result["$schema"] = "http://json-schema.org/draft-07/schema#"
    result["properties"]["extends"] = {
        "type": "string",
        "description": "Another config, by name or by path from this one, that this one changes.",
    }
    result["required"] = []  # they may come from the config that this one extends
    return result


def _extended(path: Path, chain: tuple[Path, ...]) -> Node:
    """Read a file and what it extends."""
    resolved = path.resolve()
    if resolved in chain:
        circle = " → ".join(str(p) for p in (*chain[chain.index(resolved) :], resolved))
        raise UsageError(f"{path}: extends goes in a circle: {circle}")
    node = _read(path)
    base = node.value.pop("extends", None)
    if base is None:
        return node
    if not isinstance(base.value, str):
        raise UsageError(f"{base.origin}: extends: expected the name of a config")
    beside = path.parent / base.value
    try:
        base_path = beside if beside.is_file() else find(base.value)
    except UsageError as error:
        raise UsageError(f"{base.origin}: extends: {error}") from error
    return _merge(_extended(base_path, (*chain, resolved)), node)


def _read(path: Path) -> Node:
    """Parse one file into nodes."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise UsageError(f"{path}: larger than {MAX_BYTES:,} bytes, so no config")
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read: {error}") from error
    node = _parse(text, str(path))
    if node.value is None:
        raise UsageError(f"{path}: is empty")
    if not isinstance(node.value, dict):
        raise UsageError(f"{node.origin}: expected sections such as `model:`")
    return node


def _parse(text: str, name: str) -> Node:
    """Parse YAML text into nodes; `name` stands for the file in messages."""
    loader = _Loader(text)
    try:
        tree = loader.get_single_node()
        if tree is None:
            return Node(None, f"{name}:1:1")
        return _node(loader, tree, name, set(), 0)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name
        raise UsageError(f"{where}: not YAML: {error.problem or error.context}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UsageError(f"{name}: not YAML: {error}") from error
    finally:
        loader.dispose()


def _node(loader: _Loader, tree: yaml.Node, name: str, seen: set[int], depth: int) -> Node:
    """Turn a node of PyYAML's into ours."""
    where = f"{name}:{tree.start_mark.line + 1}:{tree.start_mark.column + 1}"
    if id(tree) in seen or depth > MAX_DEPTH:
        raise UsageError(f"{where}: aliases and deep nesting are not supported")
    seen.add(id(tree))
    if not tree.tag.startswith("tag:yaml.org,2002:"):
        raise UsageError(f"{where}: tags such as {tree.tag} are not supported")
    if isinstance(tree, yaml.SequenceNode):
        return Node([_node(loader, item, name, seen, depth + 1) for item in tree.value], where)
    if not isinstance(tree, yaml.MappingNode):
        return Node(loader.construct_object(tree), where)
    values: dict[str | int, Node] = {}
    for key_tree, value_tree in tree.value:
        mark = key_tree.start_mark
        key_where = f"{name}:{mark.line + 1}:{mark.column + 1}"
        key = _node(loader, key_tree, name, seen, depth + 1).value
        if not isinstance(key, str | int):
            raise UsageError(f"{key_where}: a key must be a word or a number")
        if key in values:
            raise UsageError(
                f"{key_where}: key {key!r} is given twice, first at {values[key].origin}"
            )
        value = _node(loader, value_tree, name, seen, depth + 1)
        values[key] = Node(value.value, key_where)
    return Node(values, where)


def _merge(base: Node, change: Node) -> Node:
    """Lay `change` over `base`: sections key by key, anything else as a whole.

    A section whose `kind` changes starts afresh, since the old kind's keys mean nothing to the new.
    """
    if not isinstance(base.value, dict) or not isinstance(change.value, dict):
        return change
    old_kind, new_kind = base.child("kind"), change.child("kind")
    if old_kind and new_kind and old_kind.value != new_kind.value:
        return change
    merged = dict(base.value)
    for key, node in change.value.items():
        merged[key] = _merge(merged[key], node) if key in merged else node
    return Node(merged, change.origin)


def _override(root: Node, text: str) -> Node:
    """Apply one ``section.key=value``."""
    dotted, equals, value = text.partition("=")
    if not equals or not dotted.strip():
        raise UsageError(f"--set {text}: expected section.key=value")
    origin = f"--set {text}"
    parsed = _parse(value, origin)
    keys: list[str | int] = [int(k) if k.isdigit() else k for k in dotted.strip().split(".")]

    def placed(node: Node | None, rest: list[str | int]) -> Node:
        if not rest:
            new = Node(parsed.value, origin)
            return new if node is None else _merge(node, new)
        first, *others = rest
        if node is not None and isinstance(node.value, list):
            if not isinstance(first, int) or first >= len(node.value):
                raise UsageError(
                    f"{origin}: {dotted}: the list has entries 0 to {len(node.value) - 1}"
                )
            items = list(node.value)
            items[first] = placed(items[first], others)
            return Node(items, origin)
        change = Node({first: placed(node.child(first) if node else None, others)}, origin)
        return _merge(node, change) if node is not None else change

    return placed(root, keys)


def _validate(root: Node) -> Config:
    """Check the nodes against `Config`; report every fault with its place."""
    try:
        config = Config.model_validate(root.plain())
    except ValidationError as error:
        faults = [_fault(root, dict(item)) for item in error.errors()]
        raise UsageError("\n".join(dict.fromkeys(faults))) from error
    found = contradictions(config)
    if found:
        raise UsageError(
            "\n".join(f"{_locate(root, path).origin}: {_dotted(path)}: {s}" for path, s in found)
        )
    return config


def _fault(root: Node, item: dict[str, Any]) -> str:
    """Put one fault found by pydantic into a line."""
    path = _written_path(root, item["loc"])
    where = _locate(root, path).origin
    if item["type"] == "extra_forbidden":
        known = _known_keys(root, path[:-1])
        near = difflib.get_close_matches(str(path[-1]), known, n=1)
        advice = f"did you mean {near[0]!r}?" if near else f"keys here are {', '.join(known)}"
        section = f"section {_dotted(path[:-1])!r}" if path[:-1] else "top level"
        return f"{where}: unknown key {str(path[-1])!r} in {section}; {advice}"
    if item["type"] == "missing":
        return f"{where}: {_dotted(path)} is missing"
    if item["type"] == "union_tag_not_found":
        return f"{where}: {_dotted(path)}.kind is missing; it is one of {_tags(item)}"
    if item["type"] == "union_tag_invalid":
        near = difflib.get_close_matches(item["ctx"]["tag"], _tags(item).split(", "), n=1)
        advice = f"; did you mean {near[0]!r}?" if near else ""
        where, tag = _locate(root, (*path, "kind")).origin, item["ctx"]["tag"]
        return f"{where}: {_dotted(path)}.kind is one of {_tags(item)}, not {tag!r}{advice}"
    message = item["msg"][0].lower() + item["msg"][1:]
    return f"{where}: {_dotted(path)}: {message}, not {_shown(item['input'])}"


def _tags(item: dict[str, Any]) -> str:
    """Return the kinds that a section may have."""
    text = item["ctx"].get("expected_tags") or ", ".join(_kinds(item["loc"][0]))
    return str(text).replace("'", "")


def _kinds(section: str | int) -> list[str]:
    """Return the kinds of a section of `Config`."""
    union = Config.model_fields[str(section)].annotation
    return [
        member.model_fields["kind"].annotation.__args__[0]
        for member in getattr(union, "__args__", ())
    ]


def _written_path(root: Node, loc: Sequence[str | int]) -> KeyPath:
    """Drop from pydantic's path the kinds that it inserts and nobody wrote."""
    path: list[str | int] = []
    node: Node | None = root
    for key in loc:
        kind = node.child("kind") if node else None
        if kind is not None and kind.value == key and node is not None and node.child(key) is None:
            continue
        if key == "[key]":  # a fault in the key itself
            continue
        path.append(key)
        node = node.child(key) if node else None
    return tuple(path)


def _known_keys(root: Node, path: KeyPath) -> list[str]:
    """Return the keys that the section at `path` may have."""
    if not path:
        return [*Config.model_fields, "extends"]
    annotation = Config.model_fields[str(path[0])].annotation
    kind = _locate(root, path).child("kind")
    for member in getattr(annotation, "__args__", (annotation,)):
        if not (isinstance(member, type) and issubclass(member, BaseModel)):
            continue
        field = member.model_fields.get("kind")
        if field is None or (kind and kind.value in getattr(field.annotation, "__args__", ())):
            return list(member.model_fields)
    return []


def _locate(root: Node, path: KeyPath) -> Node:
    """Return the node at `path`, or its nearest parent that was written."""
    node = root
    for key in path:
        child = node.child(key)
        if child is None:
            break
        node = child
    return node


def _dotted(path: KeyPath) -> str:
    return ".".join(map(str, path))


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"


def _name(path: Path, overrides: Sequence[str]) -> str:
    """Name an experiment: its config's name and what was changed on the command line."""
    resolved = path.resolve()
    base = CONFIGS.resolve()
    inside = resolved.is_relative_to(base)
    name = (resolved.relative_to(base) if inside else Path(path.name)).with_suffix("").as_posix()
    name = re.sub(r"[^A-Za-z0-9._/-]+", "-", name).strip("-.") or "config"
    if not overrides:
        return name
    change = re.sub(r"[^A-Za-z0-9._=,-]+", "-", ",".join(overrides))
    if len(change) > 80:
        change = change[:71] + "-" + hashlib.blake2b(change.encode(), digest_size=4).hexdigest()
    return f"{name}+{change}"
