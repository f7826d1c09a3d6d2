"""What commands show in a terminal: progress while they work, and one line in the end."""

from __future__ import annotations

import json
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from colabpanel import words
from colabpanel.jobs import Job, JobRunner, JobSnapshot
from colabpanel.progress import Progress

__all__ = ["EXIT_CODES", "draw", "printable", "run", "tell"]

T = TypeVar("T")

EXIT_CODES = {"ok": 0, "partial": 3, "rejected": 1, "failed": 1, "cancelled": 130}
_LOOK_EVERY = 0.2


def run(work: Callable[[Progress], T]) -> T:
    """Do long work with its progress in the terminal; an interrupt cancels it."""
    runner, asked = JobRunner(), threading.Event()
    earlier = {name: signal.signal(name, lambda *_: asked.set()) for name in (signal.SIGINT, signal.SIGTERM)}
    try:
        job: Job[T] = runner.submit("command", work)
        while True:
            try:
                job.exception(timeout=_LOOK_EVERY)
            except TimeoutError:
                if asked.is_set():
                    job.cancel()
                draw(job.snapshot())
            else:
                return job.result()
    finally:
        draw(None)
        for name, handler in earlier.items():
            signal.signal(name, handler)


def draw(snapshot: JobSnapshot | None) -> None:
    """Draw one line of progress on a terminal, or wipe it."""
    if not sys.stderr.isatty():
        return
    line = ""
    if snapshot is not None:
        share = "" if snapshot.fraction is None else f" {snapshot.fraction:.0%}"
        rate = f", {words.size(snapshot.rate)}/s" if snapshot.rate and snapshot.unit == "bytes" else ""
        left = f", {words.duration(snapshot.seconds_left)} left" if snapshot.seconds_left else ""
        line = f"{snapshot.description}{share}{rate}{left}"
    sys.stderr.write(f"\r\x1b[K{line}")
    sys.stderr.flush()


def tell(answer: dict[str, Any], *, as_json: bool) -> None:
    """Print how a command ended; ``lines`` of an answer are for people only."""
    if as_json:
        print(json.dumps({key: value for key, value in answer.items() if key != "lines"}), flush=True)
        return
    stream = sys.stdout if EXIT_CODES[answer["status"]] in {0, 3} else sys.stderr
    print(printable(answer["message"]), file=stream, flush=True)
    for line in answer.get("lines", ()):
        print(printable(line), file=stream)
    for member, reason in answer.get("skipped", ()):
        print(printable(f"  skipped {member}: {reason}"), file=sys.stderr)
    if answer.get("hint"):
        print(printable(answer["hint"]), file=stream)


def printable(text: str) -> str:
    """Return text that cannot steer a terminal, however a member is named."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)
