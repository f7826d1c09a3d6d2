"""Which names a module takes from another one, as its text says."""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path
from types import ModuleType

__all__ = ["takes"]


def takes(module: ModuleType, other: str, name: str) -> bool:
    """Whether a module's file says ``from other import name``, or ``*``, and not under another name."""
    try:
        tree = ast.parse(Path(str(module.__file__)).read_bytes())
    except (OSError, ValueError, SyntaxError):
        return False
    return any(
        isinstance(node, ast.ImportFrom)
        and _source_of(module, node) == other
        and any(alias.name == "*" or (alias.name == name and alias.asname in {None, name}) for alias in node.names)
        for node in ast.walk(tree)
    )


def _source_of(module: ModuleType, node: ast.ImportFrom) -> str:
    try:
        return importlib.util.resolve_name("." * node.level + (node.module or ""), module.__package__ or None)
    except (ImportError, ValueError):
        return ""
