"""Why Drive did not mount, in plain words, from what its own program has written down."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

__all__ = ["Diagnosis", "diagnose", "log_sizes"]

_LOGS = ("drive_fs.txt", "timeouts.txt")
_TAIL = 256 << 10
"""Bytes at the end of a log that are looked at."""


class Diagnosis(NamedTuple):
    """What went wrong, and what to do about it."""

    sentence: str
    hint: str


_FINDINGS: tuple[tuple[str, Diagnosis], ...] = (
    (
        r"domain policy has disabled|drive_?fs.{0,20}disabled.{0,20}(admin|policy)",
        Diagnosis(
            "The administrator of this account does not allow Drive to be mounted.",
            "Mount it with another account, or ask the administrator to allow Drive for desktop.",
        ),
    ),
    (
        r"invalid_grant|Authorization failed|invalid oauth code|account (mismatch|changed)|credential propagation",
        Diagnosis(
            "Google did not accept the account, or its consent.",
            "Mount again with the account that this notebook belongs to, and allow everything that is asked for.",
        ),
    ),
    (
        r"storageQuotaExceeded|storage quota.{0,40}exceeded|QUOTA_EXCEEDED",
        Diagnosis("The Drive is full.", "Delete files on Drive and empty its Trash, which counts, too."),
    ),
    (
        r"(userR|r)ateLimitExceeded|dailyLimitExceeded|(download|sharing)QuotaExceeded",
        Diagnosis(
            "Google answers no more requests for this account for a while.",
            "Wait some hours. Stage one archive instead of reading many files.",
        ),
    ),
    (
        r"No space left on device|ENOSPC|disk (is )?full",
        Diagnosis(
            "The disk of the runtime is full, so Drive has no room to work in.",
            "Free some space on the local disk, then mount again.",
        ),
    ),
    (
        r"QueryManager timed out|timeout during initial read",
        Diagnosis(
            "Drive took too long to list its top folder.",
            "Move files from the top of My Drive into folders (some thousand there are too many), then try again.",
        ),
    ),
)


def log_sizes(logs: Path | None) -> dict[str, int]:
    """Return how long the logs are now; `diagnose` then looks at what was added, for they go on for a whole session."""
    return {name: _size_of(logs / name) for name in _LOGS} if logs is not None else {}


def diagnose(logs: Path | None, *, reason: str = "", after: Mapping[str, int] | None = None) -> Diagnosis | None:
    """Return what is known to be wrong, or None.

    Args:
        logs: The folder with the logs of Drive's program, or None where there is none.
        reason: What the host itself said.
        after: How long the logs were before (`log_sizes`): what was in them then is of another time.
    """
    before = after or {}
    text = reason + "".join(_tail_of(logs / name, before.get(name, 0)) for name in _LOGS if logs is not None)
    return next((found for pattern, found in _FINDINGS if re.search(pattern, text, re.IGNORECASE)), None)


def _size_of(log: Path) -> int:
    try:
        return log.stat().st_size
    except OSError:
        return 0


def _tail_of(log: Path, start: int) -> str:
    size = _size_of(log)
    if size < start:  # a new one was begun
        start = 0
    try:
        with log.open("rb") as stream:
            stream.seek(max(size - _TAIL, start))
            return stream.read(_TAIL).decode("utf-8", "replace")
    except OSError:
        return ""
