"""Runs calls that kill themselves, or whose disk fails, at the n-th change they make to the file system.

As a program (``python -m tests.sweeps``) it loads what the calls need, then forks a process for each: one that is
killed by itself costs a few milliseconds, and it has no threads but its own.
"""

from __future__ import annotations

import builtins
import contextlib
import errno
import gc
import importlib
import importlib.util
import io
import json
import os
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

__all__ = ["Fault", "Run", "Sweeper"]

_CHANGES = (
    "open",
    "write",
    "pwrite",
    "pwritev",
    "mkdir",
    "rename",
    "replace",
    "unlink",
    "remove",
    "rmdir",
    "utime",
    "fsync",
    "ftruncate",
)
_COUNTED = {"tear": ("write",), "ENOSPC": ("open", "write", "mkdir", "rename", "replace", "fsync")}
_PATIENCE = 60
_NEEDED = (
    "colabpanel.progress",
    "colabpanel.services.checkpoints.service",
    "colabpanel.services.snapshots.catalog",
    "colabpanel.services.snapshots.service",
    "colabpanel.services.staging.engine",
    "colabpanel.services.staging.packing.engine",
    "colabpanel.services.staging.streams.codecs",
    "colabpanel.services.staging.streams.seven_zip",
    "colabpanel.services.staging.streams.single",
    "colabpanel.services.staging.streams.tar",
    "backports.zstd" if sys.version_info < (3, 14) else "compression.zstd",
    "random",
    *(["torch"] if importlib.util.find_spec("torch") else []),
    "shutil",
    "tempfile",
)


@dataclass(frozen=True)
class Fault:
    """What goes wrong.

    Attributes:
        at: Which change, counted from 1; 0 is none.
        how: ``kill`` before it, ``tear`` for a kill halfway through it, which counts writes alone, or the name of an
            error. ENOSPC counts the changes that need room.
        lasting: Whether each change from then on fails; the first write is cut short, as a disk does that fills up.
    """

    at: int = 0
    how: str = "kill"
    lasting: bool = False


@dataclass(frozen=True)
class Run:
    """How a call ended.

    Attributes:
        hit: The change that was its last, or the first that failed; empty when it made fewer.
        killed: Whether it was.
        result: What it returned.
        error: The ``kind``, ``message`` and ``hint`` of what it raised.
    """

    hit: str = ""
    killed: bool = False
    result: dict[str, Any] | None = None
    error: dict[str, str] | None = None


class Sweeper:
    """The program that forks."""

    def __init__(self) -> None:
        environment = {**os.environ, "COVERAGE_PROCESS_START": "", "MALLOC_ARENA_MAX": "1"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.sweeps"],
            cwd=Path(__file__).parents[1],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )

    def run(
        self,
        target: str,
        arguments: Mapping[str, Any],
        fault: Fault | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> Run:
        """Call ``target(**arguments, progress=...)`` once.

        Args:
            target: ``"package.module:function"``.
            arguments: Keyword arguments, as JSON values.
            fault: What goes wrong.
            settings: Values of ``"package.module:name"`` for this call.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        order = {
            "target": target,
            "arguments": dict(arguments),
            "fault": asdict(fault or Fault()),
            "settings": dict(settings or {}),
        }
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return Run(**json.loads(self._process.stdout.readline()))

    def close(self) -> None:
        """End it."""
        self._process.communicate()


class _Disk:
    """Counts the changes of this process, and lets one of them go wrong."""

    def __init__(self) -> None:
        self.fault = Fault()
        self.report = -1
        self._count = 0
        self._lock = threading.RLock()

    def change(self, kind: str, where: Any, do: Callable[..., Any], data: Any = None) -> Any:
        """Make a change; one of ``data`` is a write, which `do` may be asked to do in part."""
        fault = self.fault
        if not fault.at or kind not in _COUNTED.get(fault.how, _CHANGES):
            return self._done(do, data)
        with self._lock:
            self._count += 1
            if self._count < fault.at or (self._count > fault.at and not fault.lasting):
                return self._done(do, data)
            if self._count == fault.at:
                self.tell(hit=f"{kind} {_named(where)}")
            return self._fail(do, data)

    def _fail(self, do: Callable[..., Any], data: Any) -> Any:
        fault = self.fault
        if fault.how == "tear":
            do(memoryview(data)[: len(data) // 2])
        if fault.how in {"kill", "tear"}:
            os.kill(os.getpid(), signal.SIGKILL)
        if data is not None and len(data) > 1 and fault.lasting and self._count == fault.at:
            return do(memoryview(data)[: len(data) // 2])
        code = getattr(errno, fault.how)
        raise OSError(code, os.strerror(code))

    def _done(self, do: Callable[..., Any], data: Any) -> Any:
        return do() if data is None else do(data)

    def tell(self, **what: Any) -> None:
        _WRITE(self.report, json.dumps(what).encode() + b"\n")


_WRITE, _PWRITE = os.write, os.pwrite
_OPEN = io.open
_DISK = _Disk()


def _named(where: Any) -> str:
    if isinstance(where, int):
        with contextlib.suppress(OSError):
            return os.readlink(f"/proc/self/fd/{where}")
    return os.fsdecode(where) if isinstance(where, str | bytes | os.PathLike) else str(where)


class _Watched:
    """A function of `os` that changes something."""

    def __init__(self, kind: str, real: Callable[..., Any]) -> None:
        self._kind, self._real = kind, real

    def __call__(self, where: Any, *rest: Any, **options: Any) -> Any:
        real = self._real
        if self._kind == "write":
            return _DISK.change("write", where, lambda data: real(where, data), rest[0])
        if self._kind == "pwrite":
            return _DISK.change("write", where, lambda data: real(where, data, rest[1]), rest[0])
        if self._kind == "pwritev":
            return _DISK.change("write", where, lambda data: _PWRITE(where, data, rest[1]), b"".join(rest[0]))
        if self._kind == "open" and not (rest[0] if rest else options["flags"]) & (os.O_CREAT | os.O_TRUNC):
            return real(where, *rest, **options)
        if self._kind == "fsync":  # nothing here loses its power, and waiting for disks takes its time
            return _DISK.change("fsync", where, lambda: None)
        return _DISK.change(self._kind, where, lambda: real(where, *rest, **options))


class _WatchedFile(io.FileIO):
    def __init__(self, file: Any, mode: str, closefd: bool, opener: Any) -> None:
        def make() -> None:
            super(_WatchedFile, self).__init__(file, mode, closefd, opener)

        self._where = file
        if isinstance(file, int):
            make()
        else:
            _DISK.change("open", file, make)

    def write(self, data: Any) -> int:
        written: int = _DISK.change("write", self._where, super().write, memoryview(data).cast("B"))
        return written


def _watched_open(  # noqa: PLR0917 - as `open` has them
    file: Any,
    mode: str = "r",
    buffering: int = -1,
    encoding: str | None = None,
    errors: str | None = None,
    newline: str | None = None,
    closefd: bool = True,
    opener: Any = None,
) -> Any:
    if not set(mode) & set("wax+"):
        return _OPEN(file, mode, buffering, encoding, errors, newline, closefd, opener)
    raw = _WatchedFile(file, mode.replace("b", "").replace("t", ""), closefd, opener)
    if not buffering:
        return raw
    stream = cast("Any", io.BufferedRandom if "+" in mode else io.BufferedWriter)(raw)
    return stream if "b" in mode else io.TextIOWrapper(stream, encoding, errors, newline)


def _watch() -> None:
    """Put ourselves between Python and the system, before anything of ours is loaded."""
    stand_ins: dict[Any, Any] = {_OPEN: _watched_open}
    for kind in _CHANGES:
        real = getattr(os, kind)
        stand_ins[real] = _Watched(kind, real)
        setattr(os, kind, stand_ins[real])
        for supported in (os.supports_dir_fd, os.supports_fd, os.supports_follow_symlinks):
            if real in supported:
                supported.add(stand_ins[real])
    for module in (io, builtins):
        setattr(module, "open", _watched_open)  # noqa: B010 - a type checker knows better
    accessor = getattr(sys.modules.get("pathlib"), "_NormalAccessor", None)  # Python 3.10
    for name, value in list(vars(accessor).items()) if accessor else ():
        with contextlib.suppress(TypeError):
            if value in stand_ins:
                setattr(accessor, name, staticmethod(stand_ins[value]))


def _answer(order: dict[str, Any]) -> None:
    from colabpanel.errors import ColabPanelError
    from colabpanel.progress import Progress

    for place, value in order["settings"].items():
        module, _, name = place.partition(":")
        assert hasattr(sys.modules[module], name), place
        setattr(sys.modules[module], name, value)
    module, _, function = order["target"].partition(":")
    call = getattr(importlib.import_module(module), function)
    _DISK.fault = Fault(**order["fault"])
    try:
        outcome = {"result": call(**order["arguments"], progress=Progress())}
    except ColabPanelError as error:
        outcome = {"error": {"kind": type(error).__name__, "message": error.message, "hint": error.hint}}
    except BaseException:
        outcome = {"error": {"kind": "", "message": traceback.format_exc(), "hint": ""}}
    _DISK.fault = Fault()
    _DISK.tell(**outcome)


def _fork(order: dict[str, Any]) -> dict[str, Any]:
    reading, _DISK.report = os.pipe()
    child = os.fork()
    if not child:
        signal.alarm(_PATIENCE)
        try:
            _answer(order)
        finally:
            os._exit(0)
    os.close(_DISK.report)
    told: dict[str, Any] = {}
    with _OPEN(reading, encoding="utf-8") as stream:
        for line in stream:
            told.update(json.loads(line))
    _, status = os.waitpid(child, 0)
    return {**told, "killed": os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL}


def _serve() -> None:
    _watch()
    for module in _NEEDED:
        importlib.import_module(module)
    assert threading.active_count() == 1
    gc.freeze()  # or each child copies every page
    for line in sys.stdin:
        sys.stdout.write(json.dumps(_fork(json.loads(line))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _serve()
