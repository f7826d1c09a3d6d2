"""A folder of checkpoints: what is in it, and how one comes into it and leaves it.

Every change is a rename, and the manifest is written after what it lists is there and before what it no longer lists
goes. So whatever the manifest lists can be loaded, and whoever is killed leaves only hidden folders, which are swept.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import platform
import re
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import xxhash

from colabpanel.services.checkpoints.files_of import problem_in, remove_folder
from colabpanel.services.checkpoints.record import MANIFEST, RECORD, Record, as_json, read_manifest, read_record
from colabpanel.services.disks import FULL
from colabpanel.services.files import is_alive, sync_folder, write_atomic

__all__ = ["Store"]

_PART = re.compile(r"\.(?P<name>.+)\.(?P<host>[0-9a-f]{8})-(?P<process>\d+)-\d+\.(?:part|gone)")
_ABANDONED = 24 * 3600.0  # seconds after which what another machine began is swept
_TRIES = 100

_TAKEN = {errno.ENOTEMPTY, errno.EEXIST, errno.EACCES} if os.name == "nt" else {errno.ENOTEMPTY, errno.EEXIST}

_locks: dict[str, threading.RLock] = {}
_numbers = itertools.count()


class Store:
    """One folder with checkpoints of ours.

    Args:
        folder: It is made when something comes into it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = _locks.setdefault(str(folder), threading.RLock())

    def records(self) -> list[Record]:
        """Return what is there, oldest first.

        The manifest tells, which is one file to read. A checkpoint that it does not list, for whoever published it was
        killed before that, is found by its own record.

        Raises:
            OSError: The disk refused.
        """
        with self._lock:
            here = self.names()
            listed = {record.name: record for record in read_manifest(self.folder / MANIFEST) if record.name in here}
            for name in here - set(listed):
                found = read_record(self.folder / name / RECORD)
                if found is not None and found.name == name and self._is_whole(found):
                    listed[name] = found
            return sorted(listed.values(), key=lambda record: (record.created, record.name))

    def names(self) -> set[str]:
        """Return the names that are taken, whether by checkpoints or by other folders.

        Raises:
            OSError: The disk refused.
        """
        try:
            with os.scandir(self.folder) as entries:
                return {entry.name for entry in entries if not entry.name.startswith(".") and _is_folder(entry)}
        except FileNotFoundError:
            return set()

    def _is_whole(self, record: Record) -> bool:
        folder = self.folder / record.name
        return all((folder / file.name).is_file() for file in record.files) and not any(
            (folder / file.name).stat().st_size != file.size for file in record.files
        )

    def begin(self, name: str) -> Path:
        """Make a hidden folder in which a checkpoint is put together."""
        self.folder.mkdir(parents=True, exist_ok=True)
        part = self.folder / self._hidden(name, "part")
        part.mkdir()
        return part

    @staticmethod
    def _hidden(name: str, why: str) -> str:
        host = xxhash.xxh32_hexdigest(platform.node().encode())
        return f".{name}.{host}-{os.getpid()}-{next(_numbers)}.{why}"

    def free_name(self, step: int, taken: Iterable[str] = ()) -> str:
        """Return a name for a checkpoint of this step that nothing here has, nor is among those that are taken."""
        taken, name, number = self.names().union(taken), f"step-{step:08d}", 1
        while name in taken:
            number += 1
            name = f"step-{step:08d}-{number}"
        return name

    def publish(self, part: Path, record: Record) -> Record:
        """Put a folder, whose files are on the disk already, in its place.

        Returns:
            The record, under another name where another process has taken this one meanwhile.
        """
        with self._lock:
            for _try in range(_TRIES):
                write_atomic(part / RECORD, as_json(record))
                sync_folder(part)
                try:
                    part.rename(self.folder / record.name)
                    break
                except OSError as error:
                    if error.errno not in _TAKEN:
                        raise
                    record = replace(record, name=self.free_name(record.step))
            sync_folder(self.folder)
            self._list([*self.records(), record])
            return record

    def delete(self, name: str) -> None:
        """Delete a checkpoint: on Drive its files are emptied first, for the Trash takes room."""
        with self._lock:
            left = [record for record in self.records() if record.name != name]
            is_full = not self._listed_if_room(left)
            gone = self.folder / self._hidden(name, "gone")
            with contextlib.suppress(FileNotFoundError):
                (self.folder / name).rename(gone)
            remove_folder(gone)
            if is_full:
                self._list(left)

    def _listed_if_room(self, records: list[Record]) -> bool:
        """Write the manifest; on a full disk remove it instead: each checkpoint has its own record."""
        try:
            self._list(records)
        except OSError as error:
            if error.errno not in FULL:
                raise
            (self.folder / MANIFEST).unlink(missing_ok=True)
            return False
        return True

    def prune(
        self, kept: Callable[[list[Record]], set[str]], told: Callable[[int], None] = lambda _: None
    ) -> list[str]:
        """Delete what is not kept.

        Args:
            kept: Returns the names of those to keep, of all that are here.
            told: Is called after each that was deleted, and may raise to end it.

        Returns:
            The names of those deleted.
        """
        records = self.records()
        names = kept(records)
        gone = [record.name for record in records if record.name not in names and not self.is_pinned(record.name)]
        for name in gone:
            self.delete(name)
            told(1)
        return gone

    def mark(self, name: str, change: Callable[[Record], Record]) -> Record:
        """Change what is noted of a checkpoint: its tags, or whether it is pinned.

        Raises:
            KeyError: It is not here.
        """
        with self._lock:
            records = {record.name: record for record in self.records()}
            changed = change(records[name])
            write_atomic(self.folder / name / RECORD, as_json(changed))
            self._list([*records.values(), changed])
            return changed

    def rename(self, name: str, new: str) -> None:
        """Give a checkpoint another name, if it is here."""
        with self._lock:
            records = {record.name: record for record in self.records()}
            if name not in records:
                return
            changed = replace(records.pop(name), name=new)
            write_atomic(self.folder / name / RECORD, as_json(changed))
            (self.folder / name).rename(self.folder / new)
            sync_folder(self.folder)
            self._list([*records.values(), changed])

    def is_pinned(self, name: str) -> bool:
        """Whether a checkpoint is pinned, by its own record: another process may have pinned it just now."""
        found = read_record(self.folder / name / RECORD)
        return found is not None and found.is_pinned

    def _list(self, records: list[Record]) -> None:
        last = {record.name: record for record in records}
        write_atomic(self.folder / MANIFEST, as_json(sorted(last.values(), key=lambda record: record.created)))

    def sweep(self) -> None:
        """Remove what was begun by processes that are gone."""
        with contextlib.suppress(FileNotFoundError), os.scandir(self.folder) as entries:
            found = [
                (Path(entry.path), match)
                for entry in entries
                if (match := _PART.fullmatch(entry.name)) and _is_folder(entry)
            ]
            for path, match in found:
                if self._is_abandoned(path, match["host"], int(match["process"])):
                    remove_folder(path)

    @staticmethod
    def _is_abandoned(path: Path, host: str, process: int) -> bool:
        made = path.stat().st_mtime
        if host == xxhash.xxh32_hexdigest(platform.node().encode()):
            return not is_alive(process, since=made)
        return time.time() - made > _ABANDONED

    def verify(self, record: Record) -> str:
        """Return what is wrong with the files of a checkpoint, or nothing.

        Raises:
            OSError: The disk refused to read.
        """
        return problem_in(self.folder / record.name, record)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether this is a folder, and no link to one: what is below it may be deleted."""
    return entry.is_dir(follow_symlinks=False)
