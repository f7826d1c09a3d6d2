"""Starting, watching and ending the server processes of the browser tests."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import psutil

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

STOP_SECONDS = 10.0
"""How long a process may take to end by itself before it is killed."""

_POLL_SECONDS = 0.1
_LOG_TAIL = 6000
_Found = TypeVar("_Found")


class StartError(RuntimeError):
    """A server did not come up; the message ends with the tail of its log."""


@dataclass(frozen=True)
class ServerProcess:
    """One running command whose output goes to a log file.

    Attributes:
        popen: The process; it leads its own process group.
        log: The file that receives stdout and stderr.
    """

    popen: subprocess.Popen[bytes]
    log: Path

    def log_text(self) -> str:
        """Return everything the command has printed so far."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def log_lines(self) -> str:
        """Return the lines it has printed to their end."""
        return self.log_text().rpartition("\n")[0]

    def wait_until(self, probe: Callable[[], _Found | None], seconds: float) -> _Found:
        """Call `probe` until it returns something other than None.

        Raises:
            StartError: The process ended, or `seconds` passed, before that.
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            found = probe()
            if found is not None:
                return found
            if self._ended_within(_POLL_SECONDS):
                code = self.popen.returncode
                raise self._failure(f"ended with code {code}")
        raise self._failure(f"was not ready after {seconds:g} s")

    def _ended_within(self, seconds: float) -> bool:
        try:
            self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def _failure(self, what: str) -> StartError:
        command = " ".join(map(str, self.popen.args))  # type: ignore[arg-type]
        tail = self.log_text()[-_LOG_TAIL:]
        return StartError(f"{command}\n{what}; its log {self.log} ends:\n{tail}")

    def stop(self) -> None:
        """End the process and everything it has started, kernels included.

        Kernels lead process groups of their own, so the tree of children is
        read before the first signal and whatever outlives it is killed.
        """
        family = _family(self.popen.pid)
        self.popen.terminate()
        _gone, alive = psutil.wait_procs(family, timeout=STOP_SECONDS)
        for process in alive:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self.popen.wait(STOP_SECONDS)


def _family(pid: int) -> list[psutil.Process]:
    try:
        parent = psutil.Process(pid)
        return [parent, *parent.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


@contextmanager
def running(argv: Sequence[str], *, cwd: Path, env: Mapping[str, str], log: Path) -> Iterator[ServerProcess]:
    """Run a command until the block ends.

    Args:
        argv: The command line.
        cwd: The folder it runs in.
        env: Its whole environment.
        log: The file that receives its stdout and stderr.

    Yields:
        The running process.
    """
    with log.open("wb") as sink:
        popen = subprocess.Popen(
            list(argv),
            cwd=cwd,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    process = ServerProcess(popen, log)
    try:
        yield process
    finally:
        process.stop()


def isolated_environment(home: Path, python: Path) -> dict[str, str]:
    """Return an environment in which Jupyter sees nothing of this machine's user.

    Args:
        home: An existing folder that takes the place of the home folder.
        python: The interpreter whose virtual environment comes first on PATH.
    """
    inherited = {
        key: value
        for key, value in os.environ.items()
        if not re.match(r"COLABPANEL_|JUPYTER|JPY_|IPYTHON|PYTHONPATH|PYTHONWARNINGS|COV_|XDG_", key)
    }
    folders = {
        "HOME": home,
        "JUPYTER_CONFIG_DIR": home / "config",
        "JUPYTER_DATA_DIR": home / "data",
        "JUPYTER_RUNTIME_DIR": home / "runtime",
        "IPYTHONDIR": home / "ipython",
    }
    for folder in folders.values():
        folder.mkdir(parents=True, exist_ok=True)
    paths = {key: str(folder) for key, folder in folders.items()}
    return (
        inherited
        | paths
        | {
            "PATH": f"{python.parent}{os.pathsep}{os.environ.get('PATH', '')}",
            "VIRTUAL_ENV": str(python.parent.parent),
            "PYTHONUNBUFFERED": "1",
            "NO_PROXY": "127.0.0.1,localhost",
        }
    )
