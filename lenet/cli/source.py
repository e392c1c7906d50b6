"""What the tables of other folders hold, read from their source.

Nothing is imported for it: a list of figures or transforms comes at once, without torch.
"""

import ast
from functools import cache
from pathlib import Path

import lenet

PACKAGE = Path(lenet.__file__).parent


def read_table(module: str, *names: str) -> dict[str, str]:
    """Return the keys of tables, and the first line of what is said of their values.

    Args:
        module: The module in which they stand, such as ``lenet.figures``.
        names: Of the tables, which are dict displays. A value of a function's or class's name is
            described by its docstring, any other by nothing.
    """
    tree, found = _parse(module), {}
    for node in tree.body:
        if isinstance(node, ast.AnnAssign) and getattr(node.target, "id", None) in names:
            assert isinstance(node.value, ast.Dict)
            for key, value in zip(node.value.keys, node.value.values, strict=True):
                name = value.id if isinstance(value, ast.Name) else ""
                found[ast.literal_eval(key)] = _describe(module, name)  # type: ignore[arg-type]
    return found


def read_exports(module: str) -> dict[str, str]:
    """Return the names that a package's module imports, and the first lines of their docstrings."""
    return {name: _describe(module, name) for name in _imports(module)}


@cache
def _parse(module: str) -> ast.Module:
    path = PACKAGE.parent.joinpath(*module.split("."))
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return ast.parse(path.read_text(encoding="utf-8"))


def _imports(module: str) -> dict[str, str]:
    """Return which names a module imports from which other of ours."""
    return {
        alias.name: node.module
        for node in _parse(module).body
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("lenet.")
        for alias in node.names
    }


def _describe(module: str, name: str) -> str:
    """Return the first line of a class's or function's docstring, wherever it was imported from."""
    for node in _parse(module).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == name:
            return (ast.get_docstring(node) or "").partition("\n")[0]
    source = _imports(module).get(name)
    return _describe(source, name) if source else ""
