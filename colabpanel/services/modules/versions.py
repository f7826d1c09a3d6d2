"""Which modules came from a folder, and which version of its file each was loaded from."""

from __future__ import annotations

import hashlib
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from colabpanel.services.modules.models import LoadedModule

__all__ = ["INSTALLED", "Source", "Versions", "modules_below"]

INSTALLED = {"site-packages", "dist-packages"}
"""The names of folders that pip puts packages into."""


class Source(NamedTuple):
    """The text of a module's file at one moment.

    Attributes:
        stamp: Its time in nanoseconds and its size.
        digest: Its SHA-256 in hexadecimal.
        text: The bytes.
    """

    stamp: tuple[int, int]
    digest: str
    text: bytes


@dataclass
class _Seen:
    stamp: tuple[int, int]
    digest: str


def modules_below(folders: list[Path]) -> dict[str, ModuleType]:
    """Return the loaded modules whose file is a .py file below one of the folders; what pip put there is not theirs."""
    found = {}
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if not isinstance(file, str) or not file.endswith(".py"):
            continue
        path = Path(file)
        if any(folder in path.parents and not INSTALLED & set(path.relative_to(folder).parts) for folder in folders):
            found[name] = module
    return found


class Versions:
    """Remembers the file of each module as it was loaded."""

    def __init__(self) -> None:
        self._seen: dict[str, _Seen] = {}
        self._loading: dict[str, tuple[str, _Seen]] = {}

    def note_loading(self, name: str, file: str) -> None:
        """Note the file that a module is about to be loaded from."""
        source = _read(Path(file))
        if source is not None:
            self._loading[name] = file, _Seen(source.stamp, source.digest)

    def note(self, module: ModuleType, source: Source | None = None) -> None:
        """Note that a module was loaded from its file as it is now, or from that text."""
        source = source or _read(Path(str(module.__file__)))
        if source is not None:
            self._seen[module.__name__] = _Seen(source.stamp, source.digest)

    def forget(self, name: str) -> None:
        """Forget a module that is no longer loaded."""
        self._seen.pop(name, None)
        self._loading.pop(name, None)

    def changed(self, module: ModuleType) -> Source | None:
        """Return the text of a module's file where it is another one than was loaded, else None.

        A module that was never looked at, and whose loading was not noted, counts as loaded from its file as it is.
        """
        seen = self._seen.get(module.__name__) or self._as_loaded(module)
        if seen is None:
            self.note(module)
            return None
        path = Path(str(module.__file__))
        try:
            status = path.stat()
        except OSError:
            return None
        if (status.st_mtime_ns, status.st_size) == seen.stamp:
            return None
        source = _read(path)
        if source is None or source.digest == seen.digest:
            seen.stamp = source.stamp if source else seen.stamp
            return None
        return source

    def _as_loaded(self, module: ModuleType) -> _Seen | None:
        file, seen = self._loading.pop(module.__name__, ("", None))
        if seen is not None and file == module.__file__:
            self._seen[module.__name__] = seen
            return seen
        return None

    def of(self, module: ModuleType) -> LoadedModule:
        """Tell which version of a module is loaded."""
        changed = self.changed(module) is not None
        seen = self._seen.get(module.__name__)
        return LoadedModule(module.__name__, Path(str(module.__file__)), seen.digest[:8] if seen else "", changed)


def _read(path: Path) -> Source | None:
    try:
        status, text = path.stat(), path.read_bytes()
    except OSError:
        return None
    return Source((status.st_mtime_ns, status.st_size), hashlib.sha256(text).hexdigest(), text)
