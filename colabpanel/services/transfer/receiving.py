"""Receiving through the notebook: pieces of at most 512 KB are asked for, a few at once, and written straight to disk.

A ``want`` of the kernel names ranges of files, and the page answers each with ``parts`` of the same number: the bytes,
and with the last of a file the SHA-256 of all of it, those bytes included that came in an earlier upload. So the kernel
decides how fast it goes, nothing larger than a websocket takes is ever sent, and what is lost is asked for again.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from colabpanel import words
from colabpanel.errors import InputError
from colabpanel.progress import Progress
from colabpanel.services.disks import disk_errors_in_words
from colabpanel.services.files import sync_folder, write_at
from colabpanel.services.skipped import Skipped
from colabpanel.services.transfer.incoming import Planned, UploadPlan
from colabpanel.services.transfer.link import Link, Patience, Talk
from colabpanel.services.transfer.models import Received
from colabpanel.services.waiting import apart

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["PART", "receive"]

PART = 512 << 10
"""Bytes of one message of the page; some servers drop the connection at 1 MB."""

_WINDOW = 4
_FILES_AT_ONCE = 64
_READ = 1 << 20
_SYNC_FROM = 1 << 20
_OPEN = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)

Range = tuple[Planned, int, int]


def receive(
    link: Link,
    plan: UploadPlan,
    *,
    transfer: str,
    page: str,
    progress: Progress | None = None,
    patience: Patience | None = None,
) -> Received:
    """Ask the page for the files of a plan, and put each in its place once it is whole and verified.

    Args:
        link: The line to the page.
        plan: What is to come, and where it goes.
        transfer: What the page calls this choice of files.
        page: Which page they were chosen in.
        progress: Is told the bytes, and may cancel; what has come stays beside its place, so that
            another upload of the same files goes on there.
        patience: How long the page may be silent.

    Raises:
        InputError: Files are there already, and the plan says to ask.
        HostError: The page does not answer.
        StorageError: The disk or Drive failed.
        JobCancelledError: ``progress`` cancelled it.
    """
    if plan.overwrite == "ask" and plan.existing:
        files = words.plural(len(plan.existing), "file")
        raise InputError(
            f"{files} of these names are there already, such as {plan.existing[0]}.",
            hint="Choose to replace them or to keep both, and upload again.",
        )
    started, progress = time.monotonic(), progress or Progress()
    with Talk(link, transfer=transfer, page=page, patience=patience) as talk:
        receiving = apart(lambda relay: _received(talk, plan, relay), progress)
        talk.say("forget")
    skipped = (*plan.refused, *receiving.skipped)
    return Received(
        status="partial" if skipped else "ok",
        directory=plan.directory,
        files=tuple(receiving.done),
        size=receiving.size,
        resumed=receiving.resumed,
        skipped=skipped,
        seconds=time.monotonic() - started,
    )


@disk_errors_in_words()
def _received(talk: Talk, plan: UploadPlan, progress: Progress) -> _Receiving:
    progress.start(plan.size, "Uploading")
    plan.directory.mkdir(parents=True, exist_ok=True)
    receiving = _Receiving(talk, plan, progress)
    try:
        receiving.run()
    finally:
        receiving.close()
    return receiving


@dataclass
class _Receiving:
    talk: Talk
    plan: UploadPlan
    progress: Progress
    done: list[str] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    size: int = 0
    resumed: int = 0
    _asked: deque[tuple[int, list[Range]]] = field(default_factory=deque)
    _next: int = 0
    _open: _Open | None = None
    _given_up: set[int] = field(default_factory=set)

    def run(self) -> None:
        """Ask for everything in order, a few messages ahead of what has come."""
        for ranges in _messages(self.plan.files):
            while len(self._asked) >= _WINDOW:
                self._take()
            self._asked.append((self._next, ranges))
            self._ask(self._next, ranges)
            self._next += 1
        while self._asked:
            self._take()

    def close(self) -> None:
        """Let go of a file that is not whole; it stays beside its place."""
        if self._open is not None:
            self._open.close()

    def _ask(self, number: int, ranges: list[Range]) -> None:
        parts = [(file.index, start, length) for file, start, length in ranges]
        self.talk.say("want", number=number, parts=parts)

    def _ask_all(self) -> None:
        for number, ranges in self._asked:
            self._ask(number, ranges)

    def _take(self) -> None:
        number, ranges = self._asked[0]
        message, buffers = self.talk.wait(["parts"], self.progress, self._ask_all)
        sums = message.get("sums")
        if (
            message.get("number") != number
            or not isinstance(sums, list)
            or not len(sums) == len(buffers) == len(ranges)
        ):
            return  # it was asked for twice, or came in place of one that is lost
        self._asked.popleft()
        for (file, start, length), data, digest in zip(ranges, buffers, sums, strict=True):
            self._write(file, start, length, memoryview(data).cast("B"), digest)

    def _write(self, file: Planned, start: int, length: int, data: memoryview, digest: object) -> None:
        if file.index in self._given_up:
            return
        if digest == "unreadable" or len(data) != length:
            self._give_up(file, "the browser could not read it")
            return
        if self._open is None or self._open.file is not file:
            self._begin(file)
        assert self._open is not None
        self._open.write(data, start)
        self.progress.advance(length)
        if start + length == file.size:
            opened, self._open = self._open, None
            self._finish(opened, digest)

    def _begin(self, file: Planned) -> None:
        self.close()
        file.part.parent.mkdir(parents=True, exist_ok=True)
        self._open = _Open(file)
        self.progress.advance(file.held)

    def _finish(self, opened: _Open, digest: object) -> None:
        file, name = opened.file, opened.file.target.relative_to(self.plan.directory).as_posix()
        if opened.sha256.hexdigest() != digest:
            opened.close()
            file.part.unlink(missing_ok=True)
            self._give_up(file, "it arrived with other bytes than the browser read")
            return
        replaces = file.target.exists()
        opened.close(durable=replaces or file.size >= _SYNC_FROM)
        if replaces and self.plan.overwrite != "replace":
            self._give_up(file, "a file of its name appeared meanwhile")
            return
        file.part.replace(file.target)
        if replaces:
            sync_folder(file.target.parent)
        self.done.append(name)
        self.size += file.size
        self.resumed += file.held

    def _give_up(self, file: Planned, reason: str) -> None:
        self._given_up.add(file.index)
        self.skipped.append(Skipped(file.target.relative_to(self.plan.directory).as_posix(), reason))


class _Open:
    """A file that is being received, beside its place."""

    def __init__(self, file: Planned) -> None:
        self.file, self.sha256 = file, hashlib.sha256()
        self._handle = os.open(file.part, _OPEN, 0o666)
        try:
            os.ftruncate(self._handle, file.held)
            rest = file.held
            while rest and (data := os.read(self._handle, min(_READ, rest))):
                self.sha256.update(data)
                rest -= len(data)
        except BaseException:
            self.close()
            raise

    def write(self, data: Buffer, start: int) -> None:
        write_at(self._handle, data, start)
        self.sha256.update(data)

    def close(self, *, durable: bool = False) -> None:
        handle, self._handle = self._handle, -1
        if handle >= 0:
            with contextlib.closing(os.fdopen(handle, "rb+")) as stream:
                if durable:
                    os.fsync(stream.fileno())


def _messages(files: tuple[Planned, ...]) -> Iterator[list[Range]]:
    """Cut what is missing into messages of at most `PART` bytes and so many files."""
    ranges: list[Range] = []
    room = PART
    for file in files:
        start = file.held
        while True:
            length = min(file.size - start, room)
            ranges.append((file, start, length))
            start, room = start + length, room - length
            if room <= 0 or len(ranges) >= _FILES_AT_ONCE:
                yield ranges
                ranges, room = [], PART
            if start >= file.size:
                break
    if ranges:
        yield ranges
