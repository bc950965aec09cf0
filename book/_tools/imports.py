"""Which module of the library imports which, read from the source without importing anything."""

from __future__ import annotations

import ast
from pathlib import Path


def module_files(package: Path) -> dict[str, Path]:
    """Dotted names of a package's modules and their files."""
    found = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imported_names(source: str, module: str, *, is_package: bool) -> set[str]:
    """Dotted names that a module imports anywhere, inside functions too.

    ``from x import y`` gives both ``x`` and ``x.y``, since ``y`` may be a module.
    """
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = module.split(".")
                parents = parents[: len(parents) - node.level + (1 if is_package else 0)]
                base = ".".join([*parents, base] if base else parents)
            found.add(base)
            found |= {f"{base}.{alias.name}" for alias in node.names}
    return found


def import_graph(package: Path) -> dict[str, set[str]]:
    """For each module of a package, the modules of the same package that it imports."""
    files = module_files(package)
    graph = {}
    for module, path in files.items():
        names = imported_names(
            path.read_text(encoding="utf-8"), module, is_package=path.name == "__init__.py"
        )
        graph[module] = {name for name in names if name in files and name != module}
    return graph


def closure(graph: dict[str, set[str]], roots: set[str]) -> set[str]:
    """The roots (a package stands for all in it) and everything that they import, at any depth."""
    pending = [m for m in graph if any(m == root or m.startswith(f"{root}.") for root in roots)]
    found: set[str] = set()
    while pending:
        module = pending.pop()
        if module not in found:
            found.add(module)
            pending += graph[module]
    return found
