"""Libraries that come with an extra: looked for where they are used, and named where they are missing."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from typing import Any

from colabpanel.errors import MissingLibraryError

__all__ = ["CHILD_LIBRARIES", "folders_of", "optional"]


_IN_PYTHON = {"backports.zstd": "compression.zstd"}
_EXTRAS = {
    "backports.zstd": "archives",
    "py7zr": "archives",
    "Cryptodome": "archives",
    "distributed": "dask",
    "fsspec": "remote",
    "PIL": "images",
}
_BY_THEMSELVES = (
    "h5py",
    "joblib",
    "keras",
    "numpy",
    "pandas",
    "pyarrow",
    "safetensors",
    "tensorflow",
    "tensorstore",
    "torch",
)
"""Libraries that no extra brings: whoever has data of theirs knows which version to install."""

CHILD_LIBRARIES = ("isal", "deflate", "xxhash", *_EXTRAS)
"""What the processes that read archives may import beyond the standard library."""


def optional(module: str, purpose: str) -> Any:
    """Import a library that an extra brings; ``backports.zstd`` is part of Python from 3.14 on.

    Args:
        module: Its name.
        purpose: What needs it, for the error.

    Raises:
        MissingLibraryError: It is not installed; the hint is the command that installs it.
    """
    try:
        return importlib.import_module(_IN_PYTHON.get(module, module) if sys.version_info >= (3, 14) else module)
    except ImportError:
        raise MissingLibraryError(
            f"{purpose[0].upper()}{purpose[1:]} needs a library that is not installed ({module}).",
            hint=f"Run: pip install {_wanted_for(module)}",
        ) from None


def _wanted_for(module: str) -> str:
    top = module.partition(".")[0]
    if top in _BY_THEMSELVES:
        return top
    return next(f'"colabpanel[{extra}]"' for library, extra in _EXTRAS.items() if library.partition(".")[0] == top)


def folders_of(*modules: str) -> list[str]:
    """Return the folders that hold these libraries, without importing them; a child process starts with none."""
    found = []
    for name in modules:
        try:
            spec = importlib.util.find_spec(name)
        except ImportError:  # not even the package that holds it
            continue
        if spec is not None and spec.origin:
            folder = str(Path(spec.origin).parents[1 + name.count(".")])
            if folder not in found:
                found.append(folder)
    return found
