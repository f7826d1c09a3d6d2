"""Runs a program for as long as this one's input stays open: it ends with whoever started it, even if that is killed.

It is run by its path, with nothing but the standard library.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

__all__ = ["keep"]

_GRACE = 3.0
_PR_SET_PDEATHSIG = 1


def keep(command: list[str]) -> int:
    """Run a program; returns its exit code."""
    end_with_us = _end_with_keeper if sys.platform == "linux" else None
    program = subprocess.Popen(command, stdin=subprocess.DEVNULL, preexec_fn=end_with_us)  # noqa: PLW1509 - one thread
    threading.Thread(target=_end_with_parent, args=(program,), daemon=True).start()
    return program.wait()


def _end_with_keeper() -> None:
    """Let Linux end the program if this one is killed."""
    import ctypes

    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _end_with_parent(program: subprocess.Popen[bytes]) -> None:
    while os.read(sys.stdin.fileno(), 1024):
        pass
    program.terminate()
    try:
        program.wait(_GRACE)
    except subprocess.TimeoutExpired:
        program.kill()


if __name__ == "__main__":
    os._exit(keep(sys.argv[1:]) & 0xFF)  # at once: a thread still reads
