"""Moments as remotes write them."""

from __future__ import annotations

import re
from datetime import datetime, timezone

__all__ = ["seconds_of"]

_MOMENT = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)")


def seconds_of(moment: str) -> float | None:
    """Return the seconds since the epoch of a moment such as ``2026-06-01T12:00:00.123456789Z``.

    It is None for any other text, and for moments before 1971, which remotes tell that do not know.
    """
    found = _MOMENT.fullmatch(moment)
    if found is None:
        return None
    zone = "+00:00" if found[3] == "Z" else found[3]
    try:
        whole = datetime.fromisoformat(found[1] + zone).astimezone(timezone.utc).timestamp()
    except (ValueError, OverflowError):
        return None
    seconds = whole + float(found[2] or 0)
    return seconds if seconds >= _YEAR else None


_YEAR = 365 * 86400.0
