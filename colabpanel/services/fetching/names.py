"""What a fetched file is called: names that servers give are untrusted text."""

from __future__ import annotations

import re
import unicodedata
from email.message import Message
from http.client import HTTPMessage
from pathlib import PurePosixPath
from urllib.parse import unquote

from colabpanel.services.staging.names import safe_parts
from colabpanel.services.web.addresses import Address

__all__ = ["clean", "name_for"]

_LONGEST = 180
_NOT_ALLOWED = re.compile(r'[<>:"|?*\x00-\x1f]')
_UNNAMED = "download"


def name_for(asked: Address, answered: Address, headers: HTTPMessage) -> str:
    """Return the name of a file: as the server says, or as the address ends."""
    stated = clean(_stated(headers))
    if stated:
        return stated
    found = [name for address in (asked, answered) if (name := clean(_last(address)))]
    return next((name for name in found if PurePosixPath(name).suffix), found[0] if found else _UNNAMED)


def clean(name: str) -> str:
    """Return a name that is one file of a folder on every system, or an empty string if nothing is left of it."""
    name = unicodedata.normalize("NFC", name.encode("utf-8", "replace").decode())
    name = "".join(letter for letter in name if unicodedata.category(letter) not in {"Cc", "Cf", "Cs", "Zl", "Zp"})
    name = re.split(r"[/\\]", name)[-1]
    name = _NOT_ALLOWED.sub("_", name).strip().lstrip(".").strip()
    name = _shortened(name).rstrip(". ")
    if not name:
        return ""
    return name if isinstance(safe_parts(name, windows=True), tuple) else f"_{name}"


def _shortened(name: str) -> str:
    """Cut a name in front of its ending."""
    if len(name.encode()) <= _LONGEST:
        return name
    ending = "".join(PurePosixPath(name).suffixes[-2:])
    if len(ending.encode()) > 20:  # noqa: PLR2004 - no ending that anybody knows
        ending = ""
    stem = name.encode()[: _LONGEST - len(ending.encode())].decode("utf-8", "ignore")
    return stem + ending


def _stated(headers: HTTPMessage) -> str:
    """Return the name of a Content-Disposition."""
    text = headers.get("Content-Disposition", "")
    if not text:
        return ""
    try:
        text = text.encode("latin-1").decode("utf-8")  # what servers send, though they should not
    except UnicodeError:
        text = text.encode("utf-8", "replace").decode("utf-8")
    better = re.search(r"filename\*\s*=\s*utf-8''([^;\s]+)", text, re.IGNORECASE)
    if better:
        return unquote(better[1])
    message = Message()
    message["Content-Disposition"] = " ".join(text.split())
    return message.get_filename() or ""


def _last(address: Address) -> str:
    return address.path.rstrip("/").rpartition("/")[2]
