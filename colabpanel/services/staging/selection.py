"""Which members the user wants."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from fnmatch import fnmatchcase

__all__ = ["Selection"]


class Selection:
    """Include and exclude patterns, and a sample of each folder.

    A pattern with a slash is matched against the whole path, one without against the
    file name alone; ``*`` also matches slashes.

    Attributes:
        is_everything: Whether every member is wanted, empty folders included.
    """

    def __init__(
        self, include: Sequence[str] = (), exclude: Sequence[str] = (), first_per_folder: int | None = None
    ) -> None:
        self._include, self._exclude, self._first = tuple(include), tuple(exclude), first_per_folder
        self._seen: Counter[tuple[str, ...]] = Counter()
        self.is_everything = not (include or exclude or first_per_folder is not None)

    def wants(self, parts: tuple[str, ...]) -> bool:
        """Whether a file is wanted; ask once for each file, in the order of the archive."""
        if self.is_everything:
            return True
        if not self.matches(parts):
            return False
        if self._first is None:
            return True
        self._seen[parts[:-1]] += 1
        return self._seen[parts[:-1]] <= self._first

    def matches(self, parts: tuple[str, ...]) -> bool:
        """Whether the patterns want a path, however many of its folder there are."""
        path = "/".join(parts)
        if self._include and not _matches(path, parts[-1], self._include):
            return False
        return not _matches(path, parts[-1], self._exclude)


def _matches(path: str, name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(path if "/" in pattern else name, pattern) for pattern in patterns)
