"""Data flow one way: a folder imports from lower floors only, and modules in no circle."""

import ast
import functools
from pathlib import Path

import lenet

PACKAGE = Path(lenet.__file__).parent
GROUND = "ground"

FLOORS: list[set[str]] = [
    {GROUND},
    {"kernels"},
    {"config", "augment", "models"},
    {"data"},
    {"runs"},
    {"evaluation"},
    {"training", "reading"},
    {"studies", "export"},
    {"figures"},
    {"bench"},
    {"cli"},
]
"""The folders, lowest first; those on one floor do not know each other.

The kernels are arrays and Numba alone, below everything that describes networks. Figures show
studies and exports, and stand above them; benchmarks measure all, drawing included.
"""


def modules() -> dict[str, Path]:
    """Return all modules by their dotted names, packages by the name of their folder."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


def folder(module: str) -> str:
    """Return the folder of a module; those beside the folders are the ground floor."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and (PACKAGE / parts[1]).is_dir() else GROUND


def imports(module: str) -> set[str]:
    """Return the modules of ours that a module imports, anywhere in its code."""
    found = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            source = node.module or ""
            for alias in node.names:
                inner = f"{source}.{alias.name}"
                found.add(inner if inner in MODULES else source)
    return {name for name in found if name in MODULES} - {module}


ROOF = {"lenet", "lenet.api", "lenet.__main__"}
"""What users import and start; the package itself imports nothing of it but the version."""


@functools.cache
def graph() -> dict[str, set[str]]:
    """Return who imports whom below the roof."""
    return {module: imports(module) for module in MODULES if module not in ROOF}


def test_every_folder_stands_on_a_floor() -> None:
    assert {folder(module) for module in graph()} == set().union(*FLOORS)


def test_a_folder_imports_from_lower_floors_only() -> None:
    floor = {name: number for number, names in enumerate(FLOORS) for name in names}
    upward = sorted(
        f"{module} imports {other}"
        for module, others in graph().items()
        for other in others - {"lenet"}
        if folder(other) != folder(module) and floor[folder(other)] >= floor[folder(module)]
    )
    assert upward == []


def test_nobody_below_imports_from_the_roof() -> None:
    assert [module for module, others in graph().items() if others & (ROOF - {"lenet"})] == []


def test_no_import_runs_in_a_circle() -> None:
    left = {module: others & set(graph()) for module, others in graph().items()}
    while free := [module for module, others in left.items() if not others]:
        left = {m: others - set(free) for m, others in left.items() if m not in free}
    assert sorted(left) == []


def test_few_modules_stand_beside_the_folders() -> None:
    assert len(list(PACKAGE.glob("*.py"))) <= 9
