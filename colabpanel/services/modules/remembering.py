"""The places that modules were added from, kept for the next session."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

from colabpanel.hosts import Host, detect
from colabpanel.services.files import write_atomic

__all__ = ["forget_modules", "remember", "remembered_modules", "without_login"]

_MEMORY = "modules.json"
_MOST_REMEMBERED = 50
_LOGIN = re.compile(r"^(\w[\w+.-]*://)[^/?#]*@")


def remembered_modules(*, host: Host | None = None) -> tuple[str, ...]:
    """Return the places that were added in earlier sessions too, the last one first."""
    try:
        found: Any = json.loads(((host or detect()).state_dir / _MEMORY).read_bytes())
    except (OSError, ValueError):
        return ()
    return tuple(one for one in found if isinstance(one, str)) if isinstance(found, list) else ()


def without_login(source: str) -> str:
    """Return a place without the name, password or token that an address may hold; a path comes back as it is."""
    return _LOGIN.sub(r"\1", source)


def remember(host: Host, source: str) -> None:
    """Remember a place, as the one that was added last; a login in its address is not kept."""
    kept = without_login(source)
    known = [one for one in remembered_modules(host=host) if one != kept]
    _write(host, [kept, *known][:_MOST_REMEMBERED])


def forget_modules(path: str | Path, *, host: Host | None = None) -> None:
    """Remember a place no more."""
    host = host or detect()
    known, gone = remembered_modules(host=host), without_login(os.fspath(path))
    if gone in known:
        _write(host, [one for one in known if one != gone])


def _write(host: Host, sources: list[str]) -> None:
    write_atomic(host.state_dir / _MEMORY, json.dumps(sources).encode("utf-8", "surrogatepass"))
