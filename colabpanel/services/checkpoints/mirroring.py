"""Bringing checkpoints to another folder, best Drive, while training goes on.

A child process copies and reads back, so neither training's interpreter nor a hung Drive is in the way of the other.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from pathlib import Path

from colabpanel.errors import ColabPanelError, StorageError
from colabpanel.progress import Progress
from colabpanel.services.checkpoints.endings import say_at_the_end, start_pending
from colabpanel.services.checkpoints.files_of import remove_folder
from colabpanel.services.checkpoints.policy import Policy
from colabpanel.services.checkpoints.record import Record
from colabpanel.services.checkpoints.store import Store
from colabpanel.services.disks import disk_errors_in_words
from colabpanel.services.isolated import call_isolated
from colabpanel.services.mounts import insist_on_mount, remote_mount
from colabpanel.services.saves import note_save

__all__ = ["Mirroring", "copy_folder", "seen_on"]

_PAUSES = (1.0, 5.0, 15.0, 60.0)


class Mirroring:
    """Copies what the policy keeps to the mirror, one checkpoint after another, the best and the newest first.

    Args:
        local: Where checkpoints are written first.
        mirror: Where they shall be, too.
        policy: Which are kept there.
        pauses: Seconds to wait after each failure in a row; the last one again and again.

    Attributes:
        failure: What went wrong and is not mended yet.
        copying: The name of what is being copied, or nothing.
        failures: How often anything went wrong.
        taken: The names that the mirror had when it was last looked at, which may be long ago.
    """

    def __init__(self, local: Store, mirror: Store, policy: Policy, pauses: tuple[float, ...] = _PAUSES) -> None:
        self.local, self.mirror, self._policy, self._pauses = local, mirror, policy, pauses
        self._mount = remote_mount(mirror.folder)
        self.failure: ColabPanelError | None = None
        self.copying = ""
        self._woken, self._idle, self._closed = threading.Event(), threading.Event(), threading.Event()
        self._idle.set()
        self._prunes = False
        self._unwanted: set[Hashable] = set()
        self.taken: frozenset[str] = frozenset()
        self.failures = 0
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def wake(self, *, prune: bool) -> None:
        """Look for what is to be copied, now, in the background; here, where no thread can be started.

        Args:
            prune: Delete what the policy does not keep, from now on: not before this object has saved something, for
                whoever opens a folder only to restore may have another policy.
        """
        with self._lock:
            self._prunes = self._prunes or prune
            self._idle.clear()
            self._woken.set()
            if self._thread is not None and self._thread.is_alive():
                return
            try:
                self._thread = start_pending(self._run, "colabpanel-mirror")
            except RuntimeError:  # as while Python ends, which waits for the thread that has saved
                self._thread = None
            else:
                return
        self._run()

    @contextlib.contextmanager
    def leaving_out(self, records: Iterable[Record]) -> Iterator[None]:
        """Copy these no more, not even what is being copied, unless what is done meanwhile fails."""
        unwanted = {record.identity for record in records}
        self._unwanted |= unwanted
        try:
            yield
        except BaseException:
            self._unwanted -= unwanted
            self.wake(prune=False)
            raise

    @property
    def is_idle(self) -> bool:
        """Whether nothing is under way any more; always so in a process that was forked off this one."""
        return self._idle.is_set() or self._process != os.getpid()

    def close(self) -> None:
        """Begin nothing new."""
        self._closed.set()
        self._woken.set()

    def _run(self) -> None:
        try:
            self._work()
        finally:
            with self._lock:
                if self._thread in {None, threading.current_thread()}:  # not where another one was begun meanwhile
                    self._idle.set()

    def _work(self) -> None:
        in_a_row = 0
        while not self._closed.is_set():
            self._woken.clear()
            try:
                with disk_errors_in_words():
                    self._round()
            except Exception as error:  # noqa: BLE001 - whoever waits must be told
                self.failure = error if isinstance(error, ColabPanelError) else _unexpected(error)
                self.copying = ""
                self.failures += 1
                say_at_the_end(self, self.failure)
                self._woken.wait(self._pauses[min(in_a_row, len(self._pauses) - 1)])
                in_a_row += 1
                continue
            in_a_row, self.failure = 0, None
            say_at_the_end(self, None)
            with self._lock:
                if not self._woken.is_set():
                    self._idle.set()
                    self._thread = None
                    return

    def _round(self) -> None:
        """Copy all that is missing, then delete what the policy no longer keeps."""
        insist_on_mount(self.mirror.folder, self._mount)
        self.mirror.sweep()
        self._prune()
        while not self._closed.is_set() and (record := self._next()) is not None:
            self.copying = record.name
            self._copy(record)
        self.copying = ""
        self._prune()

    def _prune(self) -> None:
        """Delete what is no longer kept; only verified copies are counted, for only those are there."""
        if self._prunes:
            self.mirror.prune(self._policy.kept)

    def _next(self) -> Record | None:
        """Return what is to be copied next."""
        there = {record.name: record for record in self.mirror.records()}
        self._rename_others(there)
        here = [record for record in self.local.records() if record.identity not in self._unwanted]
        missing = [record for record in here if not _is_among(there, record)]
        kept = self._policy.kept([*there.values(), *missing])
        missing = [record for record in missing if record.name in kept]
        return self._policy.best(missing) or (missing[-1] if missing else None)

    def _rename_others(self, there: Mapping[str, Record]) -> None:
        """Give another name to each checkpoint here under whose name the mirror has something else."""
        names = self.mirror.names()
        self.taken = frozenset(names)
        for record in self.local.records():
            if record.name in names and not _is_among(there, record):
                copies = {one.name for one in there.values() if one.identity == record.identity}
                free = sorted(copies - self.local.names()) or [self.local.free_name(record.step, names)]
                self.local.rename(record.name, free[0])

    def _copy(self, record: Record) -> None:
        insist_on_mount(self.mirror.folder, self._mount)
        part = self.mirror.begin(record.name)
        try:
            copy_folder(self.local.folder / record.name, part, progress=_Until(self._closed.is_set))
            insist_on_mount(part, self._mount)
            self._publish(part, record)
        except ColabPanelError:
            if self._now(record) is not None:
                raise
        finally:
            remove_folder(part)

    def _publish(self, part: Path, record: Record) -> None:
        """Let a copy be one; not where the checkpoint is deleted meanwhile, which may be before or after."""
        if record.identity in self._unwanted:
            return
        published = self.mirror.publish(part, self._now(record) or record)  # it may have been pinned meanwhile
        if record.identity in self._unwanted:
            self.mirror.delete(published.name)
        else:
            note_save(self.mirror.folder / published.name, published.created)

    def _now(self, record: Record) -> Record | None:
        """Return what is noted of a checkpoint now, or None where it is here no more."""
        here = (one for one in self.local.records() if one.identity == record.identity)
        return None if record.identity in self._unwanted else next(here, None)


def _is_among(records: Mapping[str, Record], record: Record) -> bool:
    """Whether records, by name, hold this checkpoint, and no other one of its name."""
    return record.name in records and records[record.name].identity == record.identity


def copy_folder(source: Path, target: Path, *, progress: Progress | None = None) -> None:
    """Copy the files of a checkpoint into a folder, in a child process, and read them back.

    Raises:
        ColabPanelError: Not all of them could be copied.
    """
    arguments = {
        "source": str(source),
        "target": str(target),
        "into_folder": False,
        "root": None,
        "state_dir": None,
    }
    copied = call_isolated("colabpanel.services.copying.engine:copy_here", arguments, progress=progress)
    if copied["skipped"]:
        name, reason = copied["skipped"][0]
        raise StorageError(f"{source.name}/{name} could not be copied: {reason}", hint="Try again.")


class _Until(Progress):
    """Cancels the copying when there is no more need of it."""

    def __init__(self, is_over: Callable[[], bool]) -> None:
        self._is_over = is_over

    def advance(self, amount: int = 1) -> None:
        if self._is_over():
            raise StorageError("Copying to the mirror was stopped.", hint="Open the same folders again: it goes on.")


def _unexpected(error: BaseException) -> StorageError:
    last = str(error).strip().splitlines()[-1:] or [type(error).__name__]
    return StorageError(f"Copying to the mirror failed ({last[0][:200]}).", hint="It is tried again.")


def seen_on(mirror: Store | None) -> tuple[float, frozenset[str]]:
    """Return when the newest of a mirror was saved, and the names it has.

    That a mirror does not answer is told when it is needed.
    """
    try:
        records, names = (mirror.records(), mirror.names()) if mirror else ([], set[str]())
    except OSError:
        return 0.0, frozenset()
    return max((record.created for record in records), default=0.0), frozenset(names)
