"""One of rclone's remotes."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from colabpanel.errors import InputError, PathError, StorageError
from colabpanel.progress import Progress
from colabpanel.services.remotes.addresses import RemoteAddress
from colabpanel.services.remotes.models import Carried, Checked, GotFile, PutFile, RemoteEntry, RemoteQuota
from colabpanel.services.remotes.moments import seconds_of
from colabpanel.services.remotes.rclone.control import kind_of, login_of, work
from colabpanel.services.remotes.rclone.daemon import running_rclone
from colabpanel.services.skipped import Skipped
from colabpanel.services.sources.spec import SourceSpec
from colabpanel.services.walk import files_below

__all__ = ["RcloneStore"]

_UNFINISHED = ".colabpanel-part"
_AGAIN = "Try again; what was there before is still there."
_REPLACED = "Try again: this remote cannot rename, and what was there before is replaced."


class RcloneStore:
    """A remote by its name.

    Args:
        name: What rclone calls it.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def close(self) -> None:
        """Do nothing: rclone stays for the next call."""

    def entries(self, path: str, progress: Progress) -> Sequence[RemoteEntry]:
        """Return all that is in a folder."""
        progress.start(None, f"Listing {self.name}", unit="entries")
        options = {"noMimeType": True}
        found = self._work("operations/list", {**self._spot(path), "opt": options}, progress, path)
        folder = RemoteAddress(self.name, path)
        return [_entry(folder.joined(one["Name"]), one) for one in found["list"] or ()]

    def find(self, path: str, progress: Progress) -> RemoteEntry | None:
        """Return what is at a path, or None."""
        address = RemoteAddress(self.name, path)
        if not address.leaf:
            self.entries(path, progress)
            return RemoteEntry(self.name, address.text, is_folder=True)
        with contextlib.suppress(PathError):  # the folder it would be in is not there either
            item = self._work("operations/stat", self._spot(path), progress, path)["item"]
            return _entry(address, item) if item else None
        return None

    def quota(self, progress: Progress) -> RemoteQuota:
        """Return how much room there is; what the remote does not tell is None."""
        progress.start(None, f"Asking {self.name}", unit="answers")
        spot = self._spot("")
        told: dict[str, Any] = {}
        if self._features(progress).get("About"):
            told = self._work("operations/about", {"fs": spot["fs"]}, progress, "")
        figures = {ours: told.get(theirs) for ours, theirs in _FIGURES.items()}
        return RemoteQuota(f"{self.name}:", **figures)

    def put(self, file: Path, path: str, progress: Progress, *, overwrite: bool) -> PutFile:
        """Copy a file there, verify it, and give it its name."""
        started, address = time.monotonic(), RemoteAddress(self.name, path)
        is_new = self.find(path, progress) is None
        if not is_new and not overwrite:
            raise PathError(f"{address.text} is there already.", hint="Choose another name, or replace it.")
        features = self._facts(progress)
        begun = _unfinished(path) if features["Features"].get("Move") else path
        source = {"srcFs": str(file.parent), "srcRemote": file.name}
        size = self._size_here(file, progress)
        progress.start(size, f"Uploading {file.name}")
        try:
            self._work("operations/copyfile", {**source, **self._goal(begun)}, progress, path, counting=True)
            hint = _AGAIN if is_new or begun != path else _REPLACED
            checked = self._compare(file, begun, size, features, progress, hint=hint)
        except BaseException:
            if is_new or begun != path:
                self._remove(begun)
            raise
        if begun != path:
            progress.start(None, "Giving it its name", cancellable=False)
            moved = {**self._spot(begun, "srcFs", "srcRemote"), **self._goal(path)}
            self._work("operations/movefile", moved, progress, path)
        return PutFile(address.text, size, checked, time.monotonic() - started)

    def get(self, path: str, target: Path, progress: Progress) -> GotFile:
        """Copy a file here, and verify it."""
        entry = self._file(path, progress)
        begun = target.with_name(_unfinished(target.name))
        progress.start(entry.size, f"Downloading {entry.name}")
        goal = {"dstFs": str(begun.parent), "dstRemote": begun.name}
        source = self._spot(path, "srcFs", "srcRemote")
        try:
            self._work("operations/copyfile", {**source, **goal}, progress, path, counting=True)
            size = self._size_here(begun, progress)
            checked = self._compare(begun, path, size, self._facts(progress), progress)
            os.replace(begun, target)  # noqa: PTH105 - beside each other
        except BaseException:
            with contextlib.suppress(OSError):
                begun.unlink()
            raise
        return GotFile(str(target), size, checked)

    def get_folder(self, path: str, target: Path, progress: Progress) -> Carried:
        """Copy a folder here with all that is in it, to where nothing is yet."""
        found = self.measure(path, progress)
        progress.start(found.size, f"Downloading {RemoteAddress(self.name, path).leaf}")
        source = {"srcFs": self._whole(path), "dstFs": str(target), "createEmptySrcDirs": True}
        self._work("sync/copy", source, progress, path, counting=True)
        return found

    def put_folder(self, folder: Path, path: str, progress: Progress) -> Carried:
        """Copy a folder there, under a hidden name first where the remote renames folders; links are left out."""
        progress.start(None, f"Looking through {folder.name}", unit="files")
        skipped: list[Skipped] = []
        found = list(files_below(folder, set(), skipped))
        size = sum(file.size for file in found)
        is_new = self.find(path, progress) is None
        begun = _unfinished(path) if is_new and self._features(progress).get("DirMove") else path
        if begun != path and self.find(begun, progress) is not None:  # left by a try that was killed
            self._work("operations/purge", self._spot(begun), progress, path)
        progress.start(size, f"Uploading {folder.name}")
        source = {"srcFs": str(folder), "dstFs": self._whole(begun), "createEmptySrcDirs": True}
        self._work("sync/copy", source, progress, path, counting=True)
        if begun != path:
            progress.start(None, "Giving it its name", unit="steps", cancellable=False)
            moved = {"srcFs": self._whole(begun), "dstFs": self._whole(path), "deleteEmptySrcDirs": True}
            self._work("sync/move", moved, progress, path)
        return Carried(len(found), size, tuple(skipped))

    def make_folder(self, path: str, progress: Progress) -> None:
        """Make a folder."""
        self._work("operations/mkdir", self._spot(path), progress, path)

    def measure(self, path: str, progress: Progress) -> Carried:
        """Return how many files are in a folder and those below, and their bytes; of a file, its own."""
        entry = self.find(path, progress)
        if entry is None:
            raise PathError(f"{self.name}:{path} does not exist.", hint="Check the spelling.")
        if not entry.is_folder:
            return Carried(1, entry.size or 0)
        progress.start(None, "Adding up", unit="files")
        found = self._work("operations/size", {"fs": self._whole(path)}, progress, path)
        return Carried(int(found["count"]), int(found["bytes"]))

    def source(self, path: str, progress: Progress) -> SourceSpec:
        """Return where parts of a file can be read: rclone serves them on the loopback."""
        self._file(path, progress)
        daemon = running_rclone()
        spot = self._spot(path)
        front, rest = quote(f"[{spot['fs']}]", safe=""), quote(spot["remote"], safe="/")
        url = f"http://127.0.0.1:{daemon.port}/{front}/{rest}"
        named = {"name": RemoteAddress(self.name, path).leaf, "shown": f"{self.name}:{path}", "is_file": True}
        return SourceSpec("http", url, {"Authorization": login_of(daemon)}, named)

    def link(self, path: str, progress: Progress) -> str:
        """Return the page of a file or folder on Drive."""
        item = self._work("operations/stat", self._spot(path), progress, path)["item"] or {}
        if kind_of(self.name) != "drive" or not item.get("ID"):
            raise InputError(f"{self.name}:{path} has no link that is its owner's alone.", hint="Only Drive has such.")
        return f"https://drive.google.com/open?id={item['ID']}"

    def _file(self, path: str, progress: Progress) -> RemoteEntry:
        entry = self.find(path, progress)
        if entry is None:
            raise PathError(f"{self.name}:{path} does not exist.", hint="Check the spelling.")
        if entry.is_folder:
            raise PathError(f"{self.name}:{path} is a folder.", hint="Choose a file.")
        return entry

    def _compare(
        self, file: Path, path: str, size: int, facts: dict[str, Any], progress: Progress, *, hint: str = _AGAIN
    ) -> Checked:
        """Compare a copy there with a file here.

        Raises:
            StorageError: They differ.
        """
        sums = (facts.get("Hashes") or [])[:1]
        progress.start(None, "Comparing checksums" if sums else "Comparing sizes")
        options = {"opt": {"showHash": bool(sums), "hashTypes": sums}}
        there = self._work("operations/stat", {**self._spot(path), **options}, progress, path)["item"] or {}
        told = (there.get("Hashes") or {}).get(sums[0]) if sums else None
        if there.get("Size") != size:
            raise StorageError(f"{self.name} has other bytes than {file.name}: the sizes differ.", hint=hint)
        if not told:
            return "size"
        local = {"fs": str(file.parent), "remote": file.name, **options}
        here = self._work("operations/stat", local, progress, path)["item"] or {}
        if (here.get("Hashes") or {}).get(sums[0]) != told:
            raise StorageError(f"{self.name} has other bytes than {file.name}: the checksums differ.", hint=hint)
        return "hash"

    def _size_here(self, file: Path, progress: Progress) -> int:
        """Return the size of a file here, as rclone sees it: a hung disk then holds up that process only."""
        item = self._work("operations/stat", {"fs": str(file.parent), "remote": file.name}, progress, "")["item"]
        if item is None or item["IsDir"]:
            raise PathError(f"{file} is {'no file' if item is None else 'a folder'}.", hint="Choose a file.")
        return int(item["Size"])

    def _remove(self, path: str) -> None:
        with contextlib.suppress(Exception):
            self._work("operations/deletefile", self._spot(path), Progress(), path)

    def _facts(self, progress: Progress) -> dict[str, Any]:
        return self._work("operations/fsinfo", {"fs": self._spot("")["fs"]}, progress, "")

    def _features(self, progress: Progress) -> dict[str, Any]:
        features: dict[str, Any] = self._facts(progress)["Features"]
        return features

    def _whole(self, path: str) -> str:
        spot = self._spot(path)
        return spot["fs"] + spot["remote"]

    def _spot(self, path: str, fs: str = "fs", remote: str = "remote") -> dict[str, str]:
        front = "/" if path.startswith("/") else ""
        return {fs: f"{self.name}:{front}", remote: path.strip("/")}

    def _goal(self, path: str) -> dict[str, str]:
        return self._spot(path, "dstFs", "dstRemote")

    def _work(
        self, command: str, arguments: dict[str, Any], progress: Progress, path: str, *, counting: bool = False
    ) -> dict[str, Any]:
        return work(command, arguments, progress=progress, name=self.name, path=path, counting=counting)


_FIGURES = {"used": "used", "free": "free", "total": "total", "trash": "trashed"}


def _unfinished(path: str) -> str:
    above, slash, name = path.rpartition("/")
    return f"{above}{slash}.{name}{_UNFINISHED}"


def _entry(address: RemoteAddress, told: dict[str, Any]) -> RemoteEntry:
    is_folder, size = bool(told["IsDir"]), told.get("Size")
    known = None if is_folder or size is None or size < 0 else int(size)
    return RemoteEntry(told["Name"], address.text, is_folder, known, seconds_of(told.get("ModTime", "")))
