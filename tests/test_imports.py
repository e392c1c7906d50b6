"""Data flow one way: which room may import which."""

import ast
from pathlib import Path

import pytest

import lenet

PACKAGE = Path(lenet.__file__).parent
FOUNDATIONS = {"errors", "random"}

STANDALONE = {
    # room: what of ours it may import besides the foundations and itself
    "augment": set(),
    "arithmetic": set(),
    "models": {"arithmetic"},
    "losses": set(),
    "statistics": set(),
    "presentation": set(),
    "idx": set(),
    "sources": set(),
    "document": set(),
    "config": set(),
    "data": {"idx", "sources"},
    "contradictions": {"config"},
    "grouped": {"learner"},
    "optim": {"learner"},
    "backpropagation": {"models"},
    "sdlm": {"backpropagation", "learner", "losses", "models"},
    "evaluate": {"data", "statistics"},
}


def imports(room: str) -> set[str]:
    """Return the rooms of ours that a room imports, anywhere in its code."""
    files = list((PACKAGE / room).rglob("*.py")) or [PACKAGE / f"{room}.py"]
    found = set()
    for file in files:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                if name.startswith("lenet."):
                    found.add(name.split(".")[1])
    return found - {room}


def rooms() -> list[str]:
    return sorted(
        {path.stem if path.suffix else path.name for path in PACKAGE.iterdir()}
        - {"__init__", "__main__", "__pycache__", "configs", "py"}
    )


@pytest.mark.parametrize("room", [room for room in STANDALONE if room in rooms()])
def test_a_room_below_the_training_imports_nothing_above_it(room: str) -> None:
    assert imports(room) <= STANDALONE[room] | FOUNDATIONS


def test_nobody_imports_the_command_line() -> None:
    assert [room for room in rooms() if "cli" in imports(room) and room != "cli"] == []


def test_every_standalone_room_exists() -> None:
    assert set(STANDALONE) - {"sdlm"} <= set(rooms())
