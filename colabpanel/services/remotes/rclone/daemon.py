"""One rclone for this process, started when it is first needed. It serves on the loopback, behind a password."""

from __future__ import annotations

import atexit
import contextlib
import os
import queue
import re
import secrets
import subprocess
import sys
import threading
from collections import deque
from pathlib import Path
from typing import IO

from colabpanel.errors import StorageError
from colabpanel.services.isolated import bury
from colabpanel.services.remotes.rclone.failures import as_error, without_secrets
from colabpanel.services.remotes.rclone.finding import find_rclone

__all__ = ["Daemon", "running_rclone", "stop_rclone"]

_KEEPER = Path(__file__).with_name("keeper.py")
_SERVING = re.compile(r"Serving remote control on http://([\d.]+):(\d+)/")
_TO_START = 20.0
_GRACE = 5.0
_USER = "colabpanel"
_LOCK = threading.Lock()


class Daemon:
    """A running rclone.

    Args:
        program: Which one.

    Attributes:
        port: Where it listens on the loopback.
        login: Its user and password.
        log: The last lines it said.

    Raises:
        StorageError: It does not start.
    """

    def __init__(self, program: Path) -> None:
        self.login = (_USER, secrets.token_urlsafe(32))
        self.log: deque[str] = deque(maxlen=200)
        self._ports: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        self._owner = os.getpid()
        self._process = self._start(program)
        assert self._process.stdout is not None
        threading.Thread(
            target=self._listen, args=(self._process.stdout,), name="colabpanel-rclone", daemon=True
        ).start()
        self.port = self._wait_for_port()

    def _start(self, program: Path) -> subprocess.Popen[str]:
        user, password = self.login
        environment = {key: value for key, value in os.environ.items() if not key.startswith("RCLONE_RC")}
        environment |= {"RCLONE_RC_USER": user, "RCLONE_RC_PASS": password}
        serve = [str(program), "rcd", "--rc-addr", "127.0.0.1:0", "--rc-serve", "--ask-password=false"]
        return subprocess.Popen(
            [sys.executable, "-I", "-S", str(_KEEPER), *serve],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            env=environment,
            start_new_session=True,
        )

    def _listen(self, said: IO[str]) -> None:
        with said:
            for line in said:
                self.log.append(without_secrets(line.rstrip()))
                found = _SERVING.search(line)
                if found:
                    self._ports.put(int(found[2]))
        self._ports.put(None)

    def _wait_for_port(self) -> int:
        port = None
        with contextlib.suppress(queue.Empty):
            port = self._ports.get(timeout=_TO_START)
        if port is None:
            self.stop()
            said = self.log[-1] if self.log else ""
            why = as_error(said, "rclone")
            raise StorageError(f"rclone does not start: {said or 'it says nothing'}.", hint=why.hint)
        return port

    @property
    def is_alive(self) -> bool:
        """Whether it runs, and belongs to this process and not to one that this was forked from."""
        return self._owner == os.getpid() and self._process.poll() is None

    def stop(self) -> None:
        """End it."""
        if self._owner != os.getpid():
            return
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            bury(self._process)


_running: list[Daemon] = []


def running_rclone() -> Daemon:
    """Return the rclone of this process; it is started if there is none, or if it has died.

    Raises:
        MissingLibraryError: There is no rclone, or one that is too old.
        StorageError: It does not start.
    """
    with _LOCK:
        if not (_running and _running[0].is_alive):
            while _running:
                _running.pop().stop()
            _running.append(Daemon(find_rclone()))
        return _running[0]


@atexit.register
def stop_rclone() -> None:
    """End the rclone of this process, if there is one; the next call starts another."""
    with _LOCK:
        while _running:
            _running.pop().stop()
