"""The places that modules were added from, kept for the next session."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from colabpanel.hosts import Host, detect
from colabpanel.services.files import write_atomic

__all__ = ["forget_modules", "remember", "remembered_modules"]

_MEMORY = "modules.json"
_MOST_REMEMBERED = 50


def remembered_modules(*, host: Host | None = None) -> tuple[str, ...]:
    """Return the places that were added in earlier sessions too, the last one first."""
    try:
        found: Any = json.loads(((host or detect()).state_dir / _MEMORY).read_bytes())
    except (OSError, ValueError):
        return ()
    return tuple(one for one in found if isinstance(one, str)) if isinstance(found, list) else ()


def remember(host: Host, source: str) -> None:
    """Remember a place, as the one that was added last."""
    known = [one for one in remembered_modules(host=host) if one != source]
    _write(host, [source, *known][:_MOST_REMEMBERED])


def forget_modules(path: str | Path, *, host: Host | None = None) -> None:
    """Remember a place no more."""
    host = host or detect()
    known = remembered_modules(host=host)
    if os.fspath(path) in known:
        _write(host, [one for one in known if one != os.fspath(path)])


def _write(host: Host, sources: list[str]) -> None:
    write_atomic(host.state_dir / _MEMORY, json.dumps(sources).encode("utf-8", "surrogatepass"))
