"""The black box: what a kernel that ended unexpectedly can no longer tell."""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import json
import logging
import os
import platform
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from colabpanel import words
from colabpanel.hosts import Host
from colabpanel.services.files import is_alive, write_at

__all__ = ["BlackBox", "Crash", "crash_summary", "notebook_key"]

_LOG = logging.getLogger("colabpanel")
_FOLDER = "black-box"
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_BOOT_DRIFT = 120.0  # seconds, by which clocks are set
_SLOT = 1024  # bytes; two slots are written in turn, so one is whole whatever happens
_EVERY = 3.0
_STEP = 0.01  # of the limit, after which it is written at once
_FULL = 0.85
_FORGOTTEN = 30 * 86400.0
_SILENT = 120.0
"""Seconds after which a kernel of another machine, that wrote nothing, is taken for gone."""


@dataclass(frozen=True)
class Crash:
    """The end of an earlier kernel of this notebook that nobody asked for.

    Attributes:
        time: When it was seen alive last, in seconds since the epoch.
        used: Bytes of memory in use then, or None where that was not known.
        total: The limit in bytes, or None.
        busy: Whether a cell ran.
        machine_restarted: Whether the machine was restarted or replaced since, so that it may have ended with it.
    """

    time: float
    used: int | None
    total: int | None
    busy: bool
    machine_restarted: bool

    @property
    def out_of_memory(self) -> bool:
        """Whether memory was so full that this is the likely reason."""
        return bool(self.used and self.total and self.used / self.total >= _FULL)


@dataclass(frozen=True)
class _Record:
    """What is written of a running kernel, for the so-many-th time."""

    number: int
    process: int
    born: float
    node: str
    boot: str
    time: float
    used: int | None
    total: int | None
    busy: bool


def crash_summary(crash: Crash, *, now: float | None = None) -> str:
    """Say in one or two sentences how the last kernel ended.

    Args:
        crash: What is known of it.
        now: Seconds since the epoch; by itself the present.
    """
    since = words.age((time.time() if now is None else now) - crash.time)
    text = f"The last kernel of this notebook ended unexpectedly {since}" + (", while a cell ran" if crash.busy else "")
    if crash.used is not None and crash.total:
        amount = words.bytes_pair(crash.used, crash.total)
        text += f"; memory was at {crash.used / crash.total:.0%} ({amount})"
    return text + (". The machine was restarted or replaced since." if crash.machine_restarted else ".")


def notebook_key(host: Host) -> str:
    """Return what stays the same from one kernel of a notebook to the next.

    That is the notebook's path where the server (``JPY_SESSION_NAME``) or VS Code tells it; else the name of the
    kernel's connection file, which a restart keeps; else the working folder, as on Colab's one-kernel machines.
    """
    session = os.environ.get("JPY_SESSION_NAME")
    if session:
        return f"session {session}"
    document = host.namespace().get("__vsc_ipynb_file__")
    if isinstance(document, str):
        return f"document {document}"
    connection = getattr(getattr(getattr(host.shell, "kernel", None), "parent", None), "connection_file", None)
    if isinstance(connection, str) and connection:
        return f"connection {Path(connection).name}"
    return f"folder {Path.cwd()}"


class BlackBox:
    """Keeps a small record of this kernel on disk while it runs; an earlier one that is left over tells of its end.

    Each process has a file of its own, so kernels of one notebook that run at the same time do not mix.

    Args:
        folder: The folder for colabpanel's own files.
        key: What stays the same from one kernel of the notebook to the next, as `notebook_key` says.
        clock: Tells the time in seconds since the epoch.

    Attributes:
        problem: Why nothing is recorded, or an empty string.
    """

    def __init__(self, folder: Path, key: str, *, clock: Callable[[], float] = time.time) -> None:
        self._folder, self._clock = folder / _FOLDER, clock
        self._prefix = _short(key)
        self._process = os.getpid()
        self._born = psutil.Process().create_time()
        self._path = self._folder / f"{self._prefix}-{_short(f'{platform.node()} {self._process} {self._born}')}.json"
        self._handle: int | None = None
        self._last: _Record | None = None
        self._number = 0
        self._lock = threading.Lock()
        self.problem = ""

    def write(self, used: int | None, total: int | None, *, busy: bool) -> None:
        """Record this moment: every three seconds, and at once when memory rose or a cell began or ended.

        Nothing is raised when the disk refuses; then `problem` says so.

        Args:
            used: Bytes of memory in use, or None where that is not known.
            total: The limit in bytes, or None.
            busy: Whether a cell runs.
        """
        with self._lock:
            number, node = self._number + 1, platform.node()
            now = _Record(number, self._process, self._born, node, _boot(), self._clock(), used, total, busy)
            if self.problem or os.getpid() != self._process or not self._is_news(now):
                return
            try:
                self._put(now)
            except OSError as error:
                self.problem = f"What this kernel does cannot be recorded: {error.strerror or error}."
                _LOG.warning("The black box cannot be written: %s", error)

    def close(self) -> None:
        """Remove the record: this kernel ends properly. Also done when Python ends."""
        with self._lock:
            if self._handle is None or os.getpid() != self._process:
                return
            os.close(self._handle)
            self._handle = None
            self._last = None
            atexit.unregister(self.close)
            with contextlib.suppress(OSError):
                self._path.unlink()

    def last_crash(self) -> Crash | None:
        """Return the newest unexpected end of an earlier kernel of this notebook, or None.

        It is told until `acknowledge` is called.
        """
        lost = [record for _, record in self._lost()]
        if not lost:
            return None
        last = max(lost, key=lambda record: record.time)
        return Crash(last.time, last.used, last.total, last.busy, machine_restarted=not _is_of_this_run(last))

    def acknowledge(self) -> None:
        """Forget the unexpected ends that there are by now."""
        for path, _ in self._lost():
            with contextlib.suppress(OSError):
                path.unlink()

    def _is_news(self, now: _Record) -> bool:
        last = self._last
        if last is None or last.busy != now.busy or not 0 <= now.time - last.time < _EVERY:
            return True
        return bool(now.used and now.total and now.used - (last.used or 0) >= _STEP * now.total)

    def _put(self, now: _Record) -> None:
        if self._handle is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            options = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0)
            self._handle = os.open(self._path, options, 0o600)
            atexit.register(self.close)
        # Not synced: a killed process loses nothing that was written, and this must not wait for a busy disk.
        line = json.dumps(asdict(now)).encode().ljust(_SLOT - 1) + b"\n"
        write_at(self._handle, line, now.number % 2 * _SLOT)
        self._number, self._last = now.number, now

    def _lost(self) -> Iterator[tuple[Path, _Record]]:
        """Give the records of kernels of this notebook that are gone; what is too old is deleted."""
        try:
            files = sorted(self._folder.glob(f"{self._prefix}-*.json"))
        except OSError:
            return
        for path in files:
            record = _read(path) if path != self._path else None
            if record is None or self._lives(record):
                continue
            if self._clock() - record.time > _FORGOTTEN:
                with contextlib.suppress(OSError):
                    path.unlink()
            else:
                yield path, record

    def _lives(self, record: _Record) -> bool:
        if _is_of_this_run(record):
            return is_alive(record.process, since=record.born)
        # Another machine, or this one before it was restarted: its processes cannot be asked for.
        return record.node != platform.node() and self._clock() - record.time < _SILENT


def _read(path: Path) -> _Record | None:
    """Return the newer of the two slots that can be read."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    found = [record for start in (0, _SLOT) if (record := _parsed(data[start : start + _SLOT])) is not None]
    return max(found, key=lambda record: record.number, default=None)


def _parsed(slot: bytes) -> _Record | None:
    try:
        told: dict[str, Any] = json.loads(slot)
        record = _Record(**told)
        float(record.time), float(record.born), int(record.process), int(record.number)
    except (ValueError, TypeError):
        return None
    return record


def _is_of_this_run(record: _Record) -> bool:
    """Whether it was written on this machine since it was started."""
    if record.node != platform.node():
        return False
    now = _boot()
    if record.boot == now:
        return True
    try:
        return abs(float(record.boot) - float(now)) < _BOOT_DRIFT
    except ValueError:
        return False


def _boot() -> str:
    """Return what tells one run of this machine from the next: a name, or when it was started, about."""
    with contextlib.suppress(OSError):
        return _BOOT_ID.read_text().strip()
    return str(psutil.boot_time())


def _short(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
