"""Config files: found by path or name, extended, overridden, checked, and explained."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from lenet.config.consistency import contradictions
from lenet.config.document import KeyPath, Node, Place, as_node, dotted, override, read_document
from lenet.config.schema import Config
from lenet.errors import UsageError, expand, nearest

_PACKAGE = Path(__file__).parent.parent
CONFIGS = next(
    (folder for folder in (_PACKAGE / "configs", _PACKAGE.parent / "configs") if folder.is_dir()),
    _PACKAGE / "configs",
)
"""The folder of the configs that come with the project: in a wheel inside the package, in a clone
beside it."""

PICTURES = "pictures"
"""The config by which images are trained that are given instead of a config."""
DATA_FILES = (".csv", ".npz")
"""Suffixes of files that hold images and labels."""

SYNONYMS = {
    "passes": "epochs",
    "plain_passes": "no_augment_epochs",
    "images_per_pass": "images_per_epoch",
    "hold_out": "validation",
    "held_out": "validation_split",
    "squash": "activation",
    "maps": "channels",
    "learning_rate": "lr",
    "batchsize": "batch_size",
    "type": "kind",
}
"""Other tools' words for our keys."""


@dataclass(frozen=True)
class ConfigFile:
    """A config and where each of its values comes from."""

    config: Config
    name: str
    """The experiment's name; its runs lie in ``runs/<name>/<seed>``."""
    root: Node

    def values(self) -> Iterator[tuple[str, Any, str]]:
        """Yield each key, its value, and where it was written (``default`` if nowhere)."""

        def walk(value: Any, node: Node | None, path: KeyPath) -> Iterator[tuple[str, Any, str]]:
            if isinstance(value, dict) and value:
                for key, item in value.items():
                    yield from walk(item, node.child(key) if node else None, (*path, key))
            else:
                yield dotted(path), value, str(node.place) if node else "default"

        yield from walk(self.config.model_dump(), self.root, ())

    @contextmanager
    def explaining(self) -> Iterator[None]:
        """Put ``file:line:column`` before the message of any UsageError that names a key."""
        try:
            yield
        except UsageError as error:
            if error.path is None:
                raise
            place = self.root.nearest(error.path).place
            raise UsageError(f"{place}: {dotted(error.path)}: {error}") from error


def load_config(
    source: str | Path | Mapping[str, Any],
    overrides: Sequence[str] = (),
    *,
    seed: int | None = None,
) -> ConfigFile:
    """Read an experiment.

    Args:
        source: A YAML file, the name of a config that comes with the project, a folder or a
            file of images (for which it is the config `PICTURES`), or what a file would hold; the
            name is then "experiment".
        overrides: ``section.key=value`` texts; values are YAML. A list's entries are reached by
            number: ``augment.0.RandomErasing.p=0.5``.
        seed: Replaces the config's seed.

    Raises:
        UsageError: The file is missing, not YAML, extends itself, or holds anything that `Config`
            does not allow; all faults are listed, each with its place.
    """
    path = None
    if isinstance(source, Mapping):
        root = _extended(as_node(source, Place("config")), Path("config"), ())
    elif is_own_data(source):
        path = Path(source).resolve()
        own = {"extends": PICTURES, "data": {"path": str(source)}}
        root = _extended(as_node(own, Place(str(source))), Path("config"), ())
    else:
        path = find_config(source)
        root = _read(path, ())
    for text in overrides:
        root = override(root, text)
    if seed is not None:
        place = Place("--seed")
        root = root.merged(Node({"seed": Node(seed, place)}, place))
    config = _validate(root)
    return ConfigFile(config, _name(path, overrides, config) if path else "experiment", root)


def is_own_data(source: str | Path) -> bool:
    """Say whether a config argument is no config but the user's own images: a folder or a file."""
    named = (CONFIGS / f"{source}.yaml").is_file()
    path = expand(source)
    return not named and (path.is_dir() or path.suffix.lower() in DATA_FILES)


def find_config(source: str | Path) -> Path:
    """Return the file that a path or a config's name means.

    Raises:
        UsageError: There is none; the message names the nearest config.
    """
    path = Path(source)
    for candidate in (path, CONFIGS / f"{source}.yaml", CONFIGS / path):
        if candidate.is_file():
            return candidate
    advice = nearest(
        str(source).removesuffix(".yaml"), config_names(), "`lenet config list` shows all configs"
    )
    if path.suffix.lower() in (".zip", ".tar", ".gz", ".tgz", ".rar", ".7z"):
        advice = "pictures are read from a folder: unpack it first"
    elif str(source).endswith(("/", "\\")):
        advice = f"and no folder {str(source)!r} of pictures is here"
    raise UsageError(f"no config {str(source)!r}; {advice}")


def config_names() -> list[str]:
    """Return the names of the configs that come with the project."""
    return sorted(
        path.relative_to(CONFIGS).with_suffix("").as_posix() for path in CONFIGS.rglob("*.yaml")
    )


def read_header(path: Path) -> str:
    """Return the comment at the top of a config file, without its number signs."""
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        if not line.startswith("# yaml-language-server"):
            lines.append(line.removeprefix("#").removeprefix(" "))
    return "\n".join(lines)


def dump_config(config: Config) -> str:
    """Return the whole resolved config as YAML that runs again as it is."""
    return yaml.safe_dump(config.model_dump(), sort_keys=False, allow_unicode=True)


def flatten_config(config: Config) -> dict[str, bool | str | float | int | None]:
    """Return a config's values by their dotted keys, lists as YAML in one line."""
    flat: dict[str, bool | str | float | int | None] = {}

    def walk(section: dict[str, Any], prefix: str) -> None:
        for key, value in section.items():
            if isinstance(value, dict) and value and all(isinstance(k, str) for k in value):
                walk(value, f"{prefix}{key}.")
            else:
                plain = value is None or isinstance(value, bool | str | float | int)
                flat[f"{prefix}{key}"] = value if plain else _flow(value)

    walk(config.model_dump(), "")
    return flat


def _flow(value: Any) -> str:
    """Write a list or a mapping as YAML in one line: ``[{RandomAffine: {degrees: 8.0}}]``."""
    return yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=inf).strip()


def json_schema(entries: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON Schema of config files, in the draft that YAML editors read.

    Args:
        entries: JSON Schemas of an entry of ``augment:`` and of one of ``mix:``, by these words.
    """
    schema = Config.model_json_schema()
    sections, definitions = schema["properties"], schema["$defs"]
    for definition in definitions.values():
        definition.pop("required", None)  # it may come from the config that this one extends
    kinds = [name for name, section in sections.items() if "oneOf" in section]
    for name in kinds:  # without a kind, several may fit
        sections[name].pop("discriminator")
        sections[name]["anyOf"] = sections[name].pop("oneOf")
    distort = definitions["Data"]["properties"]["distort"]
    augment, mix = sections["augment"], sections["mix"]
    for section, word in ((augment, "augment"), (distort, "augment"), (mix, "mix")):
        section["items"] = {"$ref": f"#/$defs/{word}"}
    sections["extends"] = {
        "type": "string",
        "description": "Another config, by name or by path from this one, that this one changes.",
    }
    whole = {
        "required": schema.pop("required"),
        "properties": {name: {"required": ["kind"]} for name in kinds},
    }
    return schema | {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "$defs": definitions | dict(entries),
        "if": {"not": {"required": ["extends"]}},
        "then": whole,
    }


def _read(path: Path, chain: tuple[Path, ...]) -> Node:
    """Read a file and what it extends; `chain` are the files that extend it."""
    resolved = path.resolve()
    if resolved in chain:
        circle = " → ".join(p.name for p in (*chain[chain.index(resolved) :], resolved))
        raise UsageError(f"{path}: extends goes in a circle: {circle}")
    return _extended(read_document(path), path, (*chain, resolved))


def _extended(node: Node, path: Path, chain: tuple[Path, ...]) -> Node:
    """Lay what stands in the file `path` over what it extends."""
    base = node.value.pop("extends", None)
    if base is None:
        return node
    if not isinstance(base.value, str):
        raise UsageError(f"{base.place}: extends: expected the name of a config")
    beside = path.parent / base.value
    try:
        base_path = beside if beside.is_file() else find_config(base.value)
    except UsageError as error:
        raise UsageError(f"{base.place}: extends: {error}") from error
    if base_path.suffix not in (".yaml", ".yml"):  # so that no error quotes a file of others
        raise UsageError(f"{base.place}: extends: the name of a config ends in .yaml")
    return _read(base_path, chain).merged(node)


def _validate(root: Node) -> Config:
    """Check nodes against `Config`; report every fault with its place."""
    try:
        config = Config.model_validate(root.plain())
    except ValidationError as error:
        raise _faults(_fault(root, dict(item)) for item in error.errors()) from error
    found = contradictions(config)
    if found:
        raise _faults((root.nearest(path).place, f"{dotted(path)}: {text}") for path, text in found)
    return config


def _faults(faults: Iterator[tuple[Place, str]]) -> UsageError:
    """Return the error that lists faults in the order in which they stand."""
    return UsageError("\n".join(f"{place}: {text}" for place, text in sorted(faults)))


def _fault(root: Node, item: dict[str, Any]) -> tuple[Place, str]:
    """Return where a fault found by pydantic stands, and a sentence about it."""
    path = _written_path(root, item["loc"])
    place, key = root.nearest(path).place, dotted(path)
    if item["type"] == "extra_forbidden":
        known = _known_keys(root, path[:-1])
        section = f"section {dotted(path[:-1])!r}" if path[:-1] else "top level"
        elsewhere = [name for name in Config.model_fields if path[-1] in _known_keys(root, (name,))]
        if not path[:-1] and elsewhere:
            return place, f"unknown key {key!r}; did you mean '{elsewhere[0]}.{key}'?"
        return place, f"unknown key {path[-1]!r} in {section}; {_nearest(str(path[-1]), known)}"
    if item["type"] == "missing":
        return place, f"{key} is missing"
    if item["type"] == "union_tag_not_found":
        return place, f"{key}.kind is missing; it is one of {', '.join(_kinds(path[0]))}"
    if item["type"] == "union_tag_invalid":
        tag, kinds = item["ctx"]["tag"], _kinds(path[0])
        kind = root.nearest((*path, "kind"))
        return kind.place, f"{key}.kind: there is no {tag!r}; {_nearest(tag, kinds)}"
    message = item["msg"][0].lower() + item["msg"][1:]
    return place, f"{key}: {message}, not {_shown(item['input'])}"


def _nearest(word: str, known: Sequence[str]) -> str:
    """Suggest what was meant: the nearest of the known words, or all of them."""
    synonym = SYNONYMS.get(word, word)
    return nearest(synonym if synonym in known else word, known)


def _kinds(section: str | int) -> list[str]:
    """Return the kinds of a section of `Config`."""
    union = Config.model_fields[str(section)].annotation
    return [
        member.model_fields["kind"].annotation.__args__[0]
        for member in getattr(union, "__args__", ())
    ]


def _known_keys(root: Node, path: KeyPath) -> list[str]:
    """Return the keys that the section at `path` may have."""
    if not path:
        return [*Config.model_fields, "extends"]
    annotation = Config.model_fields[str(path[0])].annotation
    kind = root.nearest(path).child("kind")
    for member in getattr(annotation, "__args__", (annotation,)):
        if not (isinstance(member, type) and issubclass(member, BaseModel)):
            continue
        field = member.model_fields.get("kind")
        if field is None or (kind and kind.value in getattr(field.annotation, "__args__", ())):
            return [field.alias or name for name, field in member.model_fields.items()]
    return []


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


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"


def _name(path: Path, overrides: Sequence[str], config: Config) -> str:
    """Name an experiment: its config's name and what was changed on the command line.

    Keys are cut to their last part where no other key of the config ends in it. Of many changes,
    the first are named and a hash stands for the others. Only characters that addresses of pages
    keep as they are may stand here: TensorBoard puts the name into some.
    """
    resolved, base = path.resolve(), CONFIGS.resolve()
    own = resolved.relative_to(base) if resolved.is_relative_to(base) else Path(path.name)
    name = re.sub(r"[^A-Za-z0-9._/-]+", "-", own.with_suffix("").as_posix()).strip("-.") or "config"
    if not overrides:
        return name
    ends = Counter(key.rpartition(".")[2] for key in flatten_config(config))
    changes = []
    for text in overrides:
        key, equals, value = text.partition("=")
        last = key.rpartition(".")[2]
        changes.append((last if ends[last] == 1 else key) + equals + value)
    change = re.sub(r"[^A-Za-z0-9._=,-]+", "-", ",".join(changes))
    if len(change) > 80:
        digest = hashlib.blake2b(change.encode(), digest_size=4).hexdigest()
        whole = change[:72].rpartition(",")[0]  # no change is cut in two, unless it alone is long
        change = f"{whole or change[:71]},{digest}"
    return f"{name},{change}"
