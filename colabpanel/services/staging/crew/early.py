"""Processes that start while the table of contents is still read: that takes as long as thousands of files do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from colabpanel.services.staging.crew.crew import choose

if TYPE_CHECKING:
    import subprocess

__all__ = ["EarlyProcesses"]

_UNKNOWN_SIZE = 1 << 40


class EarlyProcesses:
    """Waiting processes, as many as the work will probably want.

    Args:
        workers: How many workers the user wants; None leaves it to the processors.
    """

    def __init__(self, workers: int | None) -> None:
        self._workers = workers
        self._waiting: list[subprocess.Popen[bytes]] = []

    def expect(self, members: int) -> None:
        """Start them, if an archive of so many members is unpacked by processes."""
        mode, number = choose(members, _UNKNOWN_SIZE, self._workers)
        if mode == "processes":
            from colabpanel.services.staging.crew.process import start_process

            self._waiting = [start_process() for _ in range(number)]

    def take(self) -> subprocess.Popen[bytes] | None:
        """Return one of them, if any is left."""
        return self._waiting.pop() if self._waiting else None

    def close(self) -> None:
        """End those that were not taken."""
        for process in self._waiting:
            process.kill()
            process.communicate()
