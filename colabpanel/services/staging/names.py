"""Where a member may go: names are untrusted text."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Callable

from colabpanel.services.staging.archive import Kind, Member

__all__ = ["Claims", "safe_parts"]

_LONGEST = 255
_MOST_BYTES = 4
"""Bytes of a letter in UTF-8, at the most."""

_LONGEST_PATH = 3000
_is_plain = re.compile(r"[ -\-0-9;-~][ -9;-~]{0,253}").fullmatch
"""Finds a file's own name that needs no further look: no dot first, no colon, nothing but printable ASCII."""

_IS_WINDOWS = os.name == "nt"
_DEVICES = {"con", "prn", "aux", "nul"} | {f"{kind}{number}" for kind in ("com", "lpt") for number in range(1, 10)}

Parts = tuple[str, ...]


def safe_parts(name: str, *, depth: int = 100, windows: bool = os.name == "nt") -> Parts | str:
    """Return a member name as path components, or why it is refused.

    ``./`` at the front and doubled slashes are dropped, as every unpacker does. An empty
    result is the root of the archive itself.

    Args:
        name: The name, with ``/`` between components.
        depth: How many components are allowed.
        windows: Whether the rules of Windows apply as well.
    """
    if not name.isprintable() and any(unicodedata.category(letter) == "Cc" for letter in name):
        return "its name holds control characters"
    if name.startswith("/"):
        return "its name is an absolute path"
    parts = tuple(part for part in name.split("/") if part not in {"", "."})
    if ".." in parts:
        return "its name leads out of the folder"
    if parts and len(parts[0]) > 1 and parts[0][1] == ":" and parts[0][0].isalpha():
        return "its name starts with a drive letter"
    if len(parts) > depth:
        return "its name has too many folders"
    if len(name) > _LONGEST // _MOST_BYTES:  # else it is short, whatever its letters
        if any(len(os.fsencode(part)) > _LONGEST for part in parts):
            return "its name is too long"
        if len(os.fsencode("/".join(parts))) > _LONGEST_PATH:
            return "its path is too long"
    return _refused_by_windows(parts) if windows else parts


def _refused_by_windows(parts: Parts) -> Parts | str:
    for part in parts:
        if part.rstrip(". ") != part:
            return "its name ends in a dot or a space, which Windows does not keep"
        if part.split(".")[0].lower() in _DEVICES or set(part) & set('\\:*?"<>|'):
            return "its name is not allowed on Windows"
    return parts


class Claims:
    """Gives every path of the target to one member at most, in the order of the archive.

    Args:
        depth: How many components a name may have.
        folds_case: Whether the target's disk takes ``A`` and ``a`` for the same name.
    """

    def __init__(self, *, depth: int, folds_case: bool) -> None:
        self._depth = depth
        self._fold: Callable[[str], str] = str.casefold if folds_case else str
        self._files: dict[str, str] = {}
        self._folders: dict[str, str] = {}
        self._settled: dict[str, Parts] = {}

    def claim(self, member: Member) -> Parts | str:
        """Return where a member goes, or why it is skipped."""
        path, kind = member.name, member.kind
        if member.trouble:
            return member.trouble
        if kind is Kind.SYMLINK or kind is Kind.DEVICE:  # quicker than a set, and asked for each member
            return f"it is a {kind.value}"
        if kind is Kind.FOLDER:
            return self._claim_anew(path, folder=True)
        above, slash, name = path.rpartition("/")
        folder = self._settled.get(above)
        if folder is None or (slash and not above) or not _is_plain(name) or _IS_WINDOWS:
            parts = self._claim_anew(path, folder=False)
            if not isinstance(parts, str):
                self._settle(above, parts[:-1])
            return parts
        return self._take_file(path) or (*folder, name)

    def _settle(self, above: str, folder: Parts) -> None:
        """Remember a folder whose name is fine as it stands, so that its other files are not looked at in full."""
        if above == "/".join(folder) and len(above) < _LONGEST_PATH - _LONGEST:
            self._settled[above] = folder

    def _claim_anew(self, name: str, *, folder: bool) -> Parts | str:
        parts = safe_parts(name, depth=self._depth)
        if isinstance(parts, str):
            return parts
        if not parts and not folder:
            return "it has no name"
        return self._take(parts, folder=folder) or parts

    def _take(self, parts: Parts, *, folder: bool) -> str:
        path = "/".join(parts)
        above = ["/".join(parts[:length]) for length in range(1, len(parts))]
        for name in [*above, path] if folder else above:
            if self._fold(name) in self._files:
                return "a file of the archive has the name of its folder"
            if self._folders.get(self._fold(name), name) != name:
                return "its folder differs from another only in upper and lower case"
        if not folder and (taken := self._take_file(path)):
            return taken
        for name in [*above, path] if folder and path else above:
            self._folders[self._fold(name)] = name
        return ""

    def _take_file(self, path: str) -> str:
        """Take a path below folders that are taken already."""
        key = self._fold(path)
        if key in self._folders:
            return "a folder of the archive has its name"
        if self._files.setdefault(key, path) != path:
            return "its name differs from another only in upper and lower case"
        return ""
