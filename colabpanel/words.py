"""Numbers as people read them: one rule for sizes, counts and durations.

Sizes are powers of 1024 under the names people know (1 GB is 1024 MB), because
Colab's own resource display, Windows and GPU tools count that way.
"""

from __future__ import annotations

import time

__all__ = ["age", "bytes_pair", "count", "duration", "moment", "plural", "size"]

_UNITS = ("bytes", "KB", "MB", "GB", "TB", "PB")
_STEP = 1024
_MINUTE = 60
_HOUR = 3600
_DAY = 86400


def _unit_for(amount: float) -> int:
    unit = 0
    while unit < len(_UNITS) - 1 and round(amount / _STEP**unit, 1) >= _STEP:
        unit += 1
    return unit


def _in_unit(amount: float, unit: int) -> str:
    value = amount / _STEP**unit
    if unit == 0 or value >= 100:  # noqa: PLR2004 - three digits say enough
        return f"{value:,.0f}"
    return f"{value:.1f}"


def size(amount: float) -> str:
    """Say a number of bytes: ``1.5 GB``, ``818 MB``, ``12 bytes``."""
    unit = _unit_for(amount)
    return f"{_in_unit(amount, unit)} {_UNITS[unit] if round(amount) != 1 else 'byte'}"


def bytes_pair(part: float, whole: float, *, joint: str = " of ") -> str:
    """Say a part of a whole in the unit of the whole: ``1.2 of 1.9 GB``."""
    unit = _unit_for(whole)
    return f"{_in_unit(part, unit)}{joint}{_in_unit(whole, unit)} {_UNITS[unit]}"


def count(number: int) -> str:
    """Say a number with thousands separators: ``100,000``."""
    return f"{number:,}"


def plural(number: int, noun: str, nouns: str | None = None) -> str:
    """Say how many there are of something: ``1 file``, ``1,204 files``."""
    return f"{number:,} {noun if number == 1 else nouns or noun + 's'}"


def duration(seconds: float) -> str:
    """Say a length of time: ``0.4 s``, ``8 s``, ``2 min 5 s``, ``1 h 12 min``, ``3 d 4 h``."""
    if seconds < 1:
        return f"{max(seconds, 0):.1f} s"
    whole = round(seconds)
    for upper, lower, names in ((_DAY, _HOUR, "d h"), (_HOUR, _MINUTE, "h min"), (_MINUTE, 1, "min s")):
        if whole >= upper:
            first, second = names.split()
            rest = whole % upper // lower
            return f"{whole // upper} {first}" + (f" {rest} {second}" if rest else "")
    return f"{whole} s"


def age(seconds: float) -> str:
    """Say how long ago something was, in one unit: ``just now``, ``5 min ago``, ``2 days ago``."""
    if seconds < _MINUTE:
        return "just now"
    if seconds < _HOUR:
        return f"{int(seconds / _MINUTE)} min ago"
    if seconds < _DAY:
        return f"{int(seconds / _HOUR)} h ago"
    return f"{plural(int(seconds / _DAY), 'day')} ago"


def moment(seconds: float) -> str:
    """Say when something was, in local time: ``2026-11-25 14:03``; a file may claim a year that does not exist."""
    try:
        return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))
    except (OverflowError, OSError, ValueError):
        return "in no year"
