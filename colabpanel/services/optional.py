"""Libraries that come with an extra: looked for where they are used, and named where they are missing."""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from typing import Any

from colabpanel.errors import MissingLibraryError

__all__ = ["CHILD_LIBRARIES", "folders_of", "optional"]

CHILD_LIBRARIES = ("isal", "zstandard", "py7zr", "rapidgzip", "Cryptodome")
"""What the processes that read archives may import beyond the standard library."""

_EXTRAS = {"zstandard": "archives", "py7zr": "archives", "rapidgzip": "archives", "Cryptodome": "archives"}


def optional(module: str, purpose: str) -> Any:
    """Import a library that an extra brings.

    Args:
        module: Its name.
        purpose: What needs it, for the error.

    Raises:
        MissingLibraryError: It is not installed; the hint is the command that installs it.
    """
    try:
        return importlib.import_module(module)
    except ImportError:
        raise MissingLibraryError(
            f"{purpose[0].upper()}{purpose[1:]} needs the library {module.partition('.')[0]}, which is not installed.",
            hint=f'Run: pip install "colabpanel[{_EXTRAS[module.partition(".")[0]]}]"',
        ) from None


def folders_of(*modules: str) -> list[str]:
    """Return the folders that hold these libraries, without importing them; a child process starts with none."""
    found = []
    for name in modules:
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.origin:
            folder = str(Path(spec.origin).parent.parent)
            if folder not in found:
                found.append(folder)
    return found
