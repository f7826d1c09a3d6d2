"""One measured run: a fresh file system, the clock, the memory of the whole process tree, and what came out."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

import psutil
from peers import Peer
from worksets import WorkSet, crc_of

EVERY = 0.02  # seconds between two looks at the memory
LIMIT = 600.0  # seconds after which a peer is stopped
OTHERS = 12.0  # percent of all cores that other processes may use when a run begins
SHM = Path("/dev/shm")
COPY = "copy.zip"  # the archive's copy beside the files of the reference


@dataclass(frozen=True)
class Sample:
    """One run. ``peak`` is resident memory in bytes, ``private`` the same without pages mapped from files.

    ``calm`` is whether nothing else used the machine when it began.
    """

    seconds: float
    peak: int
    private: int
    problem: str = ""
    calm: bool = True


class Target:
    """Where files are unpacked to: every run gets an empty place, on ext4 a new file system."""

    def __init__(self, choice: str, cache: Path, patience: float = 10) -> None:
        self.cache, self.patience = cache.resolve(), patience
        self.choice = choice if choice != "auto" else self._choose()

    def _choose(self) -> str:
        if os.geteuid() == 0 and shutil.which("mkfs.ext4"):
            with contextlib.suppress(subprocess.CalledProcessError), _ext4(self.cache, 64 << 20):
                return "ext4"
        return str(SHM) if SHM.is_dir() else str(self.cache)

    def _place(self, size: int) -> Path:
        """Return where an image of this size goes: into memory where that has room, so that no disk is measured."""
        roomy = self.choice == "ext4" and SHM.is_dir() and shutil.disk_usage(SHM).free > size
        return SHM if roomy else self.cache

    @contextlib.contextmanager
    def fresh(self, size: int) -> Iterator[Path]:
        """Give an empty folder for so many bytes, and remove it with its contents."""
        if self.choice in {"ext4", "ext4-disk"}:
            with _ext4(self._place(3 * size), max(3 * size, 1 << 30)) as folder:
                yield folder
            return
        folder = Path(tempfile.mkdtemp(prefix="colabpanel-bench-", dir=self.choice))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _ext4(place: Path, size: int) -> Iterator[Path]:
    """Mount a new ext4 image."""
    place.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix="colabpanel-bench-", dir=place))
    image, folder = work / "image", work / "mounted"
    folder.mkdir()
    try:
        with image.open("wb") as file:
            file.truncate(size)
        _quiet("mkfs.ext4", "-q", "-F", "-m", "0", "-i", "8192", str(image))
        _quiet("mount", "-o", "loop,noinit_itable", str(image), str(folder))
        try:
            yield folder
        finally:
            _empty(folder)
            _unmount(folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _unmount(folder: Path) -> None:
    """Unmount, also when something lingers there."""
    for _attempt in range(20):
        if subprocess.run(["umount", str(folder)], capture_output=True, check=False).returncode == 0:
            return
        time.sleep(0.1)
    _quiet("umount", "-l", str(folder))


def _empty(folder: Path) -> None:
    """Delete what was unpacked, so that unmounting need not write it."""
    for entry in folder.iterdir():
        if entry.is_dir():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            entry.unlink()


def _quiet(*command: str) -> None:
    subprocess.run(command, capture_output=True, check=True)


class Memory(threading.Thread):
    """Looks at a process and its descendants every 20 ms; ``baseline`` of the process itself is not counted."""

    def __init__(self, pid: int, baseline: tuple[int, int] = (0, 0)) -> None:
        super().__init__(daemon=True)
        self.peak = self.private = 0
        self._tree, self._others = {pid}, set[str]()
        self._baseline = baseline
        self._over = threading.Event()

    def run(self) -> None:
        over = False
        while not over:
            self._grow()
            total, private = (sum(figures) for figures in zip(*map(resident, self._tree), strict=True))
            self.peak = max(self.peak, total - self._baseline[0])
            self.private = max(self.private, private - self._baseline[1])
            over = self._over.wait(EVERY)

    def stop(self) -> None:
        self._over.set()
        self.join()

    def _grow(self) -> None:
        """Take in new children; a process that is none of them is never looked at again."""
        names = set(os.listdir("/proc")) - self._others
        for name in sorted(names, key=lambda name: (len(name), name)):  # parents first
            if not name.isdecimal() or (int(name) not in self._tree and _parent(name) not in self._tree):
                self._others.add(name)
            else:
                self._tree.add(int(name))


def _parent(pid: str) -> int:
    try:
        return int(Path("/proc", pid, "stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, ValueError, IndexError):
        return -1


def resident(pid: int) -> tuple[int, int]:
    """Return the resident bytes of a process, with and without pages mapped from files; zeros when it is gone."""
    try:
        status = Path("/proc", str(pid), "status").read_text()
    except OSError:
        return 0, 0
    fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    figures = {name: int(fields.get(name, "0 kB").split()[0]) << 10 for name in ("RssAnon", "RssFile", "RssShmem")}
    return sum(figures.values()), figures["RssAnon"] + figures["RssShmem"]


def measure(peer: Peer, work: WorkSet, target: Target) -> Sample:
    """Run a peer into an empty folder, and compare what it left there."""
    with target.fresh(work.size + work.packed) as folder:
        warm(work.path)
        calm = quiet(target.patience)
        sample = run(peer.command(work.path, str(folder)), interactive=peer.interactive)
        problem = sample.problem or compare(work, folder, contents=peer.kind != "raw")
    return replace(sample, problem=problem, calm=calm)


def run(command: list[str], *, interactive: bool) -> Sample:
    """Run a command and measure it; an interactive one from the moment it is told to begin."""
    with tempfile.TemporaryFile("w+") as errors:
        pipe = subprocess.PIPE if interactive else subprocess.DEVNULL
        process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=errors, text=True, start_new_session=True)
        killer = threading.Timer(LIMIT, _kill, (process,))
        killer.start()
        try:
            seconds, memory = _converse(process) if interactive else _wait(process)
        finally:
            killer.cancel()
            _kill(process)
        return Sample(seconds, memory.peak, memory.private, _problem(process, errors, seconds))


def _wait(process: subprocess.Popen[str]) -> tuple[float, Memory]:
    started = time.perf_counter()
    memory = Memory(process.pid)
    memory.start()
    process.wait()
    seconds = time.perf_counter() - started
    memory.stop()
    return seconds, memory


def _converse(process: subprocess.Popen[str]) -> tuple[float, Memory]:
    assert process.stdin
    assert process.stdout
    _until(process.stdout, "ready")
    memory = Memory(process.pid, resident(process.pid))
    memory.start()
    started = time.perf_counter()
    with contextlib.suppress(BrokenPipeError):
        process.stdin.write("\n")
        process.stdin.flush()
    _until(process.stdout, "done")
    seconds = time.perf_counter() - started
    memory.stop()
    process.communicate("\n")
    return seconds, memory


def _until(lines: IO[str], word: str) -> None:
    for line in lines:
        if line.strip() == word:
            return


def _kill(process: subprocess.Popen[str]) -> None:
    """End the whole session of a peer, its forgotten children too."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def _problem(process: subprocess.Popen[str], errors: IO[str], seconds: float) -> str:
    if process.returncode == 0:
        return ""
    if seconds >= LIMIT:
        return f"stopped after {LIMIT:.0f} s"
    errors.seek(0)
    last = (errors.read().strip().splitlines() or [""])[-1]
    return f"fails (exit {process.returncode}: {last[:90]})"


def compare(work: WorkSet, folder: Path, *, contents: bool = True) -> str:
    """Return what is wrong with the unpacked files: their number, their bytes, or the CRC of any of the sample."""
    root = folder / "out" if (folder / "out").is_dir() else folder
    files = size = 0
    for place, _folders, names in os.walk(root):
        for name in names:
            if name != COPY:
                files += 1
                size += os.stat(f"{place}/{name}").st_size
    if (files, size) != (work.files, work.size):
        return f"loses data ({files:,} of {work.files:,} files, {size:,} of {work.size:,} bytes)"
    for name, _size, crc in work.sample if contents else ():
        if not (root / name).is_file() or crc_of(root / name) != crc:
            return f"loses data ({name} differs)"
    return ""


def quiet(patience: float) -> bool:
    """Wait until hardly anything else runs on this machine; False when so many seconds were not enough."""
    deadline = time.monotonic() + patience
    while psutil.cpu_percent(0.3) > OTHERS:
        if time.monotonic() > deadline:
            return False
    return True


def warm(path: str) -> None:
    """Read a file, so that it is in memory; some machines forget within seconds."""
    with open(path, "rb", buffering=0) as file:
        while file.read(4 << 20):
            pass
